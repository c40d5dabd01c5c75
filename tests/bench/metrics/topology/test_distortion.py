import numpy as np
import pytest

from bench.metrics.topology.distortion import adjacent_pairs, code_distances, distortion_ratio


def lattice(*sides):
    return np.stack(np.meshgrid(*(np.arange(side) for side in sides), indexing="ij"), axis=-1).reshape(-1, len(sides))


@pytest.mark.parametrize(("side", "expected"), [(8, 0.238), (16, 0.120), (32, 0.060)])
def test_flat_grid_distortion_falls_by_arithmetic(side, expected):
    positions = lattice(side, side)
    actual = code_distances(positions, positions)
    assert actual.adjacent / actual.mean == pytest.approx(expected, abs=5e-4)
    assert actual.adjacent / actual.largest == pytest.approx(1 / np.hypot(side - 1, side - 1))


@pytest.mark.parametrize("sides", [(7,), (5, 4), (3, 4, 2), (8, 5, 5, 5)])
def test_perfect_flat_grid_has_ratio_one(sides):
    positions = lattice(*sides)
    assert distortion_ratio(2.5 * positions - 1.0, positions) == pytest.approx(1.0)
    some = np.random.default_rng(0).permutation(len(positions))[: len(positions) * 2 // 3]
    assert distortion_ratio(2.5 * positions[some], positions[some]) == pytest.approx(1.0)


@pytest.mark.parametrize("sides", [(6,), (5, 4), (3, 4, 2)])
def test_adjacent_pairs_equal_brute_force(sides):
    positions = np.random.default_rng(0).permutation(lattice(*sides))[: np.prod(sides) - 2] - 3
    apart = np.abs(positions[:, None] - positions).sum(axis=2)
    expected = {frozenset(pair) for pair in np.argwhere(apart == 1).tolist()}
    actual = adjacent_pairs(positions)
    assert {frozenset(pair) for pair in actual.tolist()} == expected
    assert len(actual) == len(expected)


def test_shared_positions_are_refused():
    with pytest.raises(ValueError, match="3 codes on 2 positions"):
        adjacent_pairs(np.array([[0, 0], [1, 0], [0, 0]]))


def test_ratio_is_blank_without_two_adjacent_pairs():
    assert distortion_ratio(np.eye(3), np.array([[0], [1], [5]])) is None
    assert distortion_ratio(np.eye(2), np.array([[0], [5]])) is None
    assert distortion_ratio(np.zeros((3, 2)), np.array([[0], [1], [2]])) is None
