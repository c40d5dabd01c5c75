"""Losses: values of a metric turned into numbers that are to be small."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from bench.stats.scales import from_scale, holds, to_scale
from bench.vocabulary import Direction, Scale


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Conversion of the values of a column to losses on a scale g, and back.

    The loss is g(x) where lower is better, -g(x) where higher is better, and |g(x) - g(target)| for a target.

    Attributes:
        direction: Better end of the values.
        target: Best value where the direction is "target".
        scale: Scale g of the column.
    """

    direction: Direction
    target: float | None
    scale: Scale

    @classmethod
    def of(cls, direction: Direction, target: float | None, scale: Scale, values: Iterable[float]) -> Self:
        """Make the conversion for a column; "linear" where a value or the target is outside of the scale.

        Raises:
            ValueError: The direction is "none", or "target" without a target.
        """
        if direction == "none" or (direction == "target" and target is None):
            raise ValueError(f"Expected a direction with a best value, got {direction!r} with target {target}.")
        everything = [*values] if target is None else [*values, target]
        return cls(direction=direction, target=target, scale=scale if holds(everything, scale) else "linear")

    def loss(self, value: float) -> float:
        """Loss of a value, on the scale."""
        scaled = to_scale(value, self.scale)
        if self.direction == "target":
            assert self.target is not None
            return abs(scaled - to_scale(self.target, self.scale))
        return -scaled if self.direction == "higher" else scaled

    def of_seeds(self, row: Mapping[int, float]) -> dict[int, float]:
        """Losses of a row, by seed."""
        return {seed: self.loss(value) for seed, value in row.items()}

    def value(self, loss: float) -> float:
        """Value with a loss; of the two around a target the larger."""
        if self.direction == "target":
            assert self.target is not None
            return from_scale(to_scale(self.target, self.scale) + loss, self.scale)
        return from_scale(-loss if self.direction == "higher" else loss, self.scale)

    def in_unit(self, loss: float) -> float:
        """Loss in the unit of the values: x, -x or the distance from the target."""
        value = self.value(loss)
        if self.direction == "target":
            assert self.target is not None
            return value - self.target
        return -value if self.direction == "higher" else value

    def difference(self, loss: float, more: float) -> float:
        """Difference in the unit of the values between a loss and one that is larger by `more` on the scale."""
        if self.scale == "linear":
            return more
        return self.in_unit(loss + more) - self.in_unit(loss)

    def from_unit(self, loss: float) -> float:
        """Inverse of `in_unit`; at the end of a bounded scale the end."""
        if self.direction == "target":
            assert self.target is not None
            return self.loss(self.target + loss)
        value = -loss if self.direction == "higher" else loss
        if self.scale == "arcsine":
            value = min(max(value, 0.0), 1.0)
        elif self.scale == "log" and value <= 0:
            return -math.inf if self.direction == "lower" else math.inf
        return self.loss(value)
