"""Which records of a folder stand, and which cells run again."""

import sys

from bench.planning.cells import Cell, Plan
from bench.records.record import Record
from bench.records.store import Store
from bench.vocabulary import DONE, FAILED, INTERRUPTED

RERUN = ("missing", "failed", "all")


def damaged_records(plan: Plan, store: Store) -> list[str]:
    """A line for each record of the plan that cannot be read."""
    return store.read_all(cell.key for cell in plan.cells)[1]


def pending(plan: Plan, store: Store, rerun: str) -> tuple[list[Cell], dict[str, Record]]:
    """Cells to run, and the records of the others."""
    records, _ = store.read_all(cell.key for cell in plan.cells)
    todo, kept = [], {}
    for cell in plan.cells:
        record = records.get(cell.key)
        if record is None or rerun == "all" or _runs_again(cell, record, rerun):
            todo.append(cell)
        else:
            kept[cell.key] = _light(cell, record)
    return todo, kept


def _runs_again(cell: Cell, record: Record, rerun: str) -> bool:
    status = record["status"]
    if status == INTERRUPTED or (status != DONE and rerun == "failed"):
        return True
    # A metric that failed may have been mended since: then its key has changed.
    return (status == DONE or measured_before_failing(record)) and bool(stale_metrics(cell, record))


def measured_before_failing(record: Record) -> bool:
    """Whether a cell was trained and only its evaluation failed: weights and metrics so far are good."""
    return bool(record["status"] == FAILED and record["error"].get("stage") == "evaluate")


def stale_metrics(cell: Cell, record: Record) -> list[str]:
    """Metrics whose code has changed since the record was written, or that it does not know."""
    known = record.get("metric_keys", {})
    return [name for name, key in cell.metric_keys.items() if known.get(name) != key]


OF_DISK = ("history", "metric_seconds", "curves", "phases")
"""Parts of a record that only figures and profiles need: `Store.whole` reads them."""


def _light(cell: Cell, record: Record) -> Record:
    """What a run keeps of each record in memory: the plan's own objects for copies, nothing that no table needs."""
    kept = {name: value for name, value in record.items() if name not in OF_DISK}
    kept["cell"] = {name: getattr(cell, name, value) for name, value in record["cell"].items() if name != "capacity"}
    if "metrics" in record:
        kept["metrics"] = {sys.intern(name): value for name, value in record["metrics"].items()}
    if record.get("metric_keys") == cell.metric_keys:
        kept["metric_keys"] = cell.metric_keys
    return kept
