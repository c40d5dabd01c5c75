"""Rank correlation of code distances and lattice distances."""

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from bench.metrics.base import Effect, Trained
from bench.metrics.registry import register
from bench.metrics.topology.pairs import pair_blocks, spearman
from bench.metrics.topology.topographic_product import _checked


def grid_correlation(vectors: ArrayLike | Tensor, positions: ArrayLike | Tensor) -> float | None:
    """Spearman correlation of code distance and Euclidean lattice distance over pairs i < j, in [-1, 1].

    Equal distances share their average rank (Spearman 1904; Kendall's correction for ties). Code distances are rounded
    to a millionth of the largest: code vectors are float32, whose own rounding would rank equal steps at random.

    Args:
        vectors: (U, C) vectors of the used codes.
        positions: (U, g) their lattice positions.

    Returns:
        The correlation, or None where either distance is the same for every pair.

    Raises:
        ValueError: Shapes do not fit, values are not finite or positions are not whole.

    Time O(U^2 log U); memory one block of pairs. Codes at 0, 3 and 1 sit at 0, 1 and 2 on a line: the pairs have code
    distances 3, 1, 2 and lattice distances 1, 2, 1, ranks (3, 1, 2) and (1.5, 3, 1.5), so the correlation is
    -1.5 / sqrt(2 * 1.5):

    >>> round(grid_correlation([[0.0], [3.0], [1.0]], [[0], [1], [2]]), 6)
    -0.866025
    """
    values, places = _checked(vectors, positions)
    if len(values) < 3:
        return None
    largest = max(float(block.max()) for block in pair_blocks(values))
    if largest == 0.0:
        return None
    # Squared lattice distances are exact integers and rank like the distances: ties stay ties.
    return spearman(
        lambda: (np.rint(block / largest * 1e6) for block in pair_blocks(values)),
        lambda: pair_blocks(places, "sqeuclidean"),
    )


@register(
    "grid_correlation",
    direction="higher",
    effect=Effect(0.05),
    summary="Spearman correlation of code and lattice distance over pairs of used codes; [-1, 1]",
    needs=("positions",),
)
def _grid_correlation(trained: Trained) -> float | None:
    if trained.positions is None:
        return None
    return grid_correlation(trained.codebook[trained.used], trained.positions[trained.used])
