"""What a run measured of what the gate watches, and which of its cells have no result."""

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
INDIFFERENT = ("name", "purpose", "seeds")  # what no cell is decided by, of a protocol


@dataclass(frozen=True)
class Problem:
    """Something that could not be compared.

    Attributes:
        what: A metric or seed; "" for the row on that dataset as a whole.
        reason: Why.
    """

    row: str
    dataset: str
    what: str
    reason: str


def undone(run: FinishedRun) -> list[Problem]:
    """Cells without a result."""
    found = []
    for cell in run.plan.cells:
        record = run.records.get(cell.key)
        if record is None or record["status"] != DONE:
            reason = f"{record['status']}: {cause(record)}" if record else "it has no readable record"
            found.append(Problem(cell.row, cell.dataset, f"seed {cell.seed}", reason))
    return found


def measured(run: FinishedRun) -> dict[Pair, Measured]:
    """(row, dataset) -> what a run measured. Controls are left out: they are there to be bad."""
    table = results(run).set_index(["quantizer", "dataset", "seed"])
    columns = {metric.name: table[metric.name].astype(float).to_dict() for metric in WATCHED}
    cells: dict[Pair, list[Cell]] = {}
    for cell, _ in run.recorded():
        if not cell.control:
            cells.setdefault(cell.pair, []).append(cell)
    found = {}
    for pair, own in cells.items():
        values = {}
        for metric in WATCHED:
            column = [columns[metric.name][*pair, cell.seed] for cell in own]
            values[metric.name] = tuple(None if math.isnan(value) else value for value in column)
        devices = sorted({run.records[cell.key]["device"] for cell in own})
        trainings = Series(tuple(cell.data_seed for cell in own), values)
        found[pair] = Measured(_conditions(own[0], devices), trainings)
    return found


def _conditions(cell: Cell, devices: list[str]) -> JSON:
    told = {
        "quantizer": cell.quantizer,
        "parameters": cell.parameters,
        "dataset_parameters": cell.portable_parameters,
        "recipe": cell.recipe,
        "protocol": {name: value for name, value in cell.protocol.items() if name not in INDIFFERENT},
        "device": ", ".join(devices),
    }
    kept: JSON = json.loads(json.dumps(told))  # as they will be read: tuples are lists
    return kept
