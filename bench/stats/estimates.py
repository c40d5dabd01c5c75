"""Uncertainty over seeds: intervals, paired comparisons and their correction."""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from scipy import special

CONFIDENCE = 0.95
SIGNIFICANCE = 0.05
FEWEST_SEEDS = 3


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: Arithmetic mean of the values.
        std: Standard deviation with n - 1; None for a single value.
        low: Lower end of the 95 % t interval; None for a single value.
        high: Upper end of that interval; None for a single value.
        n: Number of the values.
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
        return Estimate(mean=mean, std=None, low=None, high=None, n=1)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = _quantile(n - 1) * std / math.sqrt(n)
    return Estimate(mean=mean, std=std, low=mean - half, high=mean + half, n=n)


@dataclass(frozen=True, kw_only=True)
class Paired:
    """A comparison of two rows over the seeds they share.

    Attributes:
        n: Number of the pairs.
        mean: Mean of first - second, in the values' unit.
        std: Standard deviation of the differences with n - 1; None for a single pair.
        low: Lower end of the 95 % t interval of the mean difference; None unless tested.
        high: Upper end of that interval; None for a single value.
        p: Two-sided p of the paired t test, not corrected for other comparisons; None unless tested.
        outcome: "tested"; "identical" where every difference is zero; "untested" where there is a single pair, or where
            the differences are not zero but all the same, from which a t test would conclude with p = 0.
    """

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None
    p: float | None
    outcome: Literal["tested", "identical", "untested"]


def paired(first: Sequence[float], second: Sequence[float], overlap: float = 0.0) -> Paired:
    """Paired t test of first - second, t = mean / sqrt(s^2 (1/n + overlap)) with n - 1 degrees of freedom.

    Where seeds split one finite source again and again, their training sets overlap and their results are not
    independent; Nadeau and Bengio (2003, "Inference for the generalization error") add n_test / n_train to 1/n.

    Args:
        first: One value a seed.
        second: The other row's values of the same seeds, in the same order.
        overlap: n_test / n_train of such splits; 0 where every seed draws its own data.

    Raises:
        ValueError: If the two are not equally long, or empty, or hold values that are not finite, or if overlap is
            negative.

    >>> found = paired([3.0, 5.0, 7.0], [2.0, 3.0, 4.0])  # differences 1, 2, 3: t = 2 sqrt(3)
    >>> found.mean, found.std, round(found.p, 4)
    (2.0, 1.0, 0.0742)
    """
    if not overlap >= 0:
        raise ValueError(f"Expected an overlap of at least 0, got {overlap}.")
    if not all(map(math.isfinite, (*first, *second))):
        raise ValueError("Expected finite values only.")
    differences = [a - b for a, b in zip(first, second, strict=True)]
    estimated = estimate(differences)
    n, mean, std = estimated.n, estimated.mean, estimated.std
    if std is None:
        return Paired(n=n, mean=mean, std=None, low=None, high=None, p=None, outcome="untested")
    if not any(differences):
        return Paired(n=n, mean=0.0, std=0.0, low=None, high=None, p=None, outcome="identical")
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bit: no variance, not a p of 1e-30.
    rounding = 4 * sys.float_info.epsilon * max(map(abs, (*first, *second)))
    if max(differences) - min(differences) <= rounding:
        return Paired(n=n, mean=mean, std=std, low=None, high=None, p=None, outcome="untested")
    error = std * math.sqrt(1 / n + overlap)
    half = _quantile(n - 1) * error
    p = 2 * float(special.stdtr(n - 1, -abs(mean) / error))
    return Paired(n=n, mean=mean, std=std, low=mean - half, high=mean + half, p=p, outcome="tested")


def holm(p_values: Iterable[float | None], *, to_best: bool = False) -> list[float | None]:
    """Adjusted p-values of one family of comparisons (Holm 1979), in the given order; None stays None, uncounted.

    The smallest p is multiplied by the number of comparisons m, the next by m - 1, and so on, each at least the one
    before it and at most 1. A comparison holds at family-wise error a where its adjusted p is at most a.

    Args:
        p_values: One p a comparison; None where there was no test.
        to_best: The comparisons are to the best row, which the same values chose. Every pair of the m + 1 rows could
            have been one of them, so the smallest p is multiplied by the number of those pairs, m (m + 1) / 2, the
            next by (m - 1) m / 2, and so on to 1: a row told from the best leaves with all of its pairs.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]
    >>> holm([0.01, 0.04, 0.03], to_best=True)  # times 6, 1, 3
    [0.06, 0.09, 0.09]
    """
    given = list(p_values)
    adjusted = list(given)
    tested = sorted((p, index) for index, p in enumerate(given) if p is not None)
    reached = 0.0
    for rank, (p, index) in enumerate(tested):
        left = len(tested) - rank
        reached = max(reached, min(1.0, p * (left * (left + 1) // 2 if to_best else left)))
        adjusted[index] = reached
    return adjusted


@cache
def _quantile(freedom: int) -> float:
    """Half the width of the 95 % t interval in standard errors."""
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))
