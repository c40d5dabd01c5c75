"""Names -> metrics: ours, and those that plug-ins add."""

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, get_args

from bench.metrics.base import Metric
from bench.records.columns import LEADING, PARTS, SUMMARY, TRAILING
from bench.vocabulary import Direction

Function = TypeVar("Function", bound=Callable[..., Any])

NEEDS = ("positions", "reader", "small_reader", "curve", "curve of vq")
METRICS: dict[str, Metric] = {}


def register(
    name: str, *, direction: Direction, summary: str, needs: tuple[str, ...] = (), target: float | None = None
) -> Callable[[Function], Function]:
    """Decorator that makes a metric of a function `Trained` -> float, or None where it does not apply.

        @register("run_length", direction="none", summary="mean number of frames a code lasts; [1, inf)")
        def run_length(trained): ...

    The arguments are those of `Metric`.

    Raises:
        ValueError: The name is taken or cannot be a column, or another argument cannot be.
    """

    def decorate(function: Function) -> Function:
        add(Metric(name, function, direction, summary, needs, target))
        return function

    return decorate


def add(metric: Metric) -> None:
    """Add a metric to the catalogue.

    Raises:
        ValueError: Its name is taken or cannot be a column, or a part of it cannot be.
    """
    name = metric.name
    if name in METRICS:
        raise ValueError(f"A metric named {name!r} is already registered; choose another name.")
    columns = {*LEADING, *SUMMARY, *TRAILING}
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in columns or name.endswith(tuple(f"_{p}" for p in PARTS)):
        raise ValueError(
            f"Expected a metric name of lower-case letters, digits and _ that is no other column, got {name!r}."
        )
    if metric.direction not in get_args(Direction):
        known = ", ".join(get_args(Direction))
        raise ValueError(f"Expected the direction of {name!r} to be one of {known}, got {metric.direction!r}.")
    if (metric.direction == "target") != (metric.target is not None):
        raise ValueError(f"Expected {name!r} to have a target where its direction is 'target', and only there.")
    unknown = sorted(set(metric.needs) - set(NEEDS))
    if unknown:
        raise ValueError(f"Expected the needs of {name!r} among {', '.join(NEEDS)}, got {', '.join(unknown)}.")
    if metric.function is not None and not inspect.isfunction(metric.function):
        raise ValueError(
            f"Expected {name!r} to be a plain function, so that its key can follow its code, got {metric.function!r}."
        )
    METRICS[name] = metric
