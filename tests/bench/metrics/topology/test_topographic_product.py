import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import grid_correlation, topographic_product
from bench.metrics.topology.distortion import distortion_ratio
from bench.metrics.topology.grid_step import grid_step


def lattice(*sides):
    return np.stack(np.meshgrid(*(np.arange(side) for side in sides), indexing="ij"), axis=-1).reshape(-1, len(sides))


def bent(seed, *sides, width=3):
    """A lattice folded into `width` dimensions, with noise."""
    generator = np.random.default_rng(seed)
    positions = lattice(*sides)
    mixed = positions @ generator.normal(size=(len(sides), width))
    return np.sin(mixed / 2) + 0.1 * generator.normal(size=(len(positions), width)), positions


def by_formula(vectors, positions):
    """The topographic product as it is printed: no ties may decide anything."""
    codes = len(vectors)
    total = 0.0
    for j in range(codes):
        others = [i for i in range(codes) if i != j]
        space = {i: math.dist(vectors[j], vectors[i]) for i in others}
        grid = {i: math.dist(positions[j], positions[i]) for i in others}
        in_space = sorted(others, key=lambda i: (space[i], grid[i]))
        on_grid = sorted(others, key=lambda i: (grid[i], space[i]))
        product = 1.0
        for k, (near_grid, near_space) in enumerate(zip(on_grid, in_space, strict=True), start=1):
            product *= space[near_grid] / space[near_space] * grid[near_grid] / grid[near_space]
            total += math.log(product ** (1 / (2 * k)))
    return total / (codes * (codes - 1))


@pytest.mark.parametrize("sides", [(9,), (5, 4), (3, 2, 3)])
def test_topographic_product_equals_its_formula(sides):
    vectors, positions = bent(0, *sides)
    actual = topographic_product(vectors, positions)
    assert actual == pytest.approx(by_formula(vectors, positions), rel=1e-9)
    assert abs(actual) > 1e-3


@pytest.mark.parametrize("sides", [(7,), (5, 4), (3, 4, 2)])
def test_perfect_flat_grid(sides):
    positions = lattice(*sides)
    vectors = 2.5 * positions - 1.0
    assert topographic_product(vectors, positions) == pytest.approx(0.0, abs=1e-12)
    assert grid_correlation(vectors, positions) == pytest.approx(1.0)
    assert distortion_ratio(vectors, positions) == pytest.approx(1.0)
    shuffled = np.random.default_rng(0).permutation(positions)
    assert abs(topographic_product(vectors, shuffled)) > 1e-4
    assert abs(grid_correlation(vectors, shuffled)) < 0.4
    assert distortion_ratio(vectors, shuffled) > 1.2


def test_the_sign_tells_a_lattice_of_too_few_or_too_many_dimensions():
    side = np.arange(64)
    snake = np.where(side // 8 % 2, 7 - side % 8, side % 8)
    plane = np.stack([side // 8, snake], axis=1)
    assert topographic_product(plane, side[:, None]) < -0.01  # a line through a square
    assert topographic_product(side[:, None], plane) > 0.01


def test_the_two_spaces_have_opposite_signs():
    # So a shuffled lattice in a space like its own reads as much below 0 as above: about 0 on average.
    shuffled, positions = np.random.default_rng(0).permutation(lattice(6, 5)), lattice(6, 5)
    actual = topographic_product(shuffled, positions)
    assert abs(actual) > 1e-4
    assert topographic_product(positions, shuffled) == pytest.approx(-actual)


def test_coincident_codes_are_all_left_out():
    vectors, positions = bent(1, 5, 4)
    doubled = np.concatenate([vectors, vectors[:3]])
    places = np.concatenate([positions, positions[:3] + np.array([10, 0])])
    assert topographic_product(doubled, places) == pytest.approx(topographic_product(vectors[3:], positions[3:]))


def test_blank_where_nothing_can_be_told():
    assert topographic_product([[0.0], [1.0]], [[0], [1]]) is None
    assert topographic_product(np.zeros((5, 2)), np.arange(5)[:, None]) is None
    assert grid_correlation([[0.0], [1.0]], [[0], [1]]) is None
    assert grid_correlation(np.zeros((5, 2)), np.arange(5)[:, None]) is None
    # The corners of a regular triangle: code distances differ, lattice distances do not.
    assert grid_correlation([[0.0], [1.0], [3.0]], [[0, 0, 1], [0, 1, 0], [1, 0, 0]]) is None
    assert grid_step([[3, 3, 3], [1, 1, 1]], np.arange(4)[:, None]) is None


def test_refuses_positions_of_other_codes():
    for metric in (topographic_product, grid_correlation):
        with pytest.raises(ValueError, match=r"got \(3, 2\) and \(4, 1\)"):
            metric(np.zeros((3, 2)), np.zeros((4, 1)))


def test_blocks_change_nothing(monkeypatch):
    vectors, positions = bent(3, 6, 5)
    whole = topographic_product(vectors, positions)
    monkeypatch.setattr("bench.metrics.topology.topographic_product._BLOCK_BYTES", 64 * 30 * 7)
    assert topographic_product(vectors, positions) == pytest.approx(whole, rel=1e-12)


def test_takes_tensors():
    vectors, positions = bent(4, 4, 4)
    tensors = torch.from_numpy(vectors).requires_grad_(), torch.from_numpy(positions)
    assert topographic_product(*tensors) == topographic_product(vectors, positions)
    assert grid_correlation(*tensors) == grid_correlation(vectors, positions)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), sides=st.sampled_from([(11,), (4, 4), (6, 3), (3, 2, 2)]))
def test_invariants(seed, sides):
    generator = np.random.default_rng(seed)
    vectors, positions = bent(seed, *sides)
    codes = len(positions)
    tokens = generator.integers(codes, size=(5, 30))
    order, rows = generator.permutation(codes), generator.permutation(5)
    renumber = np.argsort(order)  # code order[i] becomes i
    axes = generator.permutation(len(sides))
    flip = np.where(generator.integers(2, size=len(sides)), -1, 1)

    def values(vectors, positions, tokens):
        return [
            topographic_product(vectors, positions),
            grid_correlation(vectors, positions),
            distortion_ratio(vectors, positions),
            grid_step(tokens, positions),
        ]

    expected = pytest.approx(values(vectors, positions, tokens), rel=1e-9, abs=1e-12)
    assert values(vectors, positions[:, axes] * flip + 3, tokens) == expected
    assert values(vectors[order], positions[order], renumber[tokens]) == expected
    assert values(7 * vectors, positions, tokens[rows][:, ::-1]) == expected


@pytest.mark.slow
def test_large_codebooks_stay_within_memory():
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    vectors, positions = bent(0, 64, 64)
    assert topographic_product(vectors, positions) is not None
    assert grid_correlation(vectors, positions) is not None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000  # kB
