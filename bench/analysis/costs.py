"""Records -> where the time went."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench.metrics import METRICS
from bench.planning.cells import Plan
from bench.records.record import Record
from bench.records.store import Store
from bench.vocabulary import DONE

COLUMNS = ("quantizer", "dataset", "seed", "kind", "part", "seconds")
_TRAINING = ("warm-up", "train")


def profile(store: Store, plan: Plan, records: Mapping[str, Record]) -> pd.DataFrame:
    """Seconds of every part of every cell that is done: phases of its job, readers trained as a batch, metrics.

    A training that several rows share (a control's) counts for the first of them. The kinds are "phase", "reader" for
    what trains readers, and "metric".
    """
    rows: list[dict[str, Any]] = []
    counted = set()
    for cell in plan.cells:
        record = records.get(cell.key)
        if record is None or record["status"] != DONE:
            continue
        record = store.whole(record)
        phases = record.get("phases", {})  # none in a record of an earlier version
        parts = {part: ("reader" if part == "readers" else "phase", spent) for part, spent in phases.items()}
        if cell.tokenizer in counted:
            parts = {part: each for part, each in parts.items() if part not in _TRAINING}
        counted.add(cell.tokenizer)
        parts |= {name: (_kind(name), spent) for name, spent in record["metric_seconds"].items()}
        rows += [
            dict(zip(COLUMNS, (cell.row, cell.dataset, cell.seed, kind, part, spent), strict=True))
            for part, (kind, spent) in parts.items()
        ]
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _kind(metric: str) -> str:
    needs = METRICS[metric].needs if metric in METRICS else ()
    return "reader" if {"reader", "small_reader"} & {*needs} else "metric"


def eager_rows(store: Store, plan: Plan, records: Mapping[str, Record]) -> list[dict[str, str]]:
    """Rows whose training steps were not replayed as CUDA graphs, and why."""
    found: dict[tuple[str, str], str] = {}
    for cell in plan.cells:
        record = records.get(cell.key)
        if record is not None and record["status"] == DONE and record["device"] != "cpu":
            reason = store.whole(record)["history"].get("eager")
            found |= {(cell.row, cell.dataset): reason} if reason else {}
    return [{"quantizer": row, "dataset": dataset, "reason": reason} for (row, dataset), reason in found.items()]
