"""Distances of all pairs of codes, a block at a time: for 65,536 codes they would take 17 GB."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

Floats = NDArray[np.float64]

_BLOCK_BYTES = 64 * 2**20


def pair_blocks(points: Floats, metric: Literal["euclidean", "sqeuclidean"] = "euclidean") -> Iterator[Floats]:
    """Distances of all pairs i < j of points (U, C), in blocks that depend on U alone."""
    rows = max(1, _BLOCK_BYTES // (8 * max(1, len(points))))
    for start in range(0, len(points), rows):
        block, later = points[start : start + rows], points[start + rows :]
        if len(block) > 1:
            yield pdist(block, metric)
        if len(later):
            yield cdist(block, later, metric).ravel()


def mean_distance(points: Floats) -> float:
    """Mean Euclidean distance of all pairs of at least two points (U, C)."""
    return sum(float(block.sum()) for block in pair_blocks(points)) / (len(points) * (len(points) - 1) / 2)


def spearman(first: Callable[[], Iterator[Floats]], second: Callable[[], Iterator[Floats]]) -> float | None:
    """Spearman correlation of values that come in blocks, the same places in both; None where either is constant.

    Equal values share their average rank. What is kept is each distinct value and how often it comes, so it is for
    values of which few are distinct. Both are called twice, for the same blocks.
    """
    first_ranks, second_ranks = _Ranks(first), _Ranks(second)
    blocks = zip(first_ranks.centred(), second_ranks.centred(), strict=True)
    products = sum(float(one @ other) for one, other in blocks)
    spread = float(np.sqrt(first_ranks.squares) * np.sqrt(second_ranks.squares))
    return float(np.clip(products / spread, -1.0, 1.0)) if spread > 0.0 else None


class _Ranks:
    """Average ranks of values in blocks."""

    def __init__(self, blocks: Callable[[], Iterator[Floats]]) -> None:
        self.blocks = blocks
        self.values: NDArray[Any] = np.empty(0)
        counts: NDArray[Any] = np.empty(0)
        for block in blocks():
            values, seen = np.unique(block, return_counts=True)
            both = np.concatenate([counts, seen])
            self.values, place = np.unique(np.concatenate([self.values, values]), return_inverse=True)
            counts = np.bincount(place, weights=both)
        after = counts.cumsum()
        self.ranks: Floats = after - (counts - 1) / 2 - (after[-1] + 1) / 2  # 0 in the middle
        self.squares = float(counts @ self.ranks**2)

    def centred(self) -> Iterator[Floats]:
        """The ranks of every block, less their mean."""
        for block in self.blocks():
            yield self.ranks[np.searchsorted(self.values, block)]
