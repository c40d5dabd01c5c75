"""What identifies a result: everything that decides it, and nothing else."""

import dataclasses
import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

from bench import measure, train
from bench.fingerprint import fingerprint
from bench.metrics import METRICS, ReaderBudget

JSON = dict[str, Any]


def digest(value: Any) -> str:
    """SHA-256 of canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def training_code(family: type, dataset: type) -> JSON:
    """Hashes of the code that decides a trained tokenizer: the family's, the trainer's and the data's."""
    return {
        "family": fingerprint(Path(inspect.getfile(family)), Path(train.__file__)),
        "data": fingerprint(Path(inspect.getfile(dataset))),
    }


def metric_keys(key: str, budget: ReaderBudget) -> JSON:
    """Metric -> hash of the cell's key, the metric's code and, where it trains a reader, the reader's budget."""
    keys = {}
    for name, metric in METRICS.items():
        code = fingerprint(Path(inspect.getfile(metric.function)), Path(measure.__file__))
        values = dataclasses.asdict(budget) if "reader" in metric.needs else None
        keys[name] = digest({"key": key, "code": code, "budget": values})
    return keys
