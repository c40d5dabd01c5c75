"""Records of a folder that stand, and cells that run again."""

import sys
from typing import cast

from bench.planning.cells import Cell, Plan
from bench.records.record import Failure, Record
from bench.records.store import Store
from bench.vocabulary import DONE, FAILED, INTERRUPTED

RERUN = ("missing", "failed", "all")
"""Values of `--rerun`."""

ON_DISK = ("history", "metric_seconds", "curves", "phases")
"""Parts of a record that only figures and profiles need: `Store.whole` reads them."""


def damaged_records(plan: Plan, store: Store) -> list[str]:
    """A line for every record of the plan that cannot be read."""
    return store.read_all(cell.key for cell in plan.cells)[1]


def pending(plan: Plan, store: Store, rerun: str) -> tuple[list[Cell], dict[str, Record]]:
    """Cells to run, and the records of the other cells by key."""
    records, _ = store.read_all(cell.key for cell in plan.cells)
    waiting, kept = [], {}
    for cell in plan.cells:
        record = records.get(cell.key)
        if record is None or rerun == "all" or _runs_again(cell, record, rerun):
            waiting.append(cell)
        else:
            kept[cell.key] = light(cell, record)
    return waiting, kept


def _runs_again(cell: Cell, record: Record, rerun: str) -> bool:
    status = record["status"]
    if status == INTERRUPTED or (status != DONE and rerun == "failed"):
        return True
    # A metric that failed may have been mended since: then its key has changed.
    return (status == DONE or measured_before_failing(record)) and bool(stale_metrics(cell, record))


def measured_before_failing(record: Record) -> bool:
    """Whether a cell was trained and only its evaluation failed: weights and metrics so far are good."""
    return record["status"] == FAILED and record.get("error", Failure()).get("stage") == "evaluate"


def stale_metrics(cell: Cell, record: Record) -> list[str]:
    """Names of metrics that the record lacks, or whose code has changed since it was written."""
    recorded_keys = record.get("metric_keys", {})
    return [name for name, key in cell.metric_keys.items() if recorded_keys.get(name) != key]


def light(cell: Cell, record: Record) -> Record:
    """Copy of a record as a run keeps it in memory: it shares the plan's objects, and lacks what no table needs."""
    kept = cast(Record, {name: value for name, value in record.items() if name not in ON_DISK})
    kept["cell"] = {"tokenizer_key": cell.tokenizer_key}
    if "metrics" in record:
        kept["metrics"] = {sys.intern(name): value for name, value in record["metrics"].items()}
    if record.get("metric_keys") == cell.metric_keys:
        kept["metric_keys"] = cell.metric_keys
    return kept
