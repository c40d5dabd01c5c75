"""Uncertainty over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: Arithmetic mean.
        std: Standard deviation with n - 1; None for a single value.
        low: Lower end of the 95 % t interval; None for a single value.
        high: Its upper end.
        n: Values.
    """

    mean: float
    std: float | None
    low: float | None
    high: float | None
    n: int


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, standard deviation and 95 % t interval.

    A t interval, not a bootstrap: with 3 to 5 values a bootstrap covers far less than it says.

    >>> e = estimate([1.0, 2.0, 3.0])
    >>> e.mean, e.std, round(e.high - e.mean, 3)  # t = 4.303, times 1 / sqrt(3)
    (2.0, 1.0, 2.484)
    """
    n = len(values)
    if n == 0:
        raise ValueError("Expected at least one value, got none.")
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(mean, None, None, None, 1)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * std / math.sqrt(n)
    return Estimate(mean, std, mean - half, mean + half, n)
