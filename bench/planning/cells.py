"""Cells and plans: the parts of a run, kept in its folder as plan.json."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import datasets
from bench import plugins
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning.capacity import Capacity
from bench.planning.keys import is_family, metric_keys
from bench.planning.protocol import Protocol
from bench.planning.relocation import located
from bench.records.record import KeptCell
from bench.records.typecheck import check
from bench.stats.estimates import SIGNIFICANCE
from bench.typing import JSON
from bench.vocabulary import REFERENCES


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A row of the tables on one dataset with one seed.

    Attributes:
        row: Name of the row in the tables (column `quantizer`).
        role: Role of the row, see `bench.planning.rows.Row`.
        quantizer: Registered name of the quantizer, with its preset, or name of a reference.
        parameters: All parameters of the quantizer, defaults included.
        control: Name of the control that is applied to the trained tokenizer; "" for none.
        dataset: Name of the dataset in the tables.
        dataset_parameters: All parameters of the dataset, defaults included.
        real: Whether the data were recorded rather than generated.
        seed: Seed in the tables; by default also the seed of the data and of the training.
        data_seed: Seed of the dataset's draw.
        train_seed: Seed of the network's initial values and of the batches' order.
        protocol: Values of the protocol, with the codebook size of this row.
        capacity: Size of the network and of the codebook.
        code: Hashes of the code that trains the tokenizer; the job checks that the code is still the same.
        key: SHA-256 of everything that decides the values of this cell; names its files.
        tokenizer_key: SHA-256 of everything that decides the trained tokenizer. It equals `key`, except in a control,
            which shares the tokenizer of another row.
        batch_key: SHA-256 of the same without the seeds; cells that share it may be trained as one batch.
        metric_keys: Metric -> SHA-256 of `key` and of everything that decides that metric. Records leave it out.
        recipe: Identity of the data's source; the job checks that the source is still the same.
        resplit: Whether seeds split one finite source, so that their results are not independent.
        frames_seen: Number of frames that training sees in all; None where training stops by itself.
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
    tokenizer_key: str
    batch_key: str
    metric_keys: JSON = field(default_factory=dict)
    recipe: JSON = field(default_factory=dict)
    resplit: bool = False
    frames_seen: int | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """(row, dataset), which identifies one line of the summary."""
        return self.row, self.dataset

    @property
    def portable_parameters(self) -> JSON:
        """Parameters of the dataset without the path of its file, which `recipe` identifies by its content."""
        return portable(self.dataset, self.dataset_parameters)

    def values(self) -> JSON:
        """Plain values from which `from_values` makes the cell again."""
        return dataclasses.asdict(self)

    def kept(self) -> KeptCell:
        """Plain values as a record keeps them: without the metric keys, which the record has beside them."""
        values = self.values()
        del values["metric_keys"]
        return cast(KeptCell, values)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Cell":
        """Make a cell from its plain values, with the path of its data as they lie now."""
        parameters = located(values["dataset"], values["dataset_parameters"], values.get("recipe", {}))
        capacity = Capacity(**values["capacity"])
        return cls(**{**values, "capacity": capacity, "dataset_parameters": parameters})


def portable(dataset: str, parameters: JSON) -> JSON:
    """Parameters of a dataset without the path of a located one, which is named KIND:FILE."""
    if ":" not in dataset:
        return parameters
    return {name: value for name, value in parameters.items() if name != "path"}


class Unavailable(NamedTuple):
    """A cell that cannot run on this machine.

    Attributes:
        row: Name of the row in the tables.
        dataset: Name of the dataset in the tables.
        seed: Seed in the tables.
        reason: One line that says why.
    """

    row: str
    dataset: str
    seed: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All cells of a run.

    Attributes:
        protocol: Protocol with the codebook size and the capacity rule that the user asked for.
        cells: Cells in order: the first seed of every pair comes first.
        unavailable: Cells that cannot run on this machine.
        remarks: Lines to print before the run.
        suite: Name of the suite, or "".
        published: Names of the published tables to set beside the results.
        columns: Columns of the report's table of results; empty for the usual ones.
        trials: (row, dataset) -> number of trials that tuned its parameters, for pairs with tuned parameters.
        significance: Level of the report's tests; below 0.05 for one of several looks (`bench run --until-decided`).
    """

    protocol: Protocol
    cells: tuple[Cell, ...]
    unavailable: tuple[Unavailable, ...] = ()
    remarks: tuple[str, ...] = ()
    suite: str = ""
    published: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    trials: Mapping[tuple[str, str], int] = field(default_factory=dict)
    significance: float = SIGNIFICANCE

    @property
    def size(self) -> int:
        """Number of cells, the unavailable ones included."""
        return len(self.cells) + len(self.unavailable)

    @property
    def seeds(self) -> list[int]:
        """Seeds in the tables, in ascending order."""
        return sorted({cell.seed for cell in self.cells})

    def capacities(self) -> dict[tuple[str, str], Cell]:
        """(row, dataset) -> a cell that shows its capacity; a control is left out where its original is shown."""
        originals = {cell.tokenizer_key for cell in self.cells if not cell.control}
        shown: dict[tuple[str, str], Cell] = {}
        for cell in self.cells:
            if not cell.control or cell.tokenizer_key not in originals:
                shown.setdefault(cell.pair, cell)
        return shown


def values(plan: Plan) -> JSON:
    """Plain values of a plan, as plan.json keeps them; `from_values` reads them."""
    return {
        "protocol": plan.protocol.values(),
        "cells": [cell.values() for cell in plan.cells],
        "unavailable": [list(cell) for cell in plan.unavailable],
        "suite": plan.suite,
        "published": list(plan.published),
        "columns": list(plan.columns),
        "trials": [[*pair, count] for pair, count in plan.trials.items()],
        "significance": plan.significance,
    }


def as_kept(plan_json: JSON, path: Path = Path("plan.json")) -> Plan:
    """Make the plan that was kept, with the keys that it had; its quantizers and datasets need not be registered.

    Args:
        plan_json: Plain values that `values` gave.
        path: File that held the values, for messages.

    Raises:
        UsageError: The plan was written by another version, or is damaged.
    """
    try:
        plan = Plan(
            protocol=Protocol.from_values(plan_json["protocol"]),
            cells=tuple(map(Cell.from_values, plan_json["cells"])),
            unavailable=tuple(Unavailable(*cell) for cell in plan_json["unavailable"]),
            suite=plan_json["suite"],
            published=tuple(plan_json["published"]),
            columns=tuple(plan_json["columns"]),
            trials={(row, dataset): count for row, dataset, count in plan_json["trials"]},
            significance=plan_json.get("significance", SIGNIFICANCE),
        )
        check(plan, Plan, "plan")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} was written by another version or is damaged ({type(error).__name__}: {error})"
        ) from None
    return plan


def from_values(plan_json: JSON, path: Path = Path("plan.json")) -> Plan:
    """Make the plan that was kept, to be measured by the present code.

    Cells that `made_elsewhere` names keep the keys that they had: a missing plug-in takes nothing from other rows.

    Args:
        plan_json: Plain values that `values` gave.
        path: File that held the values, for messages.

    Raises:
        UsageError: The plan was written by another version, or is damaged.
    """
    plan = as_kept(plan_json, path)
    cells = tuple(cell if made_elsewhere(cell) else _with_present_metric_keys(cell) for cell in plan.cells)
    return dataclasses.replace(plan, cells=cells)


def _with_present_metric_keys(cell: Cell) -> Cell:
    names = [name for name in METRICS if name in cell.metric_keys]
    keys = metric_keys(cell.key, Protocol.from_values(cell.protocol), names)
    return dataclasses.replace(cell, metric_keys=keys)


def made_elsewhere(cell: Cell) -> str:
    """Reason why a kept cell cannot be trained or measured here; "" where it can.

    A cell needs its quantizer and its dataset, one of which may come from a plug-in that is not registered.
    """
    kind = cell.dataset.partition(":")[0]
    family = cell.quantizer.partition(":")[0]
    message = f"{cell.row} on {cell.dataset} was made by a plug-in; install it or add --plugin PATH"
    if kind not in datasets.names():
        return plugins.broken("dataset", kind) or message
    if cell.quantizer not in REFERENCES and not is_family(cell.quantizer):
        return plugins.broken("quantizer", family) or message
    return ""


def capacity_rows(plan: Plan) -> list[JSON]:
    """The capacity table as plain values, one row per (row, dataset)."""
    rows = []
    for pair, cell in plan.capacities().items():
        capacity = cell.capacity
        rows.append(
            {
                **capacity.facts,
                "quantizer": cell.row,
                "dataset": cell.dataset,
                "built": capacity.built,
                "codebook_size": capacity.codebook_size,
                "bits_per_token": capacity.bits_per_token,
                "hidden": capacity.hidden,
                "network_parameters": capacity.network_parameters,
                "mismatch": capacity.mismatch,
                "codebook_values": capacity.codebook_values,
                "frames_seen": cell.frames_seen,
                "trials": plan.trials.get(pair, 0),
            }
        )
    return rows
