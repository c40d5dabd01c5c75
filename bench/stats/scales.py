"""Scales on which the values of a metric are compared.

A test on differences wants noise of one size whatever the value. Errors, ratios and times vary in proportion to their
size, shares vary least near 0 and 1.
"""

import math
from collections.abc import Iterable

from bench.vocabulary import Scale


def holds(values: Iterable[float], scale: Scale) -> bool:
    """Whether a scale is defined for all of the values."""
    if scale == "log":
        return all(value > 0 for value in values)
    if scale == "log complement":
        return all(value < 1 for value in values)
    if scale == "arcsine":
        return all(0 <= value <= 1 for value in values)
    return True


def to_scale(value: float, scale: Scale) -> float:
    """Value on a scale; the result rises with the value.

    - "linear": x
    - "log": log x, for errors, ratios and times above 0
    - "log complement": -log(1 - x), for values whose distance from 1 is an error, such as explained variance
    - "arcsine": arcsin sqrt x, for shares from 0 to 1

    >>> to_scale(1.0, "log"), to_scale(0.0, "log complement"), round(to_scale(0.5, "arcsine"), 4)
    (0.0, 0.0, 0.7854)
    """
    if scale == "log":
        return math.log(value)
    if scale == "log complement":
        return -math.log1p(-value)
    if scale == "arcsine":
        return math.asin(math.sqrt(value))
    return value


def from_scale(value: float, scale: Scale) -> float:
    """Inverse of `to_scale`; beyond the ends of "arcsine" the nearest end.

    >>> from_scale(to_scale(0.25, "arcsine"), "arcsine")
    0.25
    """
    if scale == "log":
        return math.exp(min(value, 700.0))
    if scale == "log complement":
        return -math.expm1(-max(value, -700.0))
    if scale == "arcsine":
        return math.sin(min(max(value, 0.0), math.pi / 2)) ** 2
    return value
