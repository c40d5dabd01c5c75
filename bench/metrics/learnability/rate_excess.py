"""Cost of a quality in bits, against plain vector quantization at that quality."""

from collections.abc import Sequence

import numpy as np

from bench.metrics.arguments import numbers
from bench.metrics.base import Effect, Metric
from bench.metrics.registry import add

_EXACT = 1e-12  # distortion that counts as none


def rate_excess(explained: float, bits: float, curve: Sequence[tuple[float, float]]) -> float | None:
    """Bits a frame above plain VQ's at equal explained variance, in (-inf, inf); below 0 is cheaper than VQ.

    Fewer codes in use lower the bits and the explained variance alike, so they alone win nothing. Between two points of
    the curve bits are linear in log(1 - explained), as they are in log distortion at high rates (Shannon 1959);
    a chord in `explained` itself would lie above such a curve.

    Args:
        explained: Explained variance of the tokenizer.
        bits: Bits per frame of the tokenizer.
        curve: (explained variance, bits) of plain VQ at several codebook sizes, on the same data.

    Returns:
        The difference, or None outside the curve or where it has fewer than two points.

    Raises:
        ValueError: A value is not finite, or the curve is none of pairs.

    Plain VQ leaves .16 for 2 bits and .04 for 4, so .08, the geometric mean, for 3:

    >>> round(rate_excess(0.92, 2.5, [(0.96, 4.0), (0.84, 2.0)]), 6)
    -0.5
    """
    if isinstance(curve, Sequence) and not curve:
        return None
    explained, bits = numbers("explained", explained).item(), numbers("bits", bits).item()
    points = numbers("curve", curve)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"expected curve (n, 2), got {points.shape}")
    points = points[np.lexsort((points[:, 1], points[:, 0]))]
    if len(points) < 2 or not points[0, 0] <= explained <= points[-1, 0]:
        return None
    places = -np.log(np.maximum(1.0 - np.append(points[:, 0], explained), _EXACT))
    return bits - float(np.interp(places[-1], places[:-1], points[:, 1]))


add(
    Metric(
        "rate_excess",
        None,
        "lower",
        "bits_per_frame - that of plain VQ at equal explained variance, interpolated over its K (K/4, K/2, K, 2K) of "
        "the same seed; (-inf, inf), blank outside that curve or without one, 0 by construction for a VQ on it",
        effect=Effect(0.05),
    )
)
