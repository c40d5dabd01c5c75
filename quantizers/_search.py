"""Ranges of search spaces: two decades around a published value, for every parameter."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def decades(trial: "BaseTrial", name: str, centre: float, *, below: float = float("inf")) -> float:
    """Draw a number from a tenth of `centre` to ten times it, on a log scale and never above `below`."""
    return trial.suggest_float(name, centre / 10, min(10 * centre, below), log=True)


def kept_share(trial: "BaseTrial", name: str, centre: float) -> float:
    """Draw a share that a step keeps: `decades` for the share that it loses, 1 - `centre`."""
    return 1 - decades(trial, f"1 - {name}", 1 - centre, below=0.999)
