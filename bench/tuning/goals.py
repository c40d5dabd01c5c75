"""What a study looks for: objectives and constraints."""

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
    """A bound on the mean of a metric: `topographic_error<=0.1`."""

    metric: str
    sign: int
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Read METRIC<=NUMBER or METRIC>=NUMBER.

        Raises:
            UsageError: It is neither, or there is no such metric.
        """
        found = re.fullmatch(r"\s*(\w+)\s*(<=|>=)\s*(\S+)\s*", text)
        try:
            bound = float(found[3]) if found else math.nan
        except ValueError:
            bound = math.nan
        if found is None or not math.isfinite(bound):
            raise UsageError(f"expected --constraint METRIC<=NUMBER such as topographic_error<=0.1, got {text!r}")
        check_metric("--constraint", found[1])
        return cls(found[1], 1 if found[2] == "<=" else -1, bound)

    def __str__(self) -> str:
        return f"{self.metric}{'<=' if self.sign > 0 else '>='}{self.bound:g}"

    def violation(self, values: Mapping[str, float]) -> float:
        """How far beyond the bound; at most 0 where it is kept."""
        return self.sign * (values[self.metric] - self.bound)


def check_metric(option: str, name: str) -> None:
    """Refuse what is not measured on a tokenizer alone.

    Raises:
        UsageError: There is no such metric, or it compares cells of a run.
    """
    known = [metric.name for metric in METRICS.values() if metric.function is not None]
    if name not in known:
        raise UsageError(f"{option}: unknown metric {name!r}; {suggestion(name, known)}")


@dataclass(frozen=True)
class Objective:
    """What to make better: a metric with a better end.

    Attributes:
        name: Of the metric.
    """

    name: str

    @classmethod
    def parse(cls, text: str) -> tuple["Objective", ...]:
        """Read METRIC[,METRIC]...

        Raises:
            UsageError: One is unknown, or has no better end.
        """
        names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        if not names:
            raise UsageError("expected --objective with at least one metric, such as mse")
        for name in names:
            check_metric("--objective", name)
            if METRICS[name].direction == "none":
                raise UsageError(f"--objective {name}: neither more nor less of it is better; see bench list metrics")
        return tuple(cls(name) for name in names)

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Optuna's."""
        return "maximize" if METRICS[self.name].direction == "higher" else "minimize"

    def value(self, mean: float) -> float:
        """What Optuna is told: the mean, or how far it is from the metric's target."""
        target = METRICS[self.name].target
        return mean if METRICS[self.name].direction != "target" or target is None else abs(mean - target)
