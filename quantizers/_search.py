"""Ranges that search spaces are made of: two decades around a published value, whatever the parameter."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def decades(trial: "BaseTrial", name: str, centre: float, *, below: float = float("inf")) -> float:
    """From a tenth of a value to ten times it, logarithmically; never above `below`."""
    return trial.suggest_float(name, centre / 10, min(10 * centre, below), log=True)


def kept_share(trial: "BaseTrial", name: str, centre: float) -> float:
    """The same for what is lost each step, 1 - `centre`, where `centre` is the share kept."""
    return 1 - decades(trial, f"1 - {name}", 1 - centre, below=0.999)
