"""Distortion: distance in code space of codes that are neighbours on the lattice."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from bench.metrics.arguments import Floats, Integers, lattice, numbers
from bench.metrics.base import ON_GRID, Effect, Trained
from bench.metrics.registry import register
from bench.metrics.topology.pairs import pair_blocks


@dataclass(frozen=True, kw_only=True)
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
    return Distances(
        adjacent=float(adjacent.mean()),
        mean=total / (len(values) * (len(values) - 1) / 2),
        largest=largest,
        pairs=len(pairs),
    )


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


def _all_distances(trained: Trained) -> Distances | None:
    positions = trained.positions
    if positions is None:
        return None
    return trained.shared(("code distances", ON_GRID), lambda: code_distances(trained.codebook, positions))


@register(
    "distortion",
    direction="lower",
    scale="log",
    summary="mean distance of lattice neighbours / mean distance of all code pairs, all codes; [0, inf)",
    needs=("positions",),
)
def _distortion(trained: Trained) -> float | None:
    distances = _all_distances(trained)
    return None if distances is None or distances.mean == 0.0 else distances.adjacent / distances.mean


@register(
    "distortion_max",
    direction="lower",
    scale="log",
    summary="mean distance of lattice neighbours / largest distance of a code pair, all codes; [0, 1]",
    needs=("positions",),
)
def _distortion_max(trained: Trained) -> float | None:
    distances = _all_distances(trained)
    return None if distances is None or distances.largest == 0.0 else distances.adjacent / distances.largest


@register(
    "distortion_ratio",
    direction="target",
    scale="log",
    effect=Effect(0.1),
    summary="distortion over used codes / the same ratio of their positions; [0, inf), 1 for a flat grid",
    needs=("positions",),
    target=1.0,
)
def _distortion_ratio(trained: Trained) -> float | None:
    if trained.positions is None:
        return None
    return distortion_ratio(trained.codebook[trained.used], trained.positions[trained.used])
