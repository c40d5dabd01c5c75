"""Records -> where the time went."""

import pandas as pd

from bench.metrics import METRICS
from bench.planning.finished import FinishedRun
from bench.typing import JSON

COLUMNS = ("quantizer", "dataset", "seed", "kind", "part", "seconds")
_TRAINING = ("warm-up", "train")


def profile(run: FinishedRun) -> pd.DataFrame:
    """Seconds of every part of every cell that is done: phases of its job, readers trained as a batch, metrics.

    A training that several rows share, such as that of a control, counts for the first of them.

    Returns:
        One row per cell and part. The kind is "phase", "reader" for what trains readers, or "metric".
    """
    rows: list[JSON] = []
    counted = set()
    for cell, light_record in run.done():
        record = run.whole(light_record)
        is_counted = cell.tokenizer_key in counted
        counted.add(cell.tokenizer_key)
        parts = []
        for part, seconds in record["phases"].items():
            if not (is_counted and part in _TRAINING):
                parts.append(("reader" if part == "readers" else "phase", part, seconds))
        for metric, seconds in record["metric_seconds"].items():
            parts.append((_kind(metric), metric, seconds))
        for kind, part, seconds in parts:
            rows.append(
                {
                    "quantizer": cell.row,
                    "dataset": cell.dataset,
                    "seed": cell.seed,
                    "kind": kind,
                    "part": part,
                    "seconds": seconds,
                }
            )
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _kind(metric: str) -> str:
    return "reader" if metric in METRICS and METRICS[metric].budgets else "metric"


def eager_rows(run: FinishedRun) -> list[dict[str, str]]:
    """Rows whose training steps were not replayed as CUDA graphs, and the reasons."""
    reasons: dict[tuple[str, str], str] = {}
    for cell, record in run.done():
        if record["device"] != "cpu":
            reason = run.whole(record)["history"].get("eager")
            if reason:
                reasons[cell.pair] = reason
    return [{"quantizer": row, "dataset": dataset, "reason": reason} for (row, dataset), reason in reasons.items()]
