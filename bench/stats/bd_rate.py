"""Bjontegaard's difference of rates: two curves of rate against quality as one number."""

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

FEWEST_POINTS = 2
Point = tuple[float, float]


def bd_rate(curve: Sequence[Point], reference: Sequence[Point]) -> float | None:
    """Mean relative difference of the rate at equal quality, above -1: 0.1 is 10 % more than the reference.

    The logarithm of the rate is interpolated over the quality (Bjontegaard 2001, VCEG-M33, with the piecewise cubic
    interpolation of later practice, which does not swing between points), and the mean difference over the common range
    of quality is turned back. Points that another one of the curve matches at a lower rate are left out.

    Half the rate at every quality:

    >>> round(bd_rate([(1, 1.0), (2, 2.0), (3, 4.0)], [(1, 2.0), (2, 4.0), (3, 8.0)]), 6)
    -0.5

    Args:
        curve: (quality, rate) of one family at several sizes; rates are positive.
        reference: Points of the family that it is compared with.

    Returns:
        The difference, or None where a curve has fewer than two points or no quality is in the range of both.
    """
    first, second = _frontier(curve), _frontier(reference)
    if min(len(first), len(second)) < FEWEST_POINTS:
        return None
    low, high = max(first[0][0], second[0][0]), min(first[-1][0], second[-1][0])
    if low >= high:
        return None
    areas = []
    for points in (first, second):
        quality, rate = np.array(points).T
        areas.append(float(PchipInterpolator(quality, np.log(rate)).integrate(low, high)))
    return float(np.expm1((areas[0] - areas[1]) / (high - low)))


def _frontier(curve: Sequence[Point]) -> list[Point]:
    """Points of which none has at least the quality of another at a higher rate, by rising quality."""
    kept: list[Point] = []
    for quality, rate in sorted(curve, key=lambda point: (-point[0], point[1])):
        if not kept or rate < kept[-1][1]:
            kept.append((quality, rate))
    return kept[::-1]
