"""What a quality costs in bits, against plain vector quantization at that quality."""

from collections.abc import Sequence

import numpy as np

from bench.metrics.base import Metric


def rate_excess(explained: float, bits: float, curve: Sequence[tuple[float, float]]) -> float | None:
    """Bits a frame above plain VQ's at equal explained variance, in (-inf, inf); below 0 is cheaper than VQ.

    Fewer codes in use lower the bits and the explained variance alike, so they alone win nothing.

    Args:
        explained: Explained variance of the tokenizer.
        bits: Its `bits_per_frame`.
        curve: (explained variance, bits) of plain VQ at several codebook sizes, on the same data; linear in between.

    Returns:
        The difference, or None outside the curve or where it has fewer than two points.

    Plain VQ pays 2 bits for .90 and 4 for .94, so 3 for .92:

    >>> round(rate_excess(0.92, 2.5, [(0.94, 4.0), (0.90, 2.0)]), 6)
    -0.5
    """
    points = np.array(sorted(curve))
    if len(points) < 2 or not points[0, 0] <= explained <= points[-1, 0]:
        return None
    return bits - float(np.interp(explained, points[:, 0], points[:, 1]))


METRICS = (
    Metric(
        "rate_excess",
        None,
        "lower",
        "bits_per_frame - that of plain VQ at equal explained variance, interpolated over its K (K/4, K/2, K, 2K) of "
        "the same seed; (-inf, inf), blank outside that curve or without one, 0 by construction for a VQ on it",
        ("curve of vq",),
    ),
)
