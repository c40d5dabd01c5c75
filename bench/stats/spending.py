"""Alpha spending: looks at growing numbers of seeds that together err as seldom as a single one."""

import math
from collections.abc import Sequence

from bench.stats.estimates import FEWEST_SEEDS, SIGNIFICANCE

GROWTH = 1.5
"""Least ratio of the numbers of seeds of two looks; rounding makes it larger for few seeds."""


def looks(first: int, most: int) -> list[int]:
    """Numbers of seeds at which the questions are looked at.

    >>> looks(3, 20)
    [3, 5, 8, 12, 20]

    Args:
        first: Number of seeds of the first look; at least FEWEST_SEEDS are taken.
        most: Number of seeds of the last look.

    Raises:
        ValueError: The last look has fewer seeds than the first.
    """
    count = max(first, FEWEST_SEEDS)
    if most < count:
        raise ValueError(f"expected at least {count} seeds at the last look, got {most}")
    counts = []
    while GROWTH * count <= most:
        counts.append(count)
        count = math.ceil(GROWTH * count)
    return [*counts, most]


def level(counts: Sequence[int], most: int) -> float:
    """Significance level of the latest look, that at `counts[-1]` seeds.

    With a share t of the seeds alpha log(1 + (e - 1) t) may be spent in all (Lan and DeMets 1983, Pocock's type). A
    look spends the part that has become available since the one before it. The levels of all looks add up to alpha, so
    that a false decision at any look is at most as likely as at a single one, however dependent the looks are.

    >>> round(sum(level([3, 5, 10][: k + 1], 10) for k in range(3)), 6)
    0.05
    """
    former = _spent(counts[-2] / most) if len(counts) > 1 else 0.0
    return _spent(counts[-1] / most) - former


def _spent(share: float) -> float:
    return SIGNIFICANCE * math.log1p((math.e - 1) * share)
