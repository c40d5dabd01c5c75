import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantizers.grids import (
    exponential_smooth,
    gaussian_kernel,
    gaussian_smooth,
    geometric,
    grid_positions,
    grid_sides,
    hard_smooth,
    smooth,
    som_step,
)

SIDES = st.one_of(
    st.tuples(st.integers(1, 40)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
)
FLAT = st.one_of(st.tuples(st.integers(1, 40)), st.tuples(st.integers(1, 9), st.integers(1, 9)))


def places(sides: tuple[int, ...]) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(side) for side in sides)))


def distances(sides: tuple[int, ...]) -> np.ndarray:
    return np.array([[math.dist(a, b) for b in places(sides)] for a in places(sides)])


def per_code_values(codes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 5, size=(codes, 3)).astype(np.float32)


def test_sides_are_the_most_nearly_square() -> None:
    for codes in range(1, 300):
        rows, columns = grid_sides(codes)
        assert rows * columns == codes
        assert rows <= columns
        assert all(codes % side for side in range(rows + 1, math.isqrt(codes) + 1))
    assert grid_sides(1024) == (32, 32)
    assert grid_sides(2304) == (48, 48)
    assert grid_sides(512) == (16, 32)
    assert grid_sides(13) == (1, 13)
    assert grid_sides(64, 1) == (64,)
    for dimensions in (0, 4):
        with pytest.raises(ValueError, match=f"1 to 3 dimensions, got {dimensions}"):
            grid_sides(64, dimensions)


def test_cubic_grids_are_nearly_cubic() -> None:
    for codes in range(1, 200):
        sides = grid_sides(codes, 3)
        assert math.prod(sides) == codes
        assert sorted(sides) == list(sides)
    assert grid_sides(64, 3) == (4, 4, 4)
    assert grid_sides(256, 3) == (4, 8, 8)
    assert grid_sides(30, 3) == (2, 3, 5)
    assert grid_sides(7, 3) == (1, 1, 7)


@given(SIDES)
@settings(deadline=None, derandomize=True, max_examples=40)
def test_positions_count_with_the_last_coordinate_fastest(sides: tuple[int, ...]) -> None:
    positions = grid_positions(sides)
    assert positions.dtype == torch.int64
    assert [tuple(place) for place in positions.tolist()] == places(sides)


@given(SIDES, st.floats(0.05, 20))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_a_gaussian_axis_by_axis_is_the_dense_neighbourhood(sides: tuple[int, ...], sigma: float) -> None:
    values = per_code_values(math.prod(sides))
    dense = np.exp(-(distances(sides) ** 2) / (2 * sigma**2)) @ values.astype(float)
    got = gaussian_smooth(torch.from_numpy(values), sides, torch.tensor(sigma))
    np.testing.assert_allclose(got.numpy(), dense, rtol=1e-5, atol=1e-5)


@given(SIDES, st.integers(0, 1000))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_any_kernels_axis_by_axis_are_their_kronecker_product(sides: tuple[int, ...], seed: int) -> None:
    random = np.random.default_rng(seed)
    kernels = [(half + half.T) for half in (random.normal(size=(side, side)) for side in sides)]
    product = np.ones((1, 1))
    for kernel in kernels:
        product = np.kron(product, kernel)
    values = random.normal(size=(math.prod(sides), 2))
    got = smooth(torch.from_numpy(values), [torch.from_numpy(kernel) for kernel in kernels])
    np.testing.assert_allclose(got.numpy(), product @ values, rtol=1e-9, atol=1e-9)


@given(FLAT, st.floats(0, 1))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_the_hard_neighbourhood_is_the_adjacent_codes_and_oneself(sides: tuple[int, ...], weight: float) -> None:
    values = per_code_values(math.prod(sides))
    apart = distances(sides)
    matrix = np.where(apart < 1.5, weight, 0.0)
    np.fill_diagonal(matrix, 1.0)
    got = hard_smooth(torch.from_numpy(values), sides, torch.tensor(weight))
    np.testing.assert_allclose(got.numpy(), matrix @ values.astype(float), rtol=1e-5, atol=1e-5)


@given(FLAT, st.floats(0.1, 20))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_the_exponential_neighbourhood_is_the_dense_one(sides: tuple[int, ...], length: float) -> None:
    values = per_code_values(math.prod(sides))
    dense = np.exp(-distances(sides) / length) @ values.astype(float)
    got = exponential_smooth(torch.from_numpy(values), sides, torch.tensor(length))
    np.testing.assert_allclose(got.numpy(), dense, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [1.0, 2.5, 10.0])
def test_far_codes_get_their_small_share_of_the_exponential(length: float) -> None:
    # One code is hit 1,000 times; e^-16 of it (1e-7 of the largest value) must still be right to 1e-5 of itself.
    sides = (12, 16)
    values = torch.zeros(12 * 16, 1)
    values[21] = 1000.0
    got = exponential_smooth(values, sides, torch.tensor(length)).flatten().numpy()
    expected = 1000 * np.exp(-distances(sides)[21] / length)
    assert expected.min() < 1e-3 or length > 1
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_exponential_hits_are_never_negative() -> None:
    values = torch.zeros(1024, 1)
    values[0] = 1.0
    assert exponential_smooth(values, (32, 32), torch.tensor(0.1)).min() >= 0


def test_kernels_have_the_stated_width() -> None:
    kernel = gaussian_kernel(4, torch.tensor(2.0))
    expected = [1.0, math.exp(-1 / 8), math.exp(-4 / 8), math.exp(-9 / 8)]
    torch.testing.assert_close(kernel[0], torch.tensor(expected))
    assert torch.equal(kernel, kernel.T)


def test_a_schedule_starts_and_ends_where_it_says() -> None:
    got = [geometric(16.0, 0.25, torch.tensor(progress)).item() for progress in (0.0, 0.5, 1.0, 1.5, -1.0)]
    # The middle of 16 and 1/4 is 2; outside [0, 1] the ends stay.
    assert got == pytest.approx([16.0, 2.0, 0.25, 0.25, 16.0])
    ratios = [geometric(8.0, 0.5, torch.tensor(p / 4)).item() for p in range(5)]
    assert [b / a for a, b in itertools.pairwise(ratios)] == pytest.approx([0.5] * 4)


def test_a_hit_moves_its_code_by_the_rate_and_others_not_at_all() -> None:
    vectors = torch.tensor([[0.0, 4.0], [7.0, 7.0]])
    totals = torch.tensor([[2.0, 2.0, 1.0], [0.0, 0.0, 0.0]])  # one hit by (2, 2)
    moved = som_step(vectors, totals, 0.25)
    torch.testing.assert_close(moved, torch.tensor([[0.5, 3.5], [7.0, 7.0]]))


@pytest.mark.parametrize("hits", [2, 7, 300])
def test_hits_by_one_and_the_same_vector_are_that_many_steps(hits: int) -> None:
    code, target, rate = 5.0, -1.0, 0.1
    for _ in range(hits):
        code += rate * (target - code)
    moved = som_step(torch.tensor([[5.0]]), torch.tensor([[target * hits, float(hits)]]), rate)
    assert moved.item() == pytest.approx(code, rel=1e-5)


def test_rate_zero_moves_nothing() -> None:
    vectors = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(som_step(vectors, torch.ones(4, 3), 0.0), vectors)


@given(st.integers(0, 100), st.sampled_from([(3, 4), (5,), (2, 2)]), st.floats(0.4, 3))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_a_small_rate_agrees_with_sequential_updates_to_first_order(
    seed: int, sides: tuple[int, ...], sigma: float
) -> None:
    random = np.random.default_rng(seed)
    codes = math.prod(sides)
    start, batch = random.normal(size=(codes, 2)), random.normal(size=(10, 2))
    winners = [int(((start - row) ** 2).sum(1).argmin()) for row in batch]
    reach = np.exp(-(distances(sides) ** 2) / (2 * sigma**2))
    differences = []
    for rate in (1e-3, 1e-4):
        sequential = start.copy()
        for row, winner in zip(batch, winners, strict=True):
            for code in range(codes):
                sequential[code] += rate * reach[winner, code] * (row - sequential[code])
        hits, sums = np.zeros((codes, 1)), np.zeros((codes, 2))
        for row, winner in zip(batch, winners, strict=True):
            hits[:, 0] += reach[winner]
            sums += reach[winner][:, None] * row
        totals = torch.from_numpy(np.hstack([sums, hits]))
        moved = som_step(torch.from_numpy(start), totals, torch.tensor(rate, dtype=torch.float64)).numpy()
        differences.append(np.abs(moved - sequential).max())
        assert differences[-1] < 200 * rate**2
        assert np.abs(sequential - start).max() > 0.1 * rate
    assert differences[1] < differences[0] / 50 or differences[0] < 1e-9  # the remainder is of second order


def test_any_number_of_hits_is_stable() -> None:
    moved = som_step(torch.tensor([[1e3]]), torch.tensor([[1e6 * 3.0, 1e6]]), 0.5)
    assert moved.item() == pytest.approx(3.0)
    tiny = som_step(torch.tensor([[1.0]]), torch.tensor([[0.0, 1e-38]]), 0.5)
    assert tiny.item() == 1.0


def test_a_step_is_the_formula_where_there_are_hits_and_nothing_elsewhere() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors, sums = torch.randn(6, 3, generator=generator), torch.randn(6, 3, generator=generator)
    hits = torch.tensor([0.0, 1e-45, 1e-30, 1e-3, 1.0, 250.0])
    totals = torch.cat([sums * hits[:, None], hits[:, None]], dim=1)
    share = 1 - (1 - 0.1) ** hits[:, None].double()
    plain = torch.where(hits[:, None] > 1e-20, vectors + share * (sums - vectors), vectors.double())
    moved = som_step(vectors, totals, 0.1)
    torch.testing.assert_close(moved, plain.float(), rtol=1e-6, atol=1e-6)
    assert torch.equal(moved[:3], vectors[:3])
