"""Moderated variances: the variance of a comparison, shrunk towards those of the other comparisons of its column.

With three seeds a paired t test has two degrees of freedom and finds nearly nothing. Smyth (2004, "Linear models and
empirical Bayes methods", Statistical Applications in Genetics and Molecular Biology 3) fits a scaled inverse chi-square
prior to the variances of all comparisons and adds its degrees of freedom to each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import optimize, special

FEWEST_ROWS = 3
"""Rows of a column from which a prior is fitted: two rows are a single comparison."""


@dataclass(frozen=True, kw_only=True)
class Prior:
    """Prior of the variances of a column.

    Attributes:
        variance: Variance s0^2 that the prior expects.
        freedom: Degrees of freedom d0 that it adds; 0 leaves every variance as it is, infinity replaces it.
    """

    variance: float
    freedom: float

    def moderate(self, variance: float, freedom: int) -> float:
        """Posterior variance (d0 s0^2 + d s^2) / (d0 + d), but never less than the variance itself.

        Smyth's posterior variance (Eq. 4) also shrinks large variances. Rows that differ a lot in their noise would
        then be called different too often, so only small variances are moved.

        Args:
            variance: Sample variance s^2 of the comparison.
            freedom: Degrees of freedom d of that variance.
        """
        if math.isinf(self.freedom):
            return max(variance, self.variance)
        total = self.freedom + freedom
        return max(variance, (self.freedom * self.variance + freedom * variance) / total)


NO_PRIOR = Prior(variance=0.0, freedom=0.0)


def most_freedom(seeds: int, rows: int) -> float:
    """Largest degrees of freedom that a prior may add, as far as calibration by simulation allows.

    Few seeds and few rows say little about how much variances differ, and a prior that is too sure of itself calls
    noisy rows different. See docs/concepts/statistics.md.

    >>> most_freedom(3, 7), most_freedom(5, 7)
    (4.0, 16.0)
    """
    return (seeds - 1) ** 2 * (rows - 1) / 6


def fit_prior(variances: Sequence[float], freedoms: Sequence[int], most: float) -> Prior:
    """Fit a prior to sample variances by the moments of their logarithms (Smyth 2004, section 6.2).

    Args:
        variances: Sample variances above 0.
        freedoms: Degrees of freedom of each.
        most: Largest degrees of freedom of the prior.

    Returns:
        The prior; `NO_PRIOR` for fewer than two variances.

    >>> fit_prior([1.0, 1.0, 1.0], [4, 4, 4], 10.0).freedom
    10.0
    """
    if len(variances) < 2:
        return NO_PRIOR
    logs = _centred_logs(variances, freedoms)
    mean = math.fsum(logs) / len(logs)
    spread = math.fsum((value - mean) ** 2 for value in logs) / (len(logs) - 1)
    expected = math.fsum(float(special.polygamma(1, freedom / 2)) for freedom in freedoms) / len(freedoms)
    excess = spread - expected
    if excess <= 0:  # the variances differ by no more than their sampling: one variance for all
        return Prior(variance=math.exp(mean), freedom=most)
    half = _inverse_trigamma(excess)
    variance = math.exp(mean + float(special.digamma(half)) - math.log(half))
    return Prior(variance=variance, freedom=min(2 * half, most))


def typical_variance(variances: Sequence[float], freedoms: Sequence[int]) -> float:
    """Common variance that the logarithms of sample variances suggest; 0 without any.

    >>> round(typical_variance([2.0], [1000]), 2)
    2.0
    """
    return math.exp(math.fsum(_centred_logs(variances, freedoms)) / len(variances)) if variances else 0.0


def _centred_logs(variances: Sequence[float], freedoms: Sequence[int]) -> list[float]:
    """Logarithms of variances, without the bias of the logarithm of a chi-square."""
    logs = []
    for variance, freedom in zip(variances, freedoms, strict=True):
        logs.append(math.log(variance) - float(special.digamma(freedom / 2)) + math.log(freedom / 2))
    return logs


def _inverse_trigamma(value: float) -> float:
    """Solve trigamma(x) = value for x."""
    return float(optimize.brentq(lambda x: float(special.polygamma(1, x)) - value, 1e-8, 1e8, xtol=1e-12))
