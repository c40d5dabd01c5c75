"""Goals of a study: objectives and constraints."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bench.errors import UsageError
from bench.metrics import METRICS
from quantizers.checks import suggestion


@dataclass(frozen=True)
class Constraint:
    """A bound on the mean of a metric: `topographic_error<=0.1`.

    Attributes:
        metric: Name of the metric.
        sign: 1 for an upper bound, -1 for a lower bound.
        bound: Value that the mean must not pass.
    """

    metric: str
    sign: int
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Read METRIC<=NUMBER or METRIC>=NUMBER.

        Raises:
            UsageError: The text is neither, or there is no such metric.
        """
        match = re.fullmatch(r"\s*(\w+)\s*(<=|>=)\s*(\S+)\s*", text)
        try:
            bound = float(match[3]) if match else math.nan
        except ValueError:
            bound = math.nan
        if match is None or not math.isfinite(bound):
            raise UsageError(f"expected --constraint METRIC<=NUMBER such as topographic_error<=0.1, got {text!r}")
        check_metric("--constraint", match[1])
        return cls(match[1], 1 if match[2] == "<=" else -1, bound)

    def __str__(self) -> str:
        return f"{self.metric}{'<=' if self.sign > 0 else '>='}{self.bound:g}"

    def violation(self, values: Mapping[str, float]) -> float:
        """Distance beyond the bound; at most 0 where the bound is kept."""
        return self.sign * (values[self.metric] - self.bound)


def check_metric(option: str, name: str) -> None:
    """Refuse a metric that is not measured on one tokenizer.

    Raises:
        UsageError: There is no such metric, or it compares cells of a run.
    """
    names = [metric.name for metric in METRICS.values() if metric.function is not None]
    if name not in names:
        raise UsageError(f"{option}: unknown metric {name!r}; {suggestion(name, names)}")


@dataclass(frozen=True)
class Objective:
    """A metric with a better end, to be improved.

    Attributes:
        name: Name of the metric.
    """

    name: str

    @classmethod
    def parse(cls, text: str) -> tuple["Objective", ...]:
        """Read METRIC[,METRIC]...

        Raises:
            UsageError: A metric is unknown, or has no better end.
        """
        names = list(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
        if not names:
            raise UsageError("expected --objective with at least one metric, such as mse")
        for name in names:
            check_metric("--objective", name)
            if METRICS[name].direction == "none":
                raise UsageError(f"--objective {name}: neither more nor less of it is better; see bench list metrics")
        return tuple(map(cls, names))

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Direction in the words of Optuna."""
        return "maximize" if METRICS[self.name].direction == "higher" else "minimize"

    def value(self, mean: float) -> float:
        """Value for Optuna: the mean, or its distance from the metric's target."""
        target = METRICS[self.name].target
        return mean if METRICS[self.name].direction != "target" or target is None else abs(mean - target)
