"""Training noise, and one-sided tests against it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import special

POWER = 0.95


@dataclass(frozen=True)
class Noise:
    """The spread of the difference between two trainings on the same data.

    Attributes:
        std: Standard deviation of one such difference.
        freedom: Degrees of freedom of that estimate.
    """

    std: float
    freedom: int

    @classmethod
    def of(cls, groups: Iterable[Sequence[float]], least: float) -> "Noise | None":
        """Pooled over groups of trainings on the same data; None where none has two.

        A group of r trainings has r - 1 degrees of freedom, so that every null pair, which adds one training to what
        the run has, adds one. The difference of two trainings has twice the variance of one. A pair that differs by
        `least` is added to the squares and not to their number: a few trainings that agree, as counts of codes do, do
        not prove that others will.

        >>> Noise.of([[1.0, 3.0], [5.0, 5.0, 8.0]], 0.0)  # squares 2 and 6 over 1 + 2 degrees of freedom, doubled
        Noise(std=2.309401076758503, freedom=3)
        >>> Noise.of([[1.0, 1.0, 1.0]], 0.5)  # .5^2 / 2
        Noise(std=0.3535533905932738, freedom=2)

        Args:
            groups: Values of trainings, grouped by data.
            least: The smallest difference that matters.
        """
        squares, freedom = [least**2 / 2], 0
        for group in groups:
            mean = math.fsum(group) / len(group) if group else 0.0
            squares += [(value - mean) ** 2 for value in group]
            freedom += max(0, len(group) - 1)
        return cls(math.sqrt(2 * math.fsum(squares) / freedom), freedom) if freedom else None

    def error(self, n: int) -> float:
        """Standard error of the mean of n differences."""
        return self.std / math.sqrt(n)

    def p(self, mean: float, n: int) -> float:
        """One-sided p of a mean of n differences above 0 (t distribution).

        >>> round(Noise(2.0, 10).p(2.0, 4), 4)  # t = 2
        0.0367
        """
        if not mean:
            return 0.5
        if not self.std:
            return float(mean < 0)
        return float(special.stdtr(self.freedom, -mean / self.error(n)))

    def reach(self, n: int, p: float, least: float) -> float:
        """The smallest loss that n differences show with a probability of POWER.

        Shown is a mean that is at least `least` and has a p of at most `p`. Both the threshold and the spread around
        the true loss rest on the estimated noise, so both take the t quantile.
        """
        threshold = -float(special.stdtrit(self.freedom, p)) * self.error(n)
        return max(threshold, least) + float(special.stdtrit(self.freedom, POWER)) * self.error(n)
