"""Observations of a run that the gate watches, and its cells without a result."""

import json
import math
from dataclasses import dataclass

from bench.analysis.results import results
from bench.gate.baseline import Measured, Pair, Series
from bench.gate.effects import watched
from bench.metrics import METRICS
from bench.planning.cells import Cell
from bench.planning.finished import FinishedRun
from bench.records.record import cause
from bench.typing import JSON
from bench.vocabulary import DONE

WATCHED = tuple(metric for metric in METRICS.values() if watched(metric) != "none")
INDIFFERENT = ("name", "purpose", "seeds")
"""Values of a protocol that decide no cell."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A metric, seed or row that could not be compared.

    Attributes:
        row: Name of the row in the tables.
        dataset: Name of the dataset in the tables.
        part: Name of the metric or seed; "" for the row on that dataset as a whole.
        reason: Reason why it could not be compared.
    """

    row: str
    dataset: str
    part: str = ""
    reason: str


def undone(run: FinishedRun) -> list[Problem]:
    """Cells without a result."""
    problems = []
    for cell in run.plan.cells:
        record = run.records.get(cell.key)
        if record is None or record["status"] != DONE:
            reason = f"{record['status']}: {cause(record)}" if record else "it has no readable record"
            part = f"seed {cell.seed}"
            problems.append(Problem(row=cell.row, dataset=cell.dataset, part=part, reason=reason))
    return problems


def measured(run: FinishedRun) -> dict[Pair, Measured]:
    """(row, dataset) -> values that a run measured; controls are left out, because they are meant to be bad."""
    table = results(run).set_index(["quantizer", "dataset", "seed"])
    columns = {metric.name: table[metric.name].astype(float).to_dict() for metric in WATCHED}
    cells: dict[Pair, list[Cell]] = {}
    for cell, _ in run.recorded():
        if not cell.control:
            cells.setdefault(cell.pair, []).append(cell)
    rows = {}
    for pair, cells_of_pair in cells.items():
        data_seeds, devices = [], set()
        for cell in cells_of_pair:
            data_seeds.append(cell.data_seed)
            devices.add(run.records[cell.key]["device"])
        values = {}
        for name, column in columns.items():
            values[name] = tuple(_number(column[*pair, cell.seed]) for cell in cells_of_pair)
        trainings = Series(data_seeds=tuple(data_seeds), values=values)
        rows[pair] = Measured(conditions=_conditions(cells_of_pair[0], sorted(devices)), trainings=trainings)
    return rows


def _number(value: float) -> float | None:
    """Value of a column; None for a blank."""
    return None if math.isnan(value) else value


def _conditions(cell: Cell, devices: list[str]) -> JSON:
    conditions = {
        "quantizer": cell.quantizer,
        "parameters": cell.parameters,
        "dataset_parameters": cell.portable_parameters,
        "recipe": cell.recipe,
        "protocol": {name: value for name, value in cell.protocol.items() if name not in INDIFFERENT},
        "device": ", ".join(devices),
    }
    as_read: JSON = json.loads(json.dumps(conditions))  # tuples become lists
    return as_read
