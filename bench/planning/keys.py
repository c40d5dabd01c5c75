"""What identifies a result: everything that decides it, and nothing else."""

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

JSON = dict[str, Any]


def digest(value: Any) -> str:
    """SHA-256 of canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def training_code(quantizer: str, dataset: str) -> JSON:
    """Hashes of the code that decides a trained tokenizer: the family's, the trainer's and the data's.

    Of another distribution that the family runs on, the version stands for the code.

    Args:
        quantizer: Name, preset included, or that of a reference.
        dataset: Name.
    """
    family = quantizers.get(quantizer)[0] if known(quantizer) else None
    code = Path(inspect.getfile(family.cls)) if family else _file("bench.training.references")
    hashes = {
        "family": fingerprint(code, _file("bench.training.loop")),
        "data": fingerprint(Path(inspect.getfile(datasets.get(dataset)))),
    }
    if family and family.requires:
        hashes[family.requires] = metadata.version(family.requires)
    return hashes


def known(label: str) -> bool:
    """Whether a label names a family rather than a reference."""
    return label.partition(":")[0] in quantizers.names()


def _file(module: str) -> Path:
    """Of a module of ours that is not imported for this: what it imports would cost every job a second."""
    path = module_file(module)
    assert path is not None
    return path


def control_key(tokenizer: str, control: str) -> str:
    """Key of the cell that measures a trained tokenizer under a control."""
    return digest({"tokenizer": tokenizer, "control": control, "code": fingerprint(_file("bench.execution.controls"))})


def metric_keys(key: str, protocol: Protocol, names: Iterable[str]) -> JSON:
    """Metric -> hash of the cell's key, the metric's code and, where it trains readers, their budgets."""
    keys = {}
    for name in names:
        metric = METRICS[name]
        assert metric.function is not None
        code = fingerprint(Path(inspect.getfile(metric.function)), _file("bench.execution.measure"))
        budgets = {
            reader: dataclasses.asdict(getattr(protocol, reader))
            for reader in ("reader", "small_reader")
            if reader in metric.needs
        }
        keys[name] = digest({"key": key, "code": code, "budgets": budgets})
    return keys
