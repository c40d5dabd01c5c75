import itertools

import numpy as np
import pytest

from reports.figures.drawing.lattice import Lattice, neighbour_means


def full(*sides):
    return np.array(list(itertools.product(*map(range, sides))))


@pytest.mark.parametrize("sides", [(7,), (3, 4), (4, 3, 2), (2, 3, 2, 2), (3, 2, 2, 2, 2), (1, 5)])
def test_neighbours_are_one_step_apart(sides):
    positions = full(*sides)
    shuffled = np.random.default_rng(0).permutation(positions)
    lattice = Lattice.of(shuffled)
    by_hand = {
        frozenset((i, j))
        for i, j in itertools.combinations(range(len(shuffled)), 2)
        if np.abs(shuffled[i] - shuffled[j]).sum() == 1
    }
    actual = [frozenset(pair) for pair in lattice.pairs().tolist()]
    assert len(actual) == len(set(actual))
    assert set(actual) == by_hand


@pytest.mark.parametrize("sides", [(7,), (3, 4), (4, 3, 2), (2, 3, 2, 2), (3, 2, 2, 2, 2), (2, 2, 2, 2, 2, 2)])
def test_no_two_codes_share_a_cell_and_slices_keep_their_neighbours(sides):
    lattice = Lattice.of(full(*sides))
    cells = {tuple(cell) for cell in lattice.cells.tolist()}
    assert len(cells) == len(lattice.positions)
    assert lattice.cells.min() == 0
    assert tuple(lattice.cells.max(axis=0) + 1) == lattice.shape
    assert len(lattice.corners) == np.prod(sides[2:])
    for first, second in lattice.pairs().tolist():
        step = np.abs(lattice.positions[first] - lattice.positions[second])
        apart = np.abs(lattice.cells[first] - lattice.cells[second]).sum()
        within = len(sides) == 1 or step[:2].sum() == 1
        assert (apart == 1) == within


def test_a_lattice_of_three_axes_has_slices_side_by_side():
    lattice = Lattice.of(full(2, 3, 2))
    assert lattice.shape == (2, 7)  # 3 columns, a gap, 3 columns
    assert lattice.corners.tolist() == [[0, 0], [0, 4]]
    paper = lattice.image(np.arange(12.0))
    assert np.isnan(paper[:, 3]).all()
    assert paper[1, 4] == 7.0  # of (1, 0, 1)


def test_holes_and_offsets():
    lattice = Lattice.of(np.array([[5, -1], [5, 0], [7, 0]]))
    assert lattice.sides == (3, 2)
    assert lattice.pairs().tolist() == [[0, 1]]
    assert neighbour_means(lattice, np.array([4.0])).tolist()[:2] == [4.0, 4.0]
    assert np.isnan(neighbour_means(lattice, np.array([4.0]))[2])


def test_means_over_neighbours_by_hand():
    lattice = Lattice.of(full(1, 3))
    assert lattice.pairs().tolist() == [[0, 1], [1, 2]]
    assert neighbour_means(lattice, np.array([2.0, 6.0])).tolist() == [2.0, 4.0, 6.0]


def test_what_cannot_be_drawn_is_none():
    assert Lattice.of(None) is None
    assert Lattice.of(np.array([[0, 0], [10**6, 10**6]])) is None
    assert Lattice.of(np.zeros((0, 2), dtype=np.int64)) is None
