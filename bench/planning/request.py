"""What the user typed -> a protocol, seeds, names and parameter values."""

import ast
import dataclasses
import os
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


@dataclass(frozen=True)
class Request:
    """What the user asked for, as typed; a suite fills in what was left empty."""

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
        """The suite, where one was named.

        Raises:
            UsageError: There is none of that name, or quantizers were named too.
        """
        if not self.suite:
            return None
        if self.quantizers:
            raise UsageError(f"--suite {self.suite} names its own rows; leave out --quantizers")
        return suites.load(self.suite)


def parse_seeds(text: str) -> list[int]:
    """A count, or a list: "5" is 0 to 4, "0,3,4" and "3," are those.

    Raises:
        UsageError: Neither.
    """
    try:
        values = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        values = []
    counted = "," not in text and values and 0 < values[0] <= MOST_SEEDS
    seeds = list(range(values[0])) if counted else values if "," in text else []
    if not seeds or min(seeds) < 0 or max(seeds) > LARGEST_SEED or len(set(seeds)) < len(seeds):
        raise UsageError(f"expected --seeds to be a count of at least 1 (5) or distinct seeds (0,3,4), got {text!r}")
    return seeds


def protocol_of(request: Request, chosen: Suite | None = None) -> Protocol:
    """The named protocol with the suite's changes and the user's codebook size and capacity rule in it."""
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
    """The rows of the tables, each with the datasets it is for; None for all."""
    if chosen:
        return chosen.rows(protocol)
    families = list(quantizers.families())
    return [(parse(name), None) for name in names_of(request.quantizers.split(","), families, "quantizer")]


def datasets_of(text: str) -> dict[str, JSON]:
    """Datasets asked for, "all" spelt out, without repetition: name in tables -> parameters that the name tells.

    Raises:
        UsageError: One is not known, there is none, or two files would have one name.
    """
    found: dict[str, JSON] = {}
    known = [name for name in datasets.names() if not datasets.get(name).located]
    parts = _with_paths(text.split(","))
    for typed in names_of(parts, known, "dataset"):
        kind = typed.partition(":")[0]
        if kind not in datasets.names():
            plugins.refuse_broken("dataset", kind)
        try:
            name, told = datasets.resolve(typed)
        except ValueError as error:
            raise UsageError(f"{error}{_hint(parts, typed)}") from None
        if found.setdefault(name, told) != told:
            raise UsageError(f"--datasets {text}: two files would be called {name} in the tables; rename one")
    return found


def _with_paths(parts: list[str]) -> list[str]:
    """What was typed between commas, put together again where a located dataset's file has commas in its path.

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
    """What else a part that is no dataset may have been: a piece of a path that has commas."""
    parts = [part.strip() for part in parts]
    start = parts.index(unknown) - 1 if unknown in parts else -1
    kinds = [part.partition(":")[0] for part in parts]
    if start < 0 or ":" not in parts[start] or kinds[start] not in datasets.names():
        return ""
    end = next((end for end in range(start + 1, len(parts)) if kinds[end] in datasets.names()), len(parts))
    path = _path(parts[start:end])
    return f"; a path that has commas is taken as one where that file exists, and there is no file {path!r}"


def names_of(parts: list[str], known: list[str], kind: str) -> list[str]:
    """Names asked for, known or not, "all" spelt out, without repetition.

    Raises:
        UsageError: There is none.
    """
    asked = [part.strip() for part in parts if part.strip()]
    if not asked:
        other = " (or --suite)" if kind == "quantizer" else ""
        raise UsageError(f"expected --{kind}s{other} with at least one {kind}; known: {', '.join(known)}")
    return list(dict.fromkeys(each for part in asked for each in (known if part == "all" else [part])))


def settings_of(texts: tuple[str, ...], labels: list[str], sources: list[str]) -> dict[str, JSON]:
    """Quantizer or dataset -> the parameters set for it, read as the types of their defaults.

    A preset is not among them: it never moves.
    """
    targets = [label for label in dict.fromkeys(labels) if ":" not in label and label not in REFERENCES] + sources
    settings: dict[str, JSON] = {}
    for text in texts:
        target, dot, rest = text.strip().partition(".")
        name, equals, value = (part.strip() for part in rest.partition("="))
        if not (dot and equals and name and value):
            raise UsageError(f"expected --set QUANTIZER.PARAMETER=VALUE (vq.decay=0.95), got {text!r}")
        if target not in targets:
            presets = "; a preset keeps its values" if any(target == each.partition(":")[0] for each in labels) else ""
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
