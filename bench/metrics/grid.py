"""Whether codes that are neighbours on the lattice are neighbours in space: distortion and topographic error."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bench.metrics.arguments import Floats, Integers, indices, lattice, numbers
from bench.metrics.base import ON_GRID, Metric, Trained
from bench.metrics.pairs import pair_blocks

_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Distances:
    """Mean Euclidean distances between codes: of lattice neighbours, of all pairs i < j, and the largest.

    Attributes:
        adjacent: Mean over the pairs at Manhattan lattice distance 1.
        mean: Mean over all pairs.
        largest: Largest of all pairs.
        pairs: Number of adjacent pairs.
    """

    adjacent: float
    mean: float
    largest: float
    pairs: int


def adjacent_pairs(positions: Integers) -> Integers:
    """(P, 2) indices of the codes at Manhattan lattice distance 1 (4 neighbours in 2-D), each pair once.

    Args:
        positions: (K, g) distinct lattice positions; the lattice need not be full.

    Raises:
        ValueError: Two codes share a position.

    >>> adjacent_pairs(np.array([[0, 0], [0, 1], [1, 1]])).tolist()
    [[1, 2], [0, 1]]
    """
    moved = positions - positions.min(axis=0)
    extent = moved.max(axis=0) + 2  # one empty cell an axis, so that a step off the lattice meets nobody
    if math.prod(extent.tolist()) >= 2**63:
        moved, extent = moved.astype(object), extent.astype(object)  # Python's integers do not wrap around
    strides = np.append(np.cumprod(extent[:0:-1])[::-1], extent[:1] // extent[:1])
    keys = moved @ strides
    order = np.argsort(keys)
    ordered = keys[order]
    if (ordered[1:] == ordered[:-1]).any():
        raise ValueError(f"expected distinct positions, got {len(keys)} codes on {len(np.unique(keys))} positions")
    pairs = []
    for stride in strides:
        place = np.searchsorted(ordered, keys + stride)
        first = np.flatnonzero(ordered[np.minimum(place, len(keys) - 1)] == keys + stride)
        pairs.append(np.stack([first, order[place[first]]], axis=1))
    return np.concatenate(pairs)


def code_distances(vectors: ArrayLike, positions: ArrayLike) -> Distances | None:
    """The distances that every distortion is a ratio of; None without two codes that are lattice neighbours.

    Args:
        vectors: (K, C) code vectors.
        positions: (K, g) their distinct lattice positions.

    Raises:
        ValueError: Shapes do not fit, values are not finite, or positions are not whole or not distinct.

    Time O(K^2 C); memory one block of pairs.

    >>> code_distances([[0.0], [1.0], [3.0]], [[0], [1], [2]])
    Distances(adjacent=1.5, mean=2.0, largest=3.0, pairs=2)
    """
    values, places = codes_on_lattice(vectors, positions)
    pairs = adjacent_pairs(places)
    if len(pairs) == 0:
        return None
    adjacent = np.linalg.norm(values[pairs[:, 0]] - values[pairs[:, 1]], axis=1)
    total = largest = 0.0
    for block in pair_blocks(values):
        total, largest = total + float(block.sum()), max(largest, float(block.max()))
    return Distances(float(adjacent.mean()), total / (len(values) * (len(values) - 1) / 2), largest, len(pairs))


def distortion_ratio(vectors: ArrayLike, positions: ArrayLike) -> float | None:
    """Adjacent / mean distance of the codes over the same ratio of their positions, in [0, inf), 1 for a flat grid.

    Args:
        vectors: (U, C) vectors of the used codes.
        positions: (U, g) their distinct lattice positions.

    Returns:
        The ratio, or None with fewer than two adjacent pairs or codes that all coincide.

    A line stretched evenly keeps the ratio 1; bent double, its ends meet:

    >>> distortion_ratio([[0.0], [2.0], [4.0]], [[0], [1], [2]])
    1.0
    >>> distortion_ratio([[0.0], [1.0], [0.0]], [[0], [1], [2]])  # (1 / (2 / 3)) / (1 / (4 / 3))
    2.0
    """
    codes, grid = code_distances(vectors, positions), code_distances(positions, positions)
    if codes is None or grid is None or codes.pairs < 2 or codes.mean == 0.0:
        return None
    return (codes.adjacent / codes.mean) / (grid.adjacent / grid.mean)


def codes_on_lattice(vectors: ArrayLike | Tensor, positions: ArrayLike | Tensor) -> tuple[Floats, Integers]:
    """Vectors (U, C) and lattice positions (U, g) of the same codes.

    Raises:
        ValueError: Shapes do not fit, values are not finite or positions are not whole.
    """
    values, places = numbers("vectors", vectors), lattice("positions", positions)
    if values.ndim != 2 or places.ndim != 2 or len(values) != len(places):
        raise ValueError(f"expected vectors (U, C) and positions (U, g), got {values.shape} and {places.shape}")
    return values, places


@torch.no_grad()
def topographic_error(
    points: ArrayLike | Tensor,
    vectors: ArrayLike | Tensor,
    positions: ArrayLike | Tensor,
    used: ArrayLike | Tensor | None = None,
) -> float:
    """Share of frames whose two nearest codes are not lattice neighbours (Chebyshev distance > 1), in [0, 1].

    Kiviluoto (1996), with the 8-neighbourhood in 2-D. Codes at exactly equal distance are ordered at random; the
    expected value is exact. 0 by construction for frames inside a full lattice that is its own codebook (FSQ).

    Args:
        points: (N, D) frames where the quantizer picks the nearest code.
        vectors: (K, D) codes in that space.
        positions: (K, g) lattice positions.
        used: (U,) indices of the codes that may be nearest; all by default.

    Raises:
        ValueError: Shapes do not fit, values are not finite, positions are not whole, an index is out of range, or
            fewer than two codes may be nearest.

    Codes at 0, 1 and 2 sit at 0, 2 and 1 on a line. 0.4 has the codes 0 and 1 nearest, two cells apart; 1.6 the codes
    2 and 1, neighbours. For 1.0 the second nearest is either, half an error:

    >>> topographic_error([[0.4], [1.6], [1.0]], [[0.0], [1.0], [2.0]], [[0], [2], [1]])
    0.5
    """
    frames, embedded, places = numbers("points", points), numbers("vectors", vectors), lattice("positions", positions)
    if frames.ndim != 2 or embedded.ndim != 2 or frames.shape[1] != embedded.shape[1]:
        raise ValueError(f"expected points (N, D) and vectors (K, D), got {frames.shape} and {embedded.shape}")
    if places.ndim != 2 or len(places) != len(embedded):
        raise ValueError(f"expected positions ({len(embedded)}, g), got {places.shape}")
    if used is not None:
        chosen = indices("used", used, len(embedded))
        if chosen.ndim != 1:
            raise ValueError(f"expected used (U,), got {chosen.shape}")
        chosen = np.unique(chosen)  # a code is not its own neighbour
        embedded, places = embedded[chosen], places[chosen]
    if len(embedded) < 2:
        raise ValueError(f"expected at least two codes that may be nearest, got {len(embedded)}")
    device = points.device if isinstance(points, Tensor) else torch.device("cpu")
    near = two_nearest(torch.tensor(frames, device=device), torch.tensor(embedded, device=device))
    return _share_apart(near, torch.tensor(places, device=device))


@dataclass(frozen=True)
class TwoNearest:
    """The two nearest codes of some frames: pairs (P, 2) of codes, and the weight (P,) of each, which sum to 1."""

    pairs: Tensor
    weight: Tensor


def two_nearest(points: Tensor, vectors: Tensor) -> TwoNearest:
    """For points (N, D) and codes (K, D); where the second nearest is tied, all pairs that it may be, equally."""
    vectors = vectors.double()
    pairs, weights = [], []
    for block in torch.split(points, max(1, _BLOCK_BYTES // (8 * len(vectors)))):
        # Direct differences: the matrix-product form would break exact ties by rounding.
        distance = torch.cdist(block.double(), vectors, compute_mode="donot_use_mm_for_euclid_dist")
        near = distance.topk(min(3, len(vectors)), largest=False)
        tied = torch.zeros(len(block), dtype=torch.bool, device=points.device)
        if len(vectors) > 2:
            tied = near.values[:, 1] == near.values[:, 2]
        pairs.append(near.indices[~tied, :2])
        weights.append(torch.ones(len(pairs[-1]), dtype=torch.float64, device=points.device))
        for possible in map(_possible_pairs, distance[tied]):
            pairs.append(possible)
            weights.append(torch.full_like(possible[:, 0], 1 / len(possible), dtype=torch.float64))
    return TwoNearest(torch.cat(pairs), torch.cat(weights) / len(points))


def _possible_pairs(distance: Tensor) -> Tensor:
    """(P, 2) pairs that may be the two nearest, where the second nearest is tied with others."""
    nearest = (distance == distance.min()).nonzero()[:, 0]
    if len(nearest) > 1:
        return torch.combinations(nearest)
    others = distance.index_fill(0, nearest, torch.inf)
    second = (others == others.min()).nonzero()[:, 0]
    return torch.stack([nearest.expand_as(second), second], dim=1)


def _share_apart(near: TwoNearest, positions: Tensor) -> float:
    first, second = positions[near.pairs[:, 0]], positions[near.pairs[:, 1]]
    return float(near.weight @ _apart(first, second).double())


def _apart(first: Tensor, second: Tensor) -> Tensor:
    """(N,) whether two positions (N, g) are more than one step apart on some axis."""
    return (first - second).abs().amax(dim=1) > 1


def _all_distances(trained: Trained) -> Distances | None:
    positions = trained.positions
    if positions is None:
        return None
    return trained.shared(("code distances", ON_GRID), lambda: code_distances(trained.codebook, positions))


def _distortion(trained: Trained) -> float | None:
    found = _all_distances(trained)
    return None if found is None or found.mean == 0.0 else found.adjacent / found.mean


def _distortion_max(trained: Trained) -> float | None:
    found = _all_distances(trained)
    return None if found is None or found.largest == 0.0 else found.adjacent / found.largest


def _distortion_ratio(trained: Trained) -> float | None:
    if trained.positions is None:
        return None
    return distortion_ratio(trained.codebook[trained.used], trained.positions[trained.used])


def _topographic_error(trained: Trained) -> float | None:
    if trained.positions is None or len(trained.used) < 2:
        return None
    near = trained.shared("two nearest", lambda: two_nearest(trained.latents, trained.latent_codebook[trained.used]))
    return _share_apart(near, trained.positions[trained.used])


_NEEDS = ("positions",)
METRICS = (
    Metric(
        "distortion",
        _distortion,
        "lower",
        "mean distance of lattice neighbours / mean distance of all code pairs, all codes; [0, inf)",
        _NEEDS,
    ),
    Metric(
        "distortion_max",
        _distortion_max,
        "lower",
        "mean distance of lattice neighbours / largest distance of a code pair, all codes; [0, 1]",
        _NEEDS,
    ),
    Metric(
        "distortion_ratio",
        _distortion_ratio,
        "target",
        "distortion over used codes / the same ratio of their positions; [0, inf), 1 for a flat grid",
        _NEEDS,
        target=1.0,
    ),
    Metric(
        "topographic_error",
        _topographic_error,
        "lower",
        "share of frames whose two nearest used codes are not lattice neighbours (Chebyshev > 1); [0, 1]",
        _NEEDS,
    ),
)
