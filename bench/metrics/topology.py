"""How a lattice as a whole lies in code space, and how far tokens step on it."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from torch import Tensor

from bench.metrics.arguments import Floats, indices, lattice
from bench.metrics.base import Metric, Trained
from bench.metrics.grid import codes_on_lattice
from bench.metrics.pairs import mean_distance, pair_blocks, spearman

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
        in_space, on_lattice = (cdist(each[rows], each, "sqeuclidean") for each in (values, places))
        in_space[np.arange(len(rows)), rows] = on_lattice[np.arange(len(rows)), rows] = -1.0  # sorted first, then left
        by_lattice = np.lexsort((in_space, on_lattice))[:, 1:]
        by_space = np.lexsort((on_lattice, in_space))[:, 1:]
        for distance in (in_space, on_lattice):
            near_lattice, near_space = (np.take_along_axis(distance, each, axis=1) for each in (by_lattice, by_space))
            total += float(((np.log(near_lattice) - np.log(near_space)) @ weights).sum())
    return total / (codes * (codes - 1))


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


def grid_step(tokens: ArrayLike | Tensor, positions: ArrayLike | Tensor) -> float | None:
    """Mean Euclidean lattice distance of steps to another code / that of all pairs of used positions, in [0, inf).

    1 where tokens jump as if their order did not matter; the smaller, the more they walk connected paths (the claim of
    SOM-VQ, arXiv 2602.21133). Steps that stay on a code do not count.

    Args:
        tokens: (n, time) codes.
        positions: (K, g) lattice positions.

    Returns:
        The ratio, or None where no sequence ever leaves its first code, or all used codes share one position.

    Raises:
        ValueError: Shapes do not fit, a code is out of range or positions are not whole.

    Codes at 0, 1 and 3 on a line: the steps 0 to 1 and 1 to 3 are 1 and 2 long, the three pairs 1, 3 and 2:

    >>> grid_step([[0, 1, 1, 2]], [[0], [1], [3]])
    0.75
    """
    places = lattice("positions", positions).astype(np.float64)
    codes = indices("tokens", tokens, len(places) if places.ndim else 0)
    if codes.ndim != 2 or places.ndim != 2:
        raise ValueError(f"expected tokens (n, time) and positions (K, g), got {codes.shape} and {places.shape}")
    here, following = codes[:, :-1].ravel(), codes[:, 1:].ravel()
    moved = here != following
    if not moved.any():
        return None
    steps = np.linalg.norm(places[here[moved]] - places[following[moved]], axis=1)
    usual = mean_distance(places[np.unique(codes)])
    return float(steps.mean()) / usual if usual > 0.0 else None


def _checked(vectors: ArrayLike | Tensor, positions: ArrayLike | Tensor) -> tuple[Floats, Floats]:
    """Both as float64, which holds squared lattice distances exactly."""
    values, places = codes_on_lattice(vectors, positions)
    return values, places.astype(np.float64)


def _topographic_product(trained: Trained) -> float | None:
    if trained.positions is None:
        return None
    return topographic_product(trained.codebook[trained.used], trained.positions[trained.used])


def _grid_correlation(trained: Trained) -> float | None:
    if trained.positions is None:
        return None
    return grid_correlation(trained.codebook[trained.used], trained.positions[trained.used])


def _grid_step(trained: Trained) -> float | None:
    return None if trained.positions is None else grid_step(trained.tokens["test"], trained.positions)


_NEEDS = ("positions",)
METRICS = (
    Metric(
        "topographic_product",
        _topographic_product,
        "target",
        "Bauer and Pawelzik's: below 0 the lattice has too few dimensions, above 0 too many; (-inf, inf)",
        _NEEDS,
        target=0.0,
    ),
    Metric(
        "grid_correlation",
        _grid_correlation,
        "higher",
        "Spearman correlation of code and lattice distance over pairs of used codes; [-1, 1]",
        _NEEDS,
    ),
    Metric(
        "grid_step",
        _grid_step,
        "lower",
        "mean lattice distance of steps to another code / that of all pairs of used positions; [0, inf)",
        _NEEDS,
    ),
)
