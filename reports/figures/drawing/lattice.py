"""A lattice of codes of any dimension, laid out on paper, slice beside slice."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
LARGEST = 1 << 18  # cells: more cannot be seen, and a plug-in may place its codes anywhere


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """Codes on a lattice.

    The first two axes are the rows and columns of a slice. Of the others the third sets slices side by side, the
    fourth one below the other, the fifth such blocks side by side, and so on; gaps widen with the level.

    Attributes:
        positions: (K, g) place of each code, counted from 0 along every axis.
        sides: Places along each axis.
        cells: (K, 2) row and column of each code on paper.
        shape: Rows and columns of the paper.
        corners: (slices, 2) row and column of the first cell of each slice.
    """

    positions: Integers
    sides: tuple[int, ...]
    cells: Integers
    shape: tuple[int, int]
    corners: Integers

    @classmethod
    def of(cls, positions: NDArray[np.integer] | None) -> "Lattice | None":
        """Make a lattice of positions (K, g); None where there are none or they lie too far apart to be drawn."""
        if positions is None or positions.ndim != 2 or 0 in positions.shape:
            return None
        from_zero = positions.astype(np.int64) - positions.min(axis=0).astype(np.int64)
        sides = tuple((from_zero.max(axis=0) + 1).tolist())
        if math.prod(sides) > LARGEST:
            return None
        cells, shape = _lay_out(from_zero, sides)
        first = (1,) * min(len(sides), 2)
        slices = np.indices((*first, *sides[2:])).reshape(len(sides), -1).T
        return cls(positions=from_zero, sides=sides, cells=cells, shape=shape, corners=_lay_out(slices, sides)[0])

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Rows and columns of a slice; a line of codes is one row."""
        return (1, self.sides[0]) if len(self.sides) == 1 else (self.sides[0], self.sides[1])

    def image(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Values of codes (K,) -> paper (rows, columns), NaN where no code lies."""
        paper = np.full(self.shape, np.nan)
        paper[self.cells[:, 0], self.cells[:, 1]] = values
        return paper

    def pairs(self) -> Integers:
        """(pairs, 2) codes that are neighbours: one step apart along one axis."""
        numbers = np.ravel_multi_index(tuple(self.positions.T), self.sides)
        order = np.argsort(numbers, kind="stable")
        pairs = []
        for axis, side in enumerate(self.sides):
            first = np.flatnonzero(self.positions[:, axis] < side - 1)
            wanted = numbers[first] + math.prod(self.sides[axis + 1 :])
            place = np.searchsorted(numbers[order], wanted).clip(max=len(order) - 1)
            there = numbers[order][place] == wanted
            pairs.append(np.stack([first[there], order[place[there]]], axis=1))
        return np.concatenate(pairs).astype(np.int64)


def _lay_out(positions: Integers, sides: tuple[int, ...]) -> tuple[Integers, tuple[int, int]]:
    """(n, g) positions -> (n, 2) cells, and the shape of the paper."""
    if len(sides) == 1:
        return np.stack([np.zeros_like(positions[:, 0]), positions[:, 0]], axis=1), (1, sides[0])
    cells = positions[:, :2].copy()
    shape = [sides[0], sides[1]]
    for axis in range(2, len(sides)):
        along, gap = 1 - axis % 2, axis // 2
        cells[:, along] += positions[:, axis] * (shape[along] + gap)
        shape[along] = sides[axis] * (shape[along] + gap) - gap
    return cells, (shape[0], shape[1])


def neighbour_means(lattice: Lattice, distances: NDArray[np.floating]) -> NDArray[np.float64]:
    """(K,) mean of the distances (pairs,) of each code to its neighbours; NaN without any."""
    ends = lattice.pairs().T.reshape(-1)
    count = np.bincount(ends, minlength=len(lattice.positions))
    total = np.bincount(ends, weights=np.tile(distances, 2), minlength=len(lattice.positions))
    means: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means
