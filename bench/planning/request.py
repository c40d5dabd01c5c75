"""Request of the user -> a protocol, seeds, names and parameter values."""

import ast
import dataclasses
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import datasets
import quantizers
from bench import plugins
from bench.errors import UsageError
from bench.planning import suites
from bench.planning.protocol import PROTOCOLS, Protocol
from bench.planning.rows import Row, parse
from bench.planning.suites import Suite
from bench.typing import JSON
from bench.vocabulary import REFERENCES
from quantizers.checks import suggestion

DEFAULT = "quick"
MOST_SEEDS = 10_000
LARGEST_SEED = datasets.TUNING - 1


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request of a user, as typed on the command line; a suite fills in what was left empty.

    Attributes:
        quantizers: Names of rows, separated by commas.
        datasets: Names of datasets, separated by commas.
        protocol: Name of the protocol; "" for the default one.
        suite: Name of the suite; "" for none.
        seeds: Number of seeds, or a list of seeds; "" for the protocol's number.
        codebook_size: Codebook size K of every family; None for the protocol's.
        settings: Texts of the form NAME.PARAMETER=VALUE.
        capacity: Rule for network sizes, "matched" or "published".
        require_real: Whether to refuse a stand-in.
        params: Path of a tuned.toml; "" for none.
    """

    quantizers: str = ""
    datasets: str = ""
    protocol: str = ""
    suite: str = ""
    seeds: str = ""
    codebook_size: int | None = None
    settings: tuple[str, ...] = ()
    capacity: str = "matched"
    require_real: bool = False
    params: str = ""

    def loaded(self) -> Suite | None:
        """Load the suite that was named; None where there is none.

        Raises:
            UsageError: There is no suite of that name, or quantizers were named too.
        """
        if not self.suite:
            return None
        if self.quantizers:
            raise UsageError(f"--suite {self.suite} names its own rows; leave out --quantizers")
        return suites.load(self.suite)


def parse_seeds(text: str) -> list[int]:
    """Read seeds: "5" means 0 to 4, "0,3,4" and "3," mean the seeds themselves.

    Raises:
        UsageError: The text is neither a count nor a list of distinct seeds.
    """
    try:
        values = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        values = []
    seeds = values if "," in text else []
    if "," not in text and values and 0 < values[0] <= MOST_SEEDS:
        seeds = list(range(values[0]))
    if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED or len(set(seeds)) < len(seeds):
        raise UsageError(f"expected --seeds to be a count of at least 1 (5) or distinct seeds (0,3,4), got {text!r}")
    return seeds


def protocol_of(request: Request, chosen: Suite | None = None) -> Protocol:
    """Find the named protocol, and apply the suite's changes, the user's codebook size and capacity rule to it."""
    name = request.protocol or (chosen.protocol if chosen else DEFAULT)
    if name not in PROTOCOLS:
        raise UsageError(f"unknown protocol {name!r}; {suggestion(name, list(PROTOCOLS))}")
    protocol = PROTOCOLS[name]
    if chosen:
        protocol = chosen.adapted(protocol)
    if request.codebook_size is not None:
        if not 2 <= request.codebook_size <= 1 << 20:
            raise UsageError(f"expected --codebook-size between 2 and 1048576, got {request.codebook_size}")
        protocol = dataclasses.replace(protocol, codebook_size=request.codebook_size)
    if request.capacity not in ("matched", "published"):
        raise UsageError(f"expected --capacity to be matched or published, got {request.capacity!r}")
    return dataclasses.replace(protocol, capacity=request.capacity)


def rows_of(request: Request, chosen: Suite | None, protocol: Protocol) -> list[tuple[Row, tuple[str, ...] | None]]:
    """Rows of the tables, each with the datasets that it is for; None for all."""
    if chosen:
        return chosen.rows(protocol)
    names = names_of(request.quantizers.split(","), quantizers.group, quantizers.GROUPS, "quantizer")
    return [(parse(name), None) for name in names]


def datasets_of(text: str) -> dict[str, JSON]:
    """Read names of datasets: name in the tables -> parameters that the name implies.

    "all" is spelt out, and repetitions are dropped.

    Raises:
        UsageError: A dataset is unknown, there is none, or two files would have one name.
    """
    chosen: dict[str, JSON] = {}
    all_names = [name for name in datasets.names() if not datasets.get(name).located]
    parts = _with_paths(text.split(","))
    for typed in names_of(parts, lambda group: all_names, ("all",), "dataset"):
        kind = typed.partition(":")[0]
        if kind not in datasets.names():
            plugins.refuse_broken("dataset", kind)
        try:
            name, parameters = datasets.resolve(typed)
        except ValueError as error:
            raise UsageError(f"{error}{_hint(parts, typed)}") from None
        if chosen.setdefault(name, parameters) != parameters:
            raise UsageError(f"--datasets {text}: two files would be called {name} in the tables; rename one")
    return chosen


def _with_paths(parts: list[str]) -> list[str]:
    """Put parts between commas together again where the path of a located dataset's file has commas.

    The longest path that is a file is the one that is meant.
    """
    whole, start = [], 0
    while start < len(parts):
        end = start + 1
        kind, colon, _ = parts[start].strip().partition(":")
        if colon and kind in datasets.names() and datasets.get(kind).located:
            for longer in range(len(parts), start + 1, -1):
                # Not `Path.is_file`: it raises where many names make one that is too long.
                if os.path.isfile(_path(parts[start:longer])):  # noqa: PTH113
                    end = longer
                    break
        whole.append(",".join(parts[start:end]))
        start = end
    return whole


def _path(parts: list[str]) -> str:
    return os.path.expanduser(",".join(parts).strip().partition(":")[2])  # noqa: PTH111 - that raises for no user


def _hint(parts: list[str], unknown: str) -> str:
    """Hint that a part which is no dataset may be a piece of a path that has commas; "" where it cannot be."""
    parts = [part.strip() for part in parts]
    start = parts.index(unknown) - 1 if unknown in parts else -1
    kinds = [part.partition(":")[0] for part in parts]
    if start < 0 or ":" not in parts[start] or kinds[start] not in datasets.names():
        return ""
    end = next((end for end in range(start + 1, len(parts)) if kinds[end] in datasets.names()), len(parts))
    path = _path(parts[start:end])
    return f"; a path that has commas is taken as one where that file exists, and there is no file {path!r}"


def names_of(parts: list[str], members: Callable[[str], list[str]], groups: Collection[str], kind: str) -> list[str]:
    """Names that were typed, without repetitions; they may be unknown.

    Args:
        parts: Names as the user typed them.
        members: Function from the name of a group to the names that it stands for.
        groups: Names of groups, "all" among them.
        kind: "quantizer" or "dataset", for the message.

    Raises:
        UsageError: No name was typed.
    """
    names: dict[str, None] = {}
    for part in parts:
        name = part.strip()
        if name:
            names |= dict.fromkeys(members(name) if name in groups else [name])
    if not names:
        other = " (or --suite)" if kind == "quantizer" else ""
        raise UsageError(f"expected --{kind}s{other} with at least one {kind}; known: {', '.join(members('all'))}")
    return list(names)


def settings_of(texts: tuple[str, ...], quantizers_of_rows: list[str], sources: list[str]) -> dict[str, JSON]:
    """Read settings: quantizer or dataset -> values of its parameters, of the types of their defaults.

    Args:
        texts: Texts of the form NAME.PARAMETER=VALUE.
        quantizers_of_rows: Quantizers of the run, with their presets; a preset never changes, so it takes no setting.
        sources: Datasets of the run.

    Raises:
        UsageError: A text has another form, or names what the run does not have.
    """
    names = dict.fromkeys(quantizers_of_rows)
    targets = [name for name in names if ":" not in name and name not in REFERENCES] + sources
    settings: dict[str, JSON] = {}
    for text in texts:
        target, dot, rest = text.strip().partition(".")
        name, equals, value = (part.strip() for part in rest.partition("="))
        if not (dot and equals and name and value):
            raise UsageError(f"expected --set QUANTIZER.PARAMETER=VALUE (vq.decay=0.95), got {text!r}")
        if target not in targets:
            has_preset = any(name.startswith(f"{target}:") for name in names)
            presets = "; a preset keeps its values" if has_preset else ""
            raise UsageError(f"--set {text}: no {target!r} in this run; {suggestion(target, targets)}{presets}")
        defaults = datasets.parameters(target) if target in sources else quantizers.get(target)[0].parameters
        if name not in defaults:
            raise UsageError(f"--set {text}: unknown parameter {name!r}; {suggestion(name, list(defaults))}")
        settings.setdefault(target, {})[name] = _value(text, value, defaults[name])
    return settings


def _value(text: str, value: str, default: Any) -> Any:
    """Read a value as the type of its default."""
    try:
        if isinstance(default, bool):
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[value.lower()]
        if isinstance(default, tuple):
            return tuple(int(part) for part in value.split(",") if part.strip())
        if isinstance(default, str):
            return value
        if isinstance(default, int | float):
            return type(default)(value)
        return ast.literal_eval(value)
    except (KeyError, ValueError, SyntaxError):
        kinds = {bool: "yes or no", tuple: "integers", int: "an integer", float: "a number"}
        kind = kinds.get(type(default), "a value")
        raise UsageError(f"--set {text}: expected {kind} such as {default!r}, got {value!r}") from None
