"""Quantizers x datasets x seeds -> cells, each with its keys."""

import dataclasses
import json
from dataclasses import dataclass

import datasets
import quantizers
from bench import probe
from bench.capacity import TOLERANCE, Capacity
from bench.errors import UsageError
from bench.keys import JSON, digest, metric_keys, training_code
from bench.protocol import Protocol
from bench.request import Request, names_of, parse_seeds, protocol_of, settings_of

FAR_FROM_K = 0.1


@dataclass(frozen=True)
class Cell:
    """One quantizer, its parameters, one dataset, its parameters, a protocol and a seed.

    Attributes:
        key: SHA-256 of all that decides the trained tokenizer.
        metric_keys: Metric -> SHA-256 of `key` and all that decides that metric.
        code: Hashes of the code that trains; the child checks that it still is that code.
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
    code: JSON
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
    protocol = protocol_of(request)
    seeds = parse_seeds(request.seeds) if request.seeds else list(range(protocol.seeds))
    labels = names_of(request.quantizers, list(quantizers.families()), "quantizer")
    sources = names_of(request.datasets, datasets.names(), "dataset")
    settings = settings_of(request.settings, labels, sources)
    remarks: list[str] = []
    absent: list[tuple[str, str, int, str]] = []
    pairs: list[_Pair] = []
    for source in sources:
        name, dataset, parameters, reason = _dataset(source, protocol, settings.get(source, {}), request, remarks)
        if any(pair.dataset == name for pair in pairs):
            if any(pair.dataset_parameters != parameters for pair in pairs if pair.dataset == name):
                raise UsageError(f"--datasets {request.datasets} asks for {name} twice, with different parameters")
            continue
        if dataset is None:
            absent += [(label, name, seed, reason) for seed in seeds for label in labels]
            continue
        pairs += [_pair(label, settings.get(label, {}), name, dataset, parameters, protocol) for label in labels]
    remarks += [
        f"{pair.label} on {pair.dataset} has {pair.capacity.codebook_size} codes, not {protocol.codebook_size}."
        for pair in pairs
        if abs(pair.capacity.codebook_size / protocol.codebook_size - 1) > FAR_FROM_K
    ]
    cells = tuple(_cell(pair, protocol, seed) for seed in seeds for pair in pairs)
    return Plan(protocol, cells, tuple(absent), tuple(remarks))


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
        reason = dataset.missing()
    except Exception as error:  # a plug-in's may raise anything
        raise UsageError(f"dataset {source}: {error}") from None
    if not reason:
        return source, dataset, parameters, ""
    if request.require_real:
        raise UsageError(f"--require-real: {reason}")
    if cls.stand_in is None:
        remarks.append(reason)
        return source, None, parameters, reason
    remarks.append(f"{reason} Running on the stand-in {cls.stand_in} (synthetic, not {source}).")
    kept = {name: value for name, value in parameters.items() if name in datasets.parameters(cls.stand_in)}
    lost = sorted(own.keys() - kept.keys())
    if lost:
        remarks.append(f"--set {source}.{lost[0]}: the stand-in {cls.stand_in} has no such parameter.")
    return cls.stand_in, datasets.get(cls.stand_in)(**kept), kept, ""


@dataclass(frozen=True)
class _Pair:
    label: str
    parameters: JSON
    dataset: str
    dataset_parameters: JSON
    real: bool
    capacity: Capacity
    code: JSON
    recipe: JSON


def _pair(
    label: str, own: JSON, name: str, dataset: datasets.Dataset, dataset_parameters: JSON, protocol: Protocol
) -> _Pair:
    family, values = quantizers.get(label)
    parameters = values | own
    try:
        json.dumps(parameters, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"quantizer {label}: expected parameters that JSON can hold ({error})") from None
    capacity = probe.capacity(label, parameters, family.cls, dataset.width, protocol)
    if protocol.capacity == "matched" and abs(capacity.mismatch) > TOLERANCE:
        raise UsageError(
            f"{label} on {name} has {capacity.network_parameters:,} network parameters where the protocol gives "
            f"{capacity.reference_parameters:,} ({capacity.mismatch:+.1%}; at most {TOLERANCE:.0%} is compared); "
            "to run it as published add --capacity published"
        )
    code = training_code(family.cls, type(dataset))
    return _Pair(label, parameters, name, dataset_parameters, dataset.real, capacity, code, dataset.recipe())


def _cell(pair: _Pair, protocol: Protocol, seed: int) -> Cell:
    parts = {
        "quantizer": pair.label,
        "parameters": pair.parameters,
        "dataset": pair.dataset,
        "dataset_parameters": pair.dataset_parameters,
        "recipe": pair.recipe,
        "codebook_size": protocol.codebook_size,
        "hidden": pair.capacity.hidden,
        "schedule": dataclasses.asdict(protocol.schedule),
        "data_seed": seed,
        "train_seed": seed,
        "code": pair.code,
    }
    key = digest(parts)
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
        code=pair.code,
        key=key,
        metric_keys=metric_keys(key, protocol.reader),
    )
