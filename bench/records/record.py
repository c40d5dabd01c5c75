"""The record of a cell: its parts and their types."""

from typing import Any

SCHEMA = 2


KEPT = ("metrics", "metric_seconds", "null", "curves")
"""Parts of a record by metric: kept where a metric's key has not changed."""


Record = dict[str, Any]


PARTS: dict[str, Any] = {
    "cell": dict[str, Any],
    "metrics": dict[str, float | None],
    "metric_keys": dict[str, str],
    "metric_seconds": dict[str, float],
    "null": dict[str, list[float]],
    "curves": dict[str, list[Any]],
    "history": dict[str, Any],
    "phases": dict[str, float],
    "data": dict[str, Any],
    "error": dict[str, Any],
    "environment": str,
    "device": str,
    "run": str,
    "started": float,
    "finished": float,
    "train_seconds": float,
    "eval_seconds": float,
}
"""Parts of a record and their types; which a record has its status decides."""


WITHIN: dict[str, dict[str, Any]] = {
    "cell": {"tokenizer": str},
    "data": {"sha256": str, "notes": dict[str, Any], "unit": str},
    "history": {"validation": list[float]},
}
"""Of some parts, what others read in them."""


def cause(record: Record) -> str:
    """Why a cell is not done, in one line."""
    error = record.get("error") or {}
    kind, message = error.get("type"), " ".join(str(error.get("message", "")).split())
    return f"{kind}: {message}" if kind else message
