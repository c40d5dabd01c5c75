"""Quantizers x datasets x seeds -> cells, each with its keys."""

import ast
import dataclasses
import hashlib
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import quantizers
from bench import metrics, model, train
from bench.capacity import TOLERANCE, Capacity, match, unknown
from bench.errors import UsageError
from bench.fingerprint import fingerprint
from bench.protocol import PROTOCOLS, Protocol
from quantizers._registry import suggestion

JSON = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What the user asked for, as typed."""

    quantizers: str
    datasets: str
    protocol: str = "quick"
    seeds: str = ""
    codebook_size: int | None = None
    settings: tuple[str, ...] = ()
    capacity: str = "matched"
    require_real: bool = False


@dataclass(frozen=True)
class Cell:
    """One quantizer, its parameters, one dataset, its parameters, a protocol and a seed.

    Attributes:
        key: SHA-256 of all that decides the trained tokenizer.
        metric_keys: Metric -> SHA-256 of `key` and all that decides that metric.
    """

    quantizer: str
    parameters: JSON
    dataset: str
    dataset_parameters: JSON
    real: bool
    seed: int
    data_seed: int
    train_seed: int
    capacity: Capacity
    key: str
    metric_keys: JSON

    @property
    def pair(self) -> tuple[str, str]:
        """What the rows of a table are."""
        return self.quantizer, self.dataset


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        protocol: With the user's codebook size and capacity rule in it.
        cells: The first seed of every pair first.
        absent: (quantizer, dataset, seed, reason) that cannot run on this machine.
        remarks: Lines for stderr.
    """

    protocol: Protocol
    cells: tuple[Cell, ...]
    absent: tuple[tuple[str, str, int, str], ...]
    remarks: tuple[str, ...]

    def capacities(self) -> dict[tuple[str, str], tuple[Capacity, int]]:
        """Pair -> capacity and frames seen in training."""
        rows = {}
        for cell in self.cells:
            dataset = datasets.get(cell.dataset)(**cell.dataset_parameters)
            schedule = self.protocol.schedule
            steps = schedule.steps_per_epoch(dataset.train_frames) * (schedule.warm_up_epochs + schedule.epochs)
            rows[cell.pair] = (cell.capacity, steps * min(schedule.batch, dataset.train_frames))
        return rows


def make(request: Request) -> Plan:
    """Resolve names, presets, settings and stand-ins, and match capacities.

    Raises:
        UsageError: Something asked for does not exist or cannot be.
    """
    protocol = _protocol(request)
    seeds = parse_seeds(request.seeds) if request.seeds else list(range(protocol.seeds))
    labels = _names(request.quantizers, list(quantizers.families()), "quantizer")
    sources = _names(request.datasets, datasets.names(), "dataset")
    settings = _settings(request.settings, [label.partition(":")[0] for label in labels], sources)
    remarks: list[str] = []
    absent: list[tuple[str, str, int, str]] = []
    pairs = []
    for source in sources:
        name, dataset, parameters, reason = _dataset(source, protocol, settings.get(source, {}), request, remarks)
        if dataset is None:
            absent += [(label, name, seed, reason) for seed in seeds for label in labels]
            continue
        for label in labels:
            own = settings.get(label.partition(":")[0], {})
            pairs.append(_pair(label, own, name, dataset, parameters, protocol))
    cells = tuple(_cell(pair, protocol, seed) for seed in seeds for pair in pairs)
    return Plan(protocol, cells, tuple(absent), tuple(remarks))


def parse_seeds(text: str) -> list[int]:
    """A count, or a list: "5" is 0 to 4, "0,3,4" and "3," are those.

    Raises:
        UsageError: Neither.
    """
    try:
        values = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        values = []
    seeds = values if "," in text else list(range(values[0])) if values else []
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UsageError(f"expected --seeds to be a count of at least 1 (5) or distinct seeds (0,3,4), got {text!r}")
    return seeds


def canonical(value: Any) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _protocol(request: Request) -> Protocol:
    if request.protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol {request.protocol!r}; {suggestion(request.protocol, list(PROTOCOLS))}")
    protocol = PROTOCOLS[request.protocol]
    if request.codebook_size is not None:
        if not 2 <= request.codebook_size <= 1 << 20:
            raise UsageError(f"expected --codebook-size between 2 and 1048576, got {request.codebook_size}")
        protocol = dataclasses.replace(protocol, codebook_size=request.codebook_size)
    if request.capacity not in ("matched", "published"):
        raise UsageError(f"expected --capacity to be matched or published, got {request.capacity!r}")
    return dataclasses.replace(protocol, capacity=request.capacity)


def _names(text: str, known: list[str], kind: str) -> list[str]:
    asked = [part.strip() for part in text.split(",") if part.strip()]
    if not asked:
        raise UsageError(f"expected at least one {kind}; known: {', '.join(known)}")
    names = list(dict.fromkeys(each for part in asked for each in (known if part == "all" else [part])))
    for name in names:
        if name.partition(":")[0] not in known:
            raise UsageError(f"unknown {kind} {name!r}; {suggestion(name, known)}")
        if kind == "quantizer":
            try:
                quantizers.get(name)
            except ValueError as error:
                raise UsageError(str(error)) from None
    return names


def _settings(texts: tuple[str, ...], labels: list[str], sources: list[str]) -> dict[str, JSON]:
    settings: dict[str, JSON] = {}
    for text in texts:
        target, dot, rest = text.partition(".")
        name, equals, value = rest.partition("=")
        if not (dot and equals and name and value):
            raise UsageError(f"expected --set QUANTIZER.PARAMETER=VALUE (vq.decay=0.95), got {text!r}")
        if target not in labels + sources:
            raise UsageError(f"--set {text}: no {target!r} in this run; {suggestion(target, labels + sources)}")
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
            return tuple(int(part) for part in value.split(",") if part)
        if isinstance(default, str):
            return value
        if isinstance(default, int | float):
            return type(default)(value)
        return ast.literal_eval(value)
    except (KeyError, ValueError, SyntaxError):
        raise UsageError(
            f"--set {text}: expected a {type(default).__name__} such as {default!r}, got {value!r}"
        ) from None


def _dataset(
    source: str, protocol: Protocol, own: JSON, request: Request, remarks: list[str]
) -> tuple[str, datasets.Dataset | None, JSON, str]:
    """Name, dataset, parameters and, where there are no data and no stand-in, the reason."""
    cls = datasets.get(source)
    defaults = datasets.parameters(source)
    size = {"sequences": protocol.sequences} if "sequences" in defaults else {}
    parameters = defaults | size | own
    try:
        dataset = cls(**parameters)
    except ValueError as error:
        raise UsageError(f"dataset {source}: {error}") from None
    reason = dataset.missing()
    if not reason:
        return source, dataset, parameters, ""
    if request.require_real:
        raise UsageError(f"--require-real: {reason}")
    if cls.stand_in is None:
        remarks.append(reason)
        return source, None, parameters, reason
    remarks.append(f"{reason} Running on the stand-in {cls.stand_in} (synthetic, not {source}).")
    kept = {name: value for name, value in parameters.items() if name in datasets.parameters(cls.stand_in)}
    return cls.stand_in, datasets.get(cls.stand_in)(**kept), kept, ""


@dataclass(frozen=True)
class _Pair:
    label: str
    parameters: JSON
    dataset: str
    dataset_parameters: JSON
    real: bool
    capacity: Capacity
    family_file: Path
    dataset_file: Path
    recipe: JSON


def _pair(
    label: str, own: JSON, name: str, dataset: datasets.Dataset, dataset_parameters: JSON, protocol: Protocol
) -> _Pair:
    family, values = quantizers.get(label)
    parameters = values | own
    try:
        quantizer = quantizers.create(label, num_codes=protocol.codebook_size, code_dim=dataset.width, **parameters)
        capacity = match(quantizer, protocol)
    except ValueError as error:
        raise UsageError(f"quantizer {label}: {error}") from None
    except Exception:  # broken code, not bad input: its cells will fail, each with a traceback, and the others run
        capacity = unknown(dataset.width, protocol)
    if protocol.capacity == "matched" and abs(capacity.mismatch) > TOLERANCE:
        raise UsageError(
            f"{label} on {name} has {capacity.network_parameters:,} network parameters where the protocol gives "
            f"{capacity.reference_parameters:,} ({capacity.mismatch:+.1%}; at most {TOLERANCE:.0%} is compared); "
            "to run it as published add --capacity published"
        )
    return _Pair(
        label,
        parameters,
        name,
        dataset_parameters,
        dataset.real,
        capacity,
        Path(inspect.getfile(family.cls)),
        Path(inspect.getfile(type(dataset))),
        dataset.recipe(),
    )


def _cell(pair: _Pair, protocol: Protocol, seed: int) -> Cell:
    parts = {
        "quantizer": pair.label,
        "parameters": pair.parameters,
        "dataset": pair.dataset,
        "dataset_parameters": pair.dataset_parameters,
        "data": {"recipe": pair.recipe, "code": fingerprint(pair.dataset_file)},
        "codebook_size": protocol.codebook_size,
        "hidden": pair.capacity.hidden,
        "schedule": dataclasses.asdict(protocol.schedule),
        "data_seed": seed,
        "train_seed": seed,
        "code": fingerprint(pair.family_file, Path(train.__file__), Path(model.__file__)),
    }
    key = canonical(parts)
    metric_keys = {}
    for name, metric in metrics.METRICS.items():
        budget = dataclasses.asdict(protocol.reader) if "reader" in metric.needs else None
        code = fingerprint(Path(inspect.getfile(metric.function)))
        metric_keys[name] = canonical({"key": key, "code": code, "budget": budget})
    return Cell(
        quantizer=pair.label,
        parameters=pair.parameters,
        dataset=pair.dataset,
        dataset_parameters=pair.dataset_parameters,
        real=pair.real,
        seed=seed,
        data_seed=seed,
        train_seed=seed,
        capacity=pair.capacity,
        key=key,
        metric_keys=metric_keys,
    )
