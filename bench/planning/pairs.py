"""A row on a dataset, and the cells that its seeds make of it."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import quantizers
from bench.errors import UnsuitableError, UsageError
from bench.planning import probe
from bench.planning.capacity import TOLERANCE, Capacity, of_reference
from bench.planning.cells import Cell
from bench.planning.keys import JSON, control_key, digest, known, metric_keys, training_code
from bench.planning.protocol import Protocol
from bench.planning.rows import Row
from bench.planning.sources import Source
from bench.vocabulary import PUBLISHED, SHUFFLED_GRID


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
