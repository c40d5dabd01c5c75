"""z-scores that depend neither on the data's origin nor on their unit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

ROUNDING = 2.0**-50
_DIGITS = 24  # bits of a mean below its feature's deviation


@dataclass(frozen=True)
class Scaling:
    """Data units -> z-scores, fitted on training frames.

    A feature that does not vary in training has no unit to be measured in: its scale is 0 and its z-score 0 everywhere,
    also where it varies in other splits.

    Attributes:
        mean: (F,) float64, rounded to 2^-24 of the deviation. So few bits leave the difference between a number and the
            mean exact, and the z-scores of data that were moved by a constant are the same to the last bit.
        scale: (F,) float64 standard deviation; 0 for a feature that does not vary.

    >>> scaling = Scaling.fit(np.array([[1.0, 7.0], [3.0, 7.0]]))
    >>> scaling.apply(np.array([[5.0, 8.0]]))
    array([[3., 0.]], dtype=float32)
    """

    mean: Float
    scale: Float

    @classmethod
    def fit(cls, train: NDArray[Any], least_deviation: float = 0.0) -> "Scaling":
        """Fit mean and deviation of training frames (..., F).

        Args:
            train: (..., F) integers or floating-point numbers of any kind, all finite.
            least_deviation: Deviation in data units up to which a feature is noise and counts as constant.
        """
        frames = train.reshape(-1, train.shape[-1])
        wide = frames.astype(np.float64)
        origin = wide[0].copy()
        # What computing a constant in float64 leaves, whatever type it was stored in: the type decides no result.
        rounding = ROUNDING * np.abs(wide).max(axis=0)
        wide -= origin  # before anything is added up: a sum of numbers far from zero loses what they differ in
        reach = np.frexp(np.abs(wide).max(axis=0))[1]  # without it the squares of very small numbers would be 0
        deviation = np.ldexp(np.ldexp(wide, -reach).std(axis=0), reach)
        scale = np.where(deviation > np.maximum(rounding, least_deviation), deviation, 0.0)
        bit = np.ldexp(1.0, np.frexp(deviation)[1] - _DIGITS)
        return cls(origin + np.rint(wide.mean(axis=0) / bit) * bit, scale)

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Numbers (..., F) in data units -> z-scores (..., F)."""
        moved = values.astype(np.float64) - self.mean
        scores = np.divide(moved, self.scale, out=np.zeros_like(moved), where=self.scale > 0)
        return scores.astype(np.float32)

    def tile(self, times: int) -> "Scaling":
        """Scaling of frames that hold the features `times` in a row."""
        return Scaling(np.tile(self.mean, times), np.tile(self.scale, times))
