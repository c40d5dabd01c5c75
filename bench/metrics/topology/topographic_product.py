"""Topographic product: agreement of the dimensions of the lattice with those of the codes."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from torch import Tensor

from bench.metrics.arguments import Floats
from bench.metrics.base import Effect, Trained
from bench.metrics.registry import register
from bench.metrics.topology.distortion import codes_on_lattice

_BLOCK_BYTES = 64 * 2**20


def topographic_product(vectors: ArrayLike | Tensor, positions: ArrayLike | Tensor) -> float | None:
    """Bauer and Pawelzik's topographic product of the used codes, in (-inf, inf), 0 where all neighbourhoods agree.

    Bauer and Pawelzik (1992), "Quantifying the neighborhood preservation of self-organizing feature maps". With n_l(j)
    the l-th nearest code of j in code space (V) or on the lattice (A), and distances Euclidean in both:

        Q1(j, l) = d_V(j, n_l^A(j)) / d_V(j, n_l^V(j))      Q2(j, l) = d_A(j, n_l^A(j)) / d_A(j, n_l^V(j))
        P = 1 / (U (U - 1)) * sum_j sum_k log (prod_{l <= k} Q1(j, l) Q2(j, l))^(1 / (2k))

    Below 0 the lattice has too few dimensions for the codes, above 0 too many. It tells dimensions, not order: swapping
    the two spaces turns its sign, so a shuffled lattice in a space like its own reads about 0, too (`grid_correlation`
    tells order). Codes that coincide with another are all left out, their Q being undefined. Equal lattice distances
    are ordered by code distance, and equal code distances by lattice distance, so the numbering of the codes does not
    matter.

    Args:
        vectors: (U, C) vectors of the used codes.
        positions: (U, g) their distinct lattice positions.

    Returns:
        The product, or None with fewer than three codes that differ.

    Raises:
        ValueError: Shapes do not fit, values are not finite, or positions are not whole or not distinct.

    Time O(U^2 log U); memory one block of rows. Codes at 0, 3 and 1 sit at 0, 1 and 2 on a line. Only code 0 sees other
    neighbours on the line than in space: its nearest give Q1 Q2 = (3 / 1) (1 / 2), both together give 1; code 2 swaps
    its neighbours at no cost, (2 / 1) (1 / 2). So P = (log 1.5) / 2 / (3 * 2):

    >>> round(topographic_product([[0.0], [3.0], [1.0]], [[0], [1], [2]]), 6)
    0.033789
    """
    values, places = _checked(vectors, positions)
    if len(np.unique(places, axis=0)) < len(places):
        raise ValueError(f"expected distinct positions, got some of {len(places)} codes on one position")
    _, group, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    alone = counts[group.reshape(-1)] == 1
    values, places = values[alone], places[alone]
    codes = len(values)
    if codes < 3:
        return None
    # log Q(l) is met in every k >= l, each time with 1 / (2k); another half since distances are squared.
    orders = np.arange(1, codes)
    weights = np.cumsum((0.25 / orders)[::-1])[::-1]
    total = 0.0
    block = max(1, _BLOCK_BYTES // (64 * codes))
    for start in range(0, codes, block):
        rows = np.arange(start, min(start + block, codes))
        in_space = cdist(values[rows], values, "sqeuclidean")
        on_lattice = cdist(places[rows], places, "sqeuclidean")
        in_space[np.arange(len(rows)), rows] = on_lattice[np.arange(len(rows)), rows] = -1.0  # sorted first, then left
        by_lattice = np.lexsort((in_space, on_lattice))[:, 1:]
        by_space = np.lexsort((on_lattice, in_space))[:, 1:]
        for distance in (in_space, on_lattice):
            near_lattice = np.take_along_axis(distance, by_lattice, axis=1)
            near_space = np.take_along_axis(distance, by_space, axis=1)
            total += float(((np.log(near_lattice) - np.log(near_space)) @ weights).sum())
    return total / (codes * (codes - 1))


def _checked(vectors: ArrayLike | Tensor, positions: ArrayLike | Tensor) -> tuple[Floats, Floats]:
    """Both as float64, which holds squared lattice distances exactly."""
    values, places = codes_on_lattice(vectors, positions)
    return values, places.astype(np.float64)


@register(
    "topographic_product",
    direction="target",
    effect=Effect(0.01),
    summary="Bauer and Pawelzik's: below 0 the lattice has too few dimensions, above 0 too many; (-inf, inf)",
    needs=("positions",),
    target=0.0,
)
def _topographic_product(trained: Trained) -> float | None:
    if trained.positions is None:
        return None
    return topographic_product(trained.codebook[trained.used], trained.positions[trained.used])
