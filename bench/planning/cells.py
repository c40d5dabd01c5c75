"""Cells and plans: what a run consists of, kept in its folder as plan.json."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
from bench import plugins
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning.capacity import Capacity
from bench.planning.keys import JSON, known, metric_keys
from bench.planning.protocol import Protocol
from bench.planning.relocation import located
from bench.records.typecheck import check
from bench.vocabulary import REFERENCES


@dataclass(frozen=True)
class Cell:
    """A row of the tables on one dataset with one seed.

    Attributes:
        row: Name in the tables.
        role: See `bench.planning.rows.Row`.
        quantizer: Name with preset, or that of a reference.
        control: What is done to the trained tokenizer before it is measured; "" for nothing.
        seed: Its name in the tables; the data's and the training's are this one unless told.
        protocol: Values of the protocol with this row's codebook size in it.
        key: SHA-256 of all that decides what is measured.
        tokenizer: SHA-256 of all that decides the trained tokenizer: `key`, unless a control shares another row's.
        batch: The same for cells that differ in their seeds alone, which may be trained as one batch.
        metric_keys: Metric -> SHA-256 of `key` and all that decides that metric.
        code: Hashes of the code that trains; the child checks that it still is that code.
        recipe: What identifies the data's source; the child checks that it still is that source.
        frames_seen: Frames that training sees in all; None where it stops by itself, and in plans of former versions.
    """

    row: str
    role: str
    quantizer: str
    parameters: JSON
    control: str
    dataset: str
    dataset_parameters: JSON
    real: bool
    seed: int
    data_seed: int
    train_seed: int
    protocol: JSON
    capacity: Capacity
    code: JSON
    key: str
    tokenizer: str
    batch: str
    metric_keys: JSON
    recipe: JSON = field(default_factory=dict)
    frames_seen: int | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """What the rows of a table are."""
        return self.row, self.dataset

    @property
    def telling(self) -> JSON:
        """Parameters of the dataset but for where a file lies: which file it is `recipe` tells, by its content."""
        return telling(self.dataset, self.dataset_parameters)

    @classmethod
    def from_values(cls, values: JSON) -> "Cell":
        """The cell of which `values` are `dataclasses.asdict`, its data where they lie now."""
        parameters = located(values["dataset"], values["dataset_parameters"], values.get("recipe", {}))
        return cls(**(values | {"capacity": Capacity(**values["capacity"]), "dataset_parameters": parameters}))


def telling(dataset: str, parameters: JSON) -> JSON:
    """Parameters of a dataset without the path of a located one, which is named KIND:FILE."""
    return {name: value for name, value in parameters.items() if not (":" in dataset and name == "path")}


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        protocol: With the user's codebook size and capacity rule in it.
        cells: The first seed of every pair first.
        absent: (row, dataset, seed, reason) that cannot run on this machine.
        remarks: Lines for stderr.
        suite: Name of the suite, or "".
        published: Published tables to set beside the results.
        columns: Of the results' table in the report; empty for the usual ones.
        trials: Pair -> trials that a tuner spent on its parameters, for pairs that it was told them for.
    """

    protocol: Protocol
    cells: tuple[Cell, ...]
    absent: tuple[tuple[str, str, int, str], ...]
    remarks: tuple[str, ...]
    suite: str = ""
    published: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    trials: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def capacities(self) -> dict[tuple[str, str], tuple[Capacity, int | None]]:
        """Pair -> capacity and frames seen in training; None for K-means, which stops when it settles."""
        rows: dict[tuple[str, str], tuple[Capacity, int | None]] = {}
        originals = {cell.tokenizer for cell in self.cells if not cell.control}
        for cell in self.cells:
            if cell.pair in rows or (cell.control and cell.tokenizer in originals):
                continue  # a control shares another row's
            rows[cell.pair] = (cell.capacity, cell.frames_seen)
        return rows


def values(plan: Plan) -> JSON:
    """What plan.json keeps of a plan; `from_values` reads it."""
    return {
        "protocol": plan.protocol.values(),
        "cells": [dataclasses.asdict(cell) for cell in plan.cells],
        "unavailable": [list(row) for row in plan.absent],
        "suite": plan.suite,
        "published": list(plan.published),
        "columns": list(plan.columns),
        "trials": [[*pair, count] for pair, count in plan.trials.items()],
    }


def as_kept(told: JSON, path: Path = Path("plan.json")) -> Plan:
    """The plan that was kept, with the keys that it had; what it names need not be registered.

    Args:
        told: What `values` gave.
        path: The file that told it, for messages.

    Raises:
        UsageError: It was written by another version, or is damaged.
    """
    try:
        plan = Plan(
            Protocol.from_values(told["protocol"]),
            tuple(Cell.from_values(each) for each in told["cells"]),
            tuple((row, name, seed, reason) for row, name, seed, reason in told["unavailable"]),
            (),
            told["suite"],
            tuple(told["published"]),
            tuple(told.get("columns", ())),
            {(row, name): count for row, name, count in told.get("trials", ())},
        )
        check(plan, Plan, "plan")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} was written by another version or is damaged ({type(error).__name__}: {error})"
        ) from None
    return plan


def from_values(told: JSON, path: Path = Path("plan.json")) -> Plan:
    """The plan that was kept, to be measured by the present code.

    Cells of which `made_elsewhere` tells keep the keys that they had: a plug-in that is gone takes nothing from the
    other rows.

    Raises:
        UsageError: As `as_kept`.
    """
    plan = as_kept(told, path)
    cells = []
    for cell in plan.cells:
        if made_elsewhere(cell):
            cells.append(cell)
            continue
        names = [name for name in METRICS if name in cell.metric_keys]
        keys = metric_keys(cell.key, Protocol.from_values(cell.protocol), names)
        cells.append(dataclasses.replace(cell, metric_keys=keys))
    return dataclasses.replace(plan, cells=tuple(cells))


def made_elsewhere(cell: Cell) -> str:
    """Why a kept cell cannot be trained or measured here: what made it is not registered; "" where it is."""
    kind = cell.dataset.partition(":")[0]
    name = cell.quantizer.partition(":")[0]
    for thing, present in (
        (("dataset", kind), kind in datasets.names()),
        (("quantizer", name), cell.quantizer in REFERENCES or known(cell.quantizer)),
    ):
        if not present:
            return plugins.broken(*thing) or (
                f"{cell.row} on {cell.dataset} was made by a plug-in; install it or add --plugin PATH"
            )
    return ""


def capacity_rows(plan: Plan) -> list[dict[str, Any]]:
    """The capacity table, one row a (quantizer, dataset)."""
    return [
        {
            **capacity.facts,
            "quantizer": label,
            "dataset": dataset,
            "built": capacity.built,
            "codebook_size": capacity.codebook_size,
            "bits_per_token": capacity.bits_per_token,
            "hidden": capacity.hidden,
            "network_parameters": capacity.network_parameters,
            "mismatch": capacity.mismatch,
            "codebook_values": capacity.codebook_values,
            "frames_seen": seen,
            "trials": plan.trials.get((label, dataset), 0),
        }
        for (label, dataset), (capacity, seen) in plan.capacities().items()
    ]
