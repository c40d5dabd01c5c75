"""Names -> metrics: ours, and those that plug-ins add."""

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, get_args

from bench.metrics.base import SHARE, Effect, Metric, Reader
from bench.records.columns import LEADING, PARTS, SUMMARY, TRAILING
from bench.vocabulary import Direction, Scale

Function = TypeVar("Function", bound=Callable[..., Any])

NEEDS = ("positions", "reader", "small_reader", "curve")
METRICS: dict[str, Metric] = {}


def register(
    name: str,
    *,
    direction: Direction,
    summary: str,
    needs: tuple[str, ...] = (),
    target: float | None = None,
    readers: tuple[Reader, ...] = (),
    scale: Scale = "linear",
    effect: Effect = SHARE,
    primary: bool = False,
) -> Callable[[Function], Function]:
    """Decorator that makes a metric of a function `Trained` -> float, or None where it does not apply.

        @register("run_length", direction="none", summary="mean number of frames a code lasts; [1, inf)")
        def run_length(trained): ...

    The arguments are those of `Metric`.

    Raises:
        ValueError: The name is taken or cannot be a column, or another argument cannot be.
    """

    def decorate(function: Function) -> Function:
        metric = Metric(
            name,
            function,
            direction,
            summary,
            needs,
            target,
            readers=readers,
            scale=scale,
            effect=effect,
            primary=primary,
        )
        add(metric)
        return function

    return decorate


def get(name: str) -> Metric:
    """Metric of a name.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}; known: {', '.join(METRICS)}")
    return METRICS[name]


def names() -> list[str]:
    """Registered names, ours first."""
    return list(METRICS)


def registered(name: str) -> Callable[..., Any] | None:
    """Function of a registered metric."""
    return METRICS[name].function


def load_plugin(name: str, plugin: Any) -> None:
    """Register what an entry point of that name led to: a `Metric` or a decorated function.

    Raises:
        ValueError: The name is taken, or it is neither.
    """
    function = plugin.function if isinstance(plugin, Metric) else plugin
    if name in METRICS and METRICS[name].function is function:
        return  # its own decorator has just registered it
    if not isinstance(plugin, Metric) or plugin.name != name:
        raise ValueError(
            f"Expected a Metric or a function with @bench.metrics.register({name!r}, ...), got {plugin!r}."
        )
    add(plugin)


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
        directions = ", ".join(get_args(Direction))
        raise ValueError(f"Expected the direction of {name!r} to be one of {directions}, got {metric.direction!r}.")
    if metric.scale not in get_args(Scale):
        raise ValueError(
            f"Expected the scale of {name!r} to be one of {', '.join(get_args(Scale))}, got {metric.scale!r}."
        )
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
