"""Quantizers x datasets x seeds -> cells, each with its keys."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import quantizers
from bench import probe
from bench.capacity import TOLERANCE, Capacity, of_reference
from bench.cells import Cell, Plan
from bench.errors import UsageError
from bench.keys import JSON, control_key, digest, known, metric_keys, training_code
from bench.protocol import Protocol
from bench.request import Request, datasets_of, parse_seeds, protocol_of, rows_of, settings_of
from bench.rows import PUBLISHED, SHUFFLED_GRID, Row

FAR_FROM_K = 0.1


def make(request: Request) -> Plan:
    """Resolve names, presets, settings and stand-ins, and match capacities.

    Raises:
        UsageError: Something asked for does not exist or cannot be.
    """
    suite = request.loaded()
    protocol = protocol_of(request, suite)
    seeds = parse_seeds(request.seeds) if request.seeds else list(range(protocol.seeds))
    rows = rows_of(request, suite, protocol)
    asked = request.datasets or ",".join(suite.datasets if suite else ())
    sources = datasets_of(asked)
    settings = settings_of(request.settings, [row.quantizer for row, _ in rows], list(sources))
    remarks: list[str] = []
    absent: list[tuple[str, str, int, str]] = []
    pairs: list[_Pair] = []
    for source, told in sources.items():
        own = told | settings.get(source, {})
        name, dataset, parameters, reason = _dataset(source, protocol, own, request, remarks)
        if any(pair.dataset == name for pair in pairs):
            if any(pair.dataset_parameters != parameters for pair in pairs if pair.dataset == name):
                raise UsageError(f"--datasets {asked} asks for {name} twice, with different parameters")
            continue
        its = [row for row, only in rows if only is None or source in _with_stand_ins(only)]
        if dataset is None:
            absent += [(row.name, name, seed, reason) for seed in seeds for row in its]
            continue
        pairs += [_pair(row, settings.get(row.quantizer, {}), name, dataset, parameters, protocol) for row in its]
    remarks += [
        f"{pair.row.name} on {pair.dataset} has {pair.capacity.codebook_size} codes, not {pair.protocol.codebook_size}."
        for pair in pairs
        if pair.capacity.codebook_size
        and not pair.row.control
        and abs(pair.capacity.codebook_size / pair.protocol.codebook_size - 1) > FAR_FROM_K
    ]
    cells = tuple(_cell(pair, seed) for seed in seeds for pair in pairs)
    if suite and not cells and not absent:
        raise UsageError(f"suite {suite.name} has no rows for {asked}; it has some for {', '.join(suite.datasets)}")
    _check_distinct(cells)
    of_suite = (suite.name, suite.published, suite.columns) if suite else ()
    return Plan(protocol, cells, tuple(absent), tuple(remarks), *of_suite)


def _check_distinct(cells: Sequence[Cell]) -> None:
    """Two rows of one key would write one record: the same thing was asked for under two names."""
    rows: dict[str, str] = {}
    for cell in cells:
        if rows.setdefault(cell.key, cell.row) != cell.row:
            raise UsageError(f"{rows[cell.key]} and {cell.row} are the same on {cell.dataset}; leave one out")


def _with_stand_ins(names: Sequence[str]) -> set[str]:
    """Datasets, and what runs in their place where they are absent."""
    return {*names, *(datasets.get(name).stand_in or name for name in names)}


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
        settled = {} if reason else dataset.settled()
    except Exception as error:  # a plug-in's may raise anything
        raise UsageError(f"dataset {source}: {error}") from None
    if not reason:
        given = settled.get("sequences", parameters.get("sequences"))
        if given != parameters.get("sequences"):
            remarks.append(f"{source} has {given} sequences to draw, not {parameters['sequences']}.")
        return source, dataset, parameters | settled, ""
    if cls.located:
        raise UsageError(reason)
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
    row: Row
    parameters: JSON
    dataset: str
    dataset_parameters: JSON
    located: bool
    real: bool
    protocol: Protocol
    capacity: Capacity
    code: JSON
    recipe: JSON


def _pair(
    row: Row, own: JSON, name: str, dataset: datasets.Dataset, dataset_parameters: JSON, protocol: Protocol
) -> _Pair:
    protocol = _of_row(row, protocol)
    if known(row.quantizer):
        family, values = quantizers.get(row.quantizer)
        fixed = sorted(own.keys() & row.parameters.keys())
        if fixed:
            raise UsageError(f"--set {row.quantizer}.{fixed[0]}: the suite fixes it in the row {row.name}")
        parameters = values | own | row.parameters
        capacity = _capacity(row, parameters, family.cls, name, dataset.width, protocol)
        if row.control == SHUFFLED_GRID and capacity.built and not capacity.ordered:
            raise UsageError(f"{row.name}: {row.quantizer} has no grid to shuffle; {row.quantizer}+sorted gives it one")
    else:
        parameters = {}
        capacity = of_reference(row.quantizer, dataset.width, protocol)
    code = training_code(row.quantizer, name)
    of_data = (name, dataset_parameters, dataset.located, dataset.real)
    return _Pair(row, parameters, *of_data, protocol, capacity, code, dataset.recipe())


def _of_row(row: Row, protocol: Protocol) -> Protocol:
    """The protocol with the row's own schedule and codebook size, and the hidden width that goes with it."""
    protocol = dataclasses.replace(protocol, schedule=dataclasses.replace(protocol.schedule, **row.schedule))
    if row.codebook_size is None:
        return protocol
    width = protocol.hidden if row.one_width else protocol.width
    return dataclasses.replace(protocol, codebook_size=row.codebook_size, width=width)


def _capacity(
    row: Row, parameters: JSON, cls: type[quantizers.Quantizer], dataset: str, width: int, protocol: Protocol
) -> Capacity:
    try:
        json.dumps(parameters, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"quantizer {row.quantizer}: expected parameters that JSON can hold ({error})") from None
    capacity = probe.capacity(row.quantizer, parameters, cls, width, protocol)
    matched = protocol.capacity == "matched" and row.role != PUBLISHED
    if matched and abs(capacity.mismatch) > TOLERANCE:
        raise UsageError(
            f"{row.name} on {dataset} has {capacity.network_parameters:,} network parameters where the protocol gives "
            f"{capacity.reference_parameters:,} ({capacity.mismatch:+.1%}; at most {TOLERANCE:.0%} is compared); "
            "to run it as published add --capacity published"
        )
    return capacity


def _cell(pair: _Pair, seed: int) -> Cell:
    row, protocol = pair.row, pair.protocol
    parts: dict[str, Any] = {
        "quantizer": row.quantizer,
        "parameters": pair.parameters,
        "dataset": pair.dataset,
        # The recipe tells which file it is; where it lies does not matter.
        "dataset_parameters": {n: v for n, v in pair.dataset_parameters.items() if not (pair.located and n == "path")},
        "recipe": pair.recipe,
        "codebook_size": protocol.codebook_size,
        "hidden": pair.capacity.hidden,
        "schedule": dataclasses.asdict(protocol.schedule),
        "code": pair.code,
    }
    tokenizer = digest(parts | {"data_seed": seed, "train_seed": seed})
    key = control_key(tokenizer, row.control) if row.control else tokenizer
    return Cell(
        row=row.name,
        role=row.role,
        quantizer=row.quantizer,
        parameters=pair.parameters,
        control=row.control,
        dataset=pair.dataset,
        dataset_parameters=pair.dataset_parameters,
        real=pair.real,
        seed=seed,
        data_seed=seed,
        train_seed=seed,
        protocol=protocol.values(),
        capacity=pair.capacity,
        code=pair.code,
        recipe=pair.recipe,
        key=key,
        tokenizer=tokenizer,
        batch=digest(parts),
        metric_keys=metric_keys(key, protocol, row.measured),
    )
