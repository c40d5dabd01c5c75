"""A row on a dataset, and the cells that its seeds make of it."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass

import quantizers
from bench.errors import UnsuitableError, UsageError
from bench.planning import probe
from bench.planning.capacity import TOLERANCE, Capacity, of_reference
from bench.planning.cells import Cell
from bench.planning.keys import control_key, digest, is_family, metric_keys, training_code
from bench.planning.protocol import Protocol
from bench.planning.rows import Row
from bench.planning.sources import Source
from bench.typing import JSON
from bench.vocabulary import PUBLISHED, SHUFFLED_GRID


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A row on a dataset, with everything that its cells have in common.

    Attributes:
        row: Row of the tables.
        parameters: All parameters of the quantizer, defaults included.
        dataset: Name of the dataset in the tables.
        dataset_parameters: All parameters of the dataset, defaults included.
        real: Whether the data were recorded rather than generated.
        protocol: Protocol with the row's own schedule and codebook size.
        capacity: Size of the network and of the codebook.
        code: Hashes of the code that trains the tokenizer.
        recipe: Identity of the data's source.
        resplit: Whether seeds split one finite source.
        train_frames: Number of frames in the training split.
    """

    row: Row
    parameters: JSON
    dataset: str
    dataset_parameters: JSON
    real: bool
    protocol: Protocol
    capacity: Capacity
    code: JSON
    recipe: JSON
    resplit: bool
    train_frames: int

    @property
    def frames_seen(self) -> int | None:
        """Number of frames that training sees in all; None for k-means, which stops by itself."""
        if self.row.quantizer == "kmeans":
            return None
        schedule = self.protocol.schedule
        steps = schedule.steps_per_epoch(self.train_frames) * (schedule.warm_up_epochs + schedule.epochs)
        return steps * min(schedule.batch, self.train_frames)


def pair_of(row: Row, chosen: JSON, source: Source, protocol: Protocol) -> Pair:
    """Put a row on a dataset that is there.

    Args:
        row: Row of the tables.
        chosen: Values of the quantizer's parameters that the user or a tuner chose.
        source: Dataset, which must not be absent.
        protocol: Protocol of the run.

    Raises:
        UnsuitableError: The family refuses its parameters, or its capacity does not match.
        UsageError: A value that the suite fixes was set, or the row cannot be run on any dataset.
    """
    protocol, dataset = _of_row(row, protocol), source.dataset
    assert dataset is not None
    if is_family(row.quantizer):
        family, values = quantizers.get(row.quantizer)
        fixed = sorted(chosen.keys() & row.parameters.keys())
        if fixed:
            raise UsageError(f"--set {row.quantizer}.{fixed[0]}: the suite fixes it in the row {row.name}")
        parameters = values | chosen | row.parameters
        capacity = _capacity(row, parameters, family.cls, source.name, dataset.width, protocol)
        if row.control == SHUFFLED_GRID and capacity.built and not capacity.ordered:
            raise UsageError(f"{row.name}: {row.quantizer} has no grid to shuffle; {row.quantizer}+sorted gives it one")
    else:
        parameters = {}
        capacity = of_reference(row.quantizer, dataset.width, protocol)
    return Pair(
        row=row,
        parameters=parameters,
        dataset=source.name,
        dataset_parameters=source.parameters,
        real=dataset.real,
        protocol=protocol,
        capacity=capacity,
        code=training_code(row.quantizer, source.name),
        recipe=source.recipe,
        resplit=dataset.resplit,
        train_frames=source.train_frames,
    )


def _of_row(row: Row, protocol: Protocol) -> Protocol:
    """Give a protocol the row's schedule and codebook size, and the hidden width that goes with that size."""
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
    """Make the cell of a pair and a seed."""
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
        tokenizer_key="",
        batch_key="",
        recipe=pair.recipe,
        resplit=pair.resplit,
        frames_seen=pair.frames_seen,
    )
    return _with_keys(cell, row.measured)


def trained_from(cell: Cell, train_seed: int) -> Cell:
    """Make the cell on the same data whose training and readers start from another seed, its seed in the tables."""
    return _with_keys(dataclasses.replace(cell, seed=train_seed, train_seed=train_seed), cell.metric_keys)


def _with_keys(cell: Cell, metrics: Iterable[str]) -> Cell:
    parts: JSON = {
        "quantizer": cell.quantizer,
        "parameters": cell.parameters,
        "dataset": cell.dataset,
        "dataset_parameters": cell.portable_parameters,
        "recipe": cell.recipe,
        "codebook_size": cell.protocol["codebook_size"],
        "hidden": cell.capacity.hidden,
        "schedule": cell.protocol["schedule"],
        "code": cell.code,
    }
    tokenizer_key = digest(parts | {"data_seed": cell.data_seed, "train_seed": cell.train_seed})
    key = control_key(tokenizer_key, cell.control) if cell.control else tokenizer_key
    keys = metric_keys(key, Protocol.from_values(cell.protocol), metrics)
    return dataclasses.replace(cell, key=key, tokenizer_key=tokenizer_key, batch_key=digest(parts), metric_keys=keys)
