"""Keys of results: hashes of everything that decides a result, and of nothing else."""

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import datasets
import quantizers
from bench.metrics import METRICS
from bench.planning.protocol import Protocol
from bench.plugins.fingerprint import fingerprint, module_file
from bench.typing import JSON


def digest(value: Any) -> str:
    """SHA-256 of canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def training_code(quantizer: str, dataset: str) -> JSON:
    """Hashes of the code that decides a trained tokenizer: the code of the family, of the trainer and of the data.

    The version of another distribution that the family runs on stands for its code.

    Args:
        quantizer: Name of the quantizer with its preset, or name of a reference.
        dataset: Name of the dataset in the tables.
    """
    family = quantizers.get(quantizer)[0] if is_family(quantizer) else None
    code = Path(inspect.getfile(family.cls)) if family else _file("bench.training.references")
    hashes = {
        "family": fingerprint(code, _file("bench.training.loop")),
        "data": fingerprint(Path(inspect.getfile(datasets.get(dataset)))),
    }
    if family and family.requires:
        hashes[family.requires] = metadata.version(family.requires)
    return hashes


def is_family(quantizer: str) -> bool:
    """Whether a name with or without a preset is that of a registered family rather than of a reference."""
    return quantizer.partition(":")[0] in quantizers.names()


def _file(module: str) -> Path:
    """Source file of one of our modules, found without importing it: its imports would add a second to every job."""
    path = module_file(module)
    assert path is not None
    return path


def control_key(tokenizer_key: str, control: str) -> str:
    """Key of the cell that measures a trained tokenizer under a control."""
    code = fingerprint(_file("bench.execution.controls"))
    return digest({"tokenizer": tokenizer_key, "control": control, "code": code})


def metric_keys(key: str, protocol: Protocol, names: Iterable[str]) -> JSON:
    """Metric -> hash of the cell's key, the metric's code and the budgets of its readers."""
    keys = {}
    for name in names:
        metric = METRICS[name]
        assert metric.function is not None
        code = fingerprint(Path(inspect.getfile(metric.function)), _file("bench.execution.measure"))
        budgets = {budget: dataclasses.asdict(getattr(protocol, budget)) for budget in metric.budgets}
        keys[name] = digest({"key": key, "code": code, "budgets": budgets})
    return keys
