"""Quantizers x datasets x seeds -> cells, each with its keys."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import quantizers
from bench import probe
from bench.capacity import TOLERANCE, Capacity, of_reference
from bench.cells import Cell, Plan, telling
from bench.errors import UnsuitableError, UsageError
from bench.guard import guarded
from bench.keys import JSON, control_key, digest, known, metric_keys, training_code
from bench.protocol import Protocol
from bench.request import Request, datasets_of, parse_seeds, protocol_of, rows_of, settings_of
from bench.rows import PUBLISHED, SHUFFLED_GRID, Row
from bench.tuned import load

FAR_FROM_K = 0.1


def make(request: Request) -> Plan:
    """Resolve names, presets, settings and stand-ins, and match capacities.

    A row that a family cannot have at this codebook size or on frames of this width is refused where the user named the
    family or chose values for it. Where `all` or a suite stood for it, the row is unavailable and the others run.

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
    tuned = load(Path(request.params)) if request.params else {}
    remarks: list[str] = []
    absent: list[tuple[str, str, int, str]] = []
    pairs: list[Pair] = []
    named = {part.strip() for part in request.quantizers.split(",")}
    trials: dict[tuple[str, str], int] = {}
    for asked_for, told in sources.items():
        own = told | settings.get(asked_for, {})
        source = source_of(asked_for, protocol, own, request.require_real, remarks)
        if any(pair.dataset == source.name for pair in pairs):
            if any(pair.dataset_parameters != source.parameters for pair in pairs if pair.dataset == source.name):
                raise UsageError(f"--datasets {asked} asks for {source.name} twice, with different parameters")
            continue
        its = [row for row, only in rows if only is None or asked_for in _with_stand_ins(only)]
        if source.dataset is None:
            absent += [(row.name, source.name, seed, source.reason) for seed in seeds for row in its]
            continue
        unsuitable: dict[str, str] = {}
        for row in its:
            found = tuned.get((row.quantizer, source.name)) if row.plain else None
            if found:
                trials[row.name, source.name] = found.trials
            values = (found.parameters if found else {}) | settings.get(row.quantizer, {})
            try:
                pairs.append(pair_of(row, values, source, protocol))
            except UnsuitableError as error:
                if values or row.name in named:
                    raise
                unsuitable[row.name] = str(error)
        if unsuitable and len(unsuitable) == len(its):
            raise UsageError("; ".join(unsuitable.values()))
        absent += [(name, source.name, seed, reason) for seed in seeds for name, reason in unsuitable.items()]
        remarks += [f"{name} on {source.name} is left out: {reason}" for name, reason in unsuitable.items()]
    if tuned and not trials:
        known = ", ".join(f"{quantizer} on {name}" for quantizer, name in tuned)
        raise UsageError(f"--params {request.params} is for {known}; none of them is in this run")
    unused = [f"{quantizer} on {name}" for quantizer, name in tuned if not _uses(pairs, quantizer, name)]
    if unused:
        remarks.append(f"--params {request.params} is also for {', '.join(unused)}, which this run has not.")
    remarks += [
        f"{pair.row.name} on {pair.dataset} has {pair.capacity.codebook_size} codes, not {pair.protocol.codebook_size}."
        for pair in pairs
        if pair.capacity.codebook_size
        and not pair.row.control
        and abs(pair.capacity.codebook_size / pair.protocol.codebook_size - 1) > FAR_FROM_K
    ]
    cells = tuple(cell_of(pair, seed) for seed in seeds for pair in pairs)
    if suite and not cells and not absent:
        raise UsageError(f"suite {suite.name} has no rows for {asked}; it has some for {', '.join(suite.datasets)}")
    _check_distinct(cells)
    plan = Plan(protocol, cells, tuple(absent), tuple(remarks), trials=trials)
    if suite is None:
        return plan
    return dataclasses.replace(plan, suite=suite.name, published=suite.published, columns=suite.columns)


def _uses(pairs: "Iterable[Pair]", quantizer: str, dataset: str) -> bool:
    return any(pair.row.plain and (pair.row.quantizer, pair.dataset) == (quantizer, dataset) for pair in pairs)


def _check_distinct(cells: Sequence[Cell]) -> None:
    """Two rows of one key would write one record: the same thing was asked for under two names."""
    rows: dict[str, str] = {}
    for cell in cells:
        if rows.setdefault(cell.key, cell.row) != cell.row:
            raise UsageError(f"{rows[cell.key]} and {cell.row} are the same on {cell.dataset}; leave one out")


def _with_stand_ins(names: Sequence[str]) -> set[str]:
    """Datasets, and what runs in their place where they are absent."""
    return {*names, *(datasets.get(name).stand_in or name for name in names)}


@dataclass(frozen=True)
class Source:
    """A dataset as it will be run on.

    Attributes:
        name: Its own, a stand-in's where it stands in.
        dataset: None where there are no data and no stand-in.
        parameters: All of them.
        recipe: What identifies the data beside code and parameters.
        train_frames: In the training split.
        reason: Why there is none.
    """

    name: str
    dataset: datasets.Dataset | None
    parameters: JSON
    recipe: JSON
    train_frames: int
    reason: str = ""

    @property
    def typed(self) -> str:
        """What to type for it."""
        located = self.dataset is not None and self.dataset.located
        return f"{self.name.partition(':')[0]}:{self.parameters['path']}" if located else self.name

    @property
    def telling(self) -> JSON:
        """The parameters but for where a file lies: which file it is the recipe tells, by its content."""
        return telling(self.name, self.parameters)


def source_of(name: str, protocol: Protocol, own: JSON, require_real: bool, remarks: list[str]) -> Source:
    """The dataset that a user means, or its stand-in; what has to be said of it is added to `remarks`.

    Raises:
        UsageError: It refuses its parameters, or there are no real data and `require_real` asks for them.
    """
    cls = datasets.get(name)
    defaults = datasets.parameters(name)
    size = {"sequences": protocol.sequences} if "sequences" in defaults else {}
    parameters = defaults | size | own
    try:
        with guarded():
            dataset = cls(**parameters)
            reason = dataset.missing()
            settled = {} if reason else dataset.settled()
            recipe = {} if reason else dataset.recipe()
            frames = 0 if reason else dataset.train_frames
    except Exception as error:  # a plug-in's may raise anything
        raise UsageError(f"dataset {name}: {error}") from None
    if not reason:
        given = settled.get("sequences", parameters.get("sequences"))
        if given != parameters.get("sequences"):
            remarks.append(f"{name} has {given} sequences to draw, not {parameters['sequences']}.")
        return Source(name, dataset, parameters | settled, recipe, frames)
    if cls.located:
        raise UsageError(reason)
    if require_real:
        raise UsageError(f"--require-real: {reason}")
    if cls.stand_in is None:
        remarks.append(reason)
        return Source(name, None, parameters, {}, 0, reason)
    remarks.append(f"{reason} Running on the stand-in {cls.stand_in} (synthetic, not {name}).")
    kept = {key: value for key, value in parameters.items() if key in datasets.parameters(cls.stand_in)}
    lost = sorted(own.keys() - kept.keys())
    if lost:
        remarks.append(f"--set {name}.{lost[0]}: the stand-in {cls.stand_in} has no such parameter.")
    stand_in = datasets.get(cls.stand_in)(**kept)
    return Source(cls.stand_in, stand_in, kept, stand_in.recipe(), stand_in.train_frames)


@dataclass(frozen=True)
class Pair:
    """A row on a dataset: what its cells have in common."""

    row: Row
    parameters: JSON
    dataset: str
    dataset_parameters: JSON
    real: bool
    protocol: Protocol
    capacity: Capacity
    code: JSON
    recipe: JSON
    train_frames: int

    @property
    def frames_seen(self) -> int | None:
        """Frames that training sees in all; None for K-means, which stops when it settles."""
        schedule = self.protocol.schedule
        steps = schedule.steps_per_epoch(self.train_frames) * (schedule.warm_up_epochs + schedule.epochs)
        return None if self.row.quantizer == "kmeans" else steps * min(schedule.batch, self.train_frames)


def pair_of(row: Row, own: JSON, source: Source, protocol: Protocol) -> Pair:
    """A row on a dataset that is there; `own` are values of its parameters that the user chose.

    Raises:
        UnsuitableError: The family refuses its parameters, or its capacity does not match.
        UsageError: A value that the suite fixes was set, or the row cannot be anywhere.
    """
    protocol, name, dataset = _of_row(row, protocol), source.name, source.dataset
    assert dataset is not None
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
    of_data = (name, source.parameters, dataset.real)
    return Pair(row, parameters, *of_data, protocol, capacity, code, source.recipe, source.train_frames)


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
        raise UnsuitableError(
            f"{row.name} on {dataset} has {capacity.network_parameters:,} network parameters where the protocol gives "
            f"{capacity.reference_parameters:,} ({capacity.mismatch:+.1%}; at most {TOLERANCE:.0%} is compared); "
            "to run it as published add --capacity published"
        )
    return capacity


def cell_of(pair: Pair, seed: int) -> Cell:
    """The cell of a pair and a seed."""
    row = pair.row
    cell = Cell(
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
        protocol=pair.protocol.values(),
        capacity=pair.capacity,
        code=pair.code,
        key="",
        tokenizer="",
        batch="",
        metric_keys={},
        recipe=pair.recipe,
        frames_seen=pair.frames_seen,
    )
    return _with_keys(cell, row.measured)


def trained_from(cell: Cell, train_seed: int) -> Cell:
    """The cell on the same data, trained and read from another seed, which is its seed in the tables."""
    return _with_keys(dataclasses.replace(cell, seed=train_seed, train_seed=train_seed), cell.metric_keys)


def _with_keys(cell: Cell, metrics: Iterable[str]) -> Cell:
    parts: dict[str, Any] = {
        "quantizer": cell.quantizer,
        "parameters": cell.parameters,
        "dataset": cell.dataset,
        "dataset_parameters": cell.telling,
        "recipe": cell.recipe,
        "codebook_size": cell.protocol["codebook_size"],
        "hidden": cell.capacity.hidden,
        "schedule": cell.protocol["schedule"],
        "code": cell.code,
    }
    tokenizer = digest(parts | {"data_seed": cell.data_seed, "train_seed": cell.train_seed})
    key = control_key(tokenizer, cell.control) if cell.control else tokenizer
    keys = metric_keys(key, Protocol.from_values(cell.protocol), metrics)
    return dataclasses.replace(cell, key=key, tokenizer=tokenizer, batch=digest(parts), metric_keys=keys)
