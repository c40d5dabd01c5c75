"""Error of a forecast of the next frame by way of tokens, in the units of the data."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bench.metrics.base import Trained, as_array
from bench.metrics.learnability.perplexity import CONVERGED, converged_reader
from bench.metrics.reconstruction import mean_point_error
from bench.metrics.registry import register

Floats = NDArray[np.float64]


def relative_forecast_error(actual: Floats, foretold: Floats, points: NDArray[np.int64]) -> float | None:
    """Error of foretold next frames / error of repeating the present frame, in [0, inf); 1 is no better than that.

    Both errors are mean Euclidean distances over frames and spatial points, as in `error_units`. What is repeated is
    the true frame, not its reconstruction: so the denominator is the data's alone, and values compare across alphabets.

    Args:
        actual: (n, time, F) true frames in data units.
        foretold: (n, time - 1, F) the frame foretold for place t + 1 from places 0 .. t.
        points: (P, c) indices of the features that form one point each.

    Returns:
        The ratio, or None where nothing moves.

    A point at 0, 2, 4 moves by 2 each frame; foretold at 1 and 4 it is off by 1 and 0, 0.5 on average:

    >>> actual, foretold = np.array([[[0.0], [2.0], [4.0]]]), np.array([[[1.0], [4.0]]])
    >>> relative_forecast_error(actual, foretold, np.array([[0]]))
    0.25
    """
    still = mean_point_error(actual[:, 1:], actual[:, :-1], points)
    return mean_point_error(actual[:, 1:], foretold, points) / still if still > 0.0 else None


@register(
    "forecast_error",
    direction="lower",
    scale="log",
    summary="error in data units of the next frame decoded from the converged reader's likeliest next token / that of "
    "repeating the present true frame; [0, inf)",
    readers=(CONVERGED,),
)
def _forecast_error(trained: Trained) -> float | None:
    """The frame foretold is decoded from the converged reader's likeliest next token, given all true tokens so far.

    Of several indices the likeliest of each is taken in turn, given those before it.

    The true frame is the data's before PCA, so what the tokenizer and the PCA lost counts.
    """
    reader, _ = converged_reader(trained)
    transform = trained.data.transform

    def in_units(frames: Tensor) -> Floats:
        """In data units, but without the mean, beside which a difference might be lost."""
        return transform.expand(as_array(frames)) * transform.scale

    actual = trained.data.standardised["test"].astype(np.float64) * transform.scale
    likeliest = reader.most_likely(trained.tokens["test"])
    if trained.decode is None:
        foretold = in_units(trained.prototypes)[as_array(likeliest)]
    else:
        foretold = in_units(trained.decode(likeliest.flatten(0, 1))).reshape(*likeliest.shape[:2], -1)
    return relative_forecast_error(actual, foretold, trained.data.points)
