"""`tuned.toml`: the parameters that a tuner found, for `bench run --params`."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import quantizers
from bench.errors import UsageError
from bench.planning.protocol import PROTOCOLS
from datasets.text import read_text

NAME = "tuned.toml"
WINNER, UNCONSTRAINED, FRONT = "tuned", "unconstrained", "front"
"""Tables of the file: winners, winners without the constraint, and all trials that no other trial beats."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Parameters of one family on one dataset.

    Attributes:
        quantizer: Name of the family.
        dataset: Name of the dataset in the tables.
        trials: Number of trials that they cost.
        parameters: Values that the family's `suggest` drew.
        values: Metric -> mean over the tuner's seeds, on the validation split.
    """

    quantizer: str
    dataset: str
    trials: int
    parameters: dict[str, Any]
    values: dict[str, float]


def dump(facts: dict[str, Any], tables: dict[str, list[Tuned]]) -> str:
    """Text of the file; scalars and lists are written as JSON, which TOML reads alike."""
    lines = ["# bench tune; bench run --params takes it", *_lines(facts)]
    for name, entries in tables.items():
        for entry in entries:
            head = {"quantizer": entry.quantizer, "dataset": entry.dataset, "trials": entry.trials}
            lines += ["", f"[[{name}]]", *_lines(head), f"[{name}.values]", *_lines(entry.values)]
            lines += [f"[{name}.parameters]", *_lines(entry.parameters)]
    return "\n".join(lines) + "\n"


def _lines(values: dict[str, Any]) -> list[str]:
    return [f"{_text(key)} = {_text(value)}" for key, value in values.items()]


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def questions(path: Path) -> dict[str, Any]:
    """Question of the study that wrote the file: command, protocol, datasets, objective and constraint.

    Raises:
        UsageError: The file cannot be read, or lacks a part of the question.
    """
    values = _read(path)
    kinds = {"command": str, "protocol": str, "datasets": list, "objective": list, "constraint": str}
    whole = all(isinstance(values.get(name), kind) for name, kind in kinds.items())
    if not whole or values["protocol"] not in PROTOCOLS:
        raise UsageError(f"{path}: expected what bench tune wrote ({NAME}); it does not tell of its study")
    return values


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: expected what bench tune wrote ({NAME}); {error}") from None


def load(path: Path, table: str = WINNER) -> dict[tuple[str, str], Tuned]:
    """Read one table of the file: (quantizer, dataset) -> tuned parameters.

    Raises:
        UsageError: The file cannot be read, or names unknown quantizers or parameters.
    """
    values = _read(path)
    try:
        entries = [Tuned(**entry) for entry in values.get(table, [])]
    except TypeError as error:
        raise UsageError(f"{path}: expected what bench tune wrote ({NAME}); {error}") from None
    if table == WINNER and not entries:
        raise UsageError(f"{path}: expected what bench tune wrote ({NAME}); it has no [[{WINNER}]]")
    for entry in entries:
        _check(path, entry)
    return {(entry.quantizer, entry.dataset): entry for entry in entries}


def _check(path: Path, entry: Tuned) -> None:
    if ":" in str(entry.quantizer):
        raise UsageError(f"{path}: {entry.quantizer} is a preset, which keeps its values")
    try:
        defaults = quantizers.get(entry.quantizer)[0].parameters
        unknown = [name for name in entry.parameters if name not in defaults]
        wrong = [name for name, value in entry.parameters.items() if not _fits(value, defaults.get(name, value))]
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: {error}") from None
    if unknown or wrong:
        name = (unknown or wrong)[0]
        expected = f"a value such as {defaults[name]!r}" if wrong else f"one of {', '.join(defaults)}"
        raise UsageError(f"{path}: {entry.quantizer}.{name}: expected {expected}")


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of its default; a whole number may stand for a number."""
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)
