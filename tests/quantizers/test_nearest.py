"""The nearest code, against exact arithmetic: Python's integers and fractions."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import quantizers
from quantizers.base import nearest
from tests.quantizers.test_base import SEARCHED, build

GRID = 1024  # numbers are a whole number of steps of 1 / GRID


def exactly(z: torch.Tensor, vectors: torch.Tensor) -> list[int]:
    """The lowest index of the least distance, without rounding."""
    points, codes = ([[Fraction(x) for x in row] for row in part.tolist()] for part in (z, vectors))
    distances = [[sum((a - b) ** 2 for a, b in zip(p, c, strict=True)) for c in codes] for p in points]
    return [row.index(min(row)) for row in distances]


def whole(seed: int, rows: int, width: int, reach: int) -> torch.Tensor:
    """Whole numbers, so that many distances are equal."""
    return torch.from_numpy(np.random.default_rng(seed).integers(-reach, reach + 1, (rows, width))).float()


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    width=st.integers(1, 6),
    num_codes=st.integers(1, 40),
    reach=st.sampled_from([1, 3, 200]),
    offset=st.sampled_from([0, 1, -(2**14), 2**20, 2**22]),
    exponent=st.integers(-60, 50),
)
def test_neither_origin_nor_unit_changes_a_code(seed, width, num_codes, reach, offset, exponent):
    z, vectors = whole(seed, 30, width, reach), whole(seed + 1, num_codes, width, reach)
    expected = exactly(z, vectors)
    unit = 2.0**exponent
    assert nearest((z + offset) * unit, (vectors + offset) * unit).tolist() == expected


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    offset=st.sampled_from([0.0, 1e3, -1e5, 5e6]),
    unit=st.sampled_from([1.0, 0.3048, 1e-20, 1e-3, 1e15]),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
def test_what_rounding_left_of_the_numbers_is_decided_exactly(seed, offset, unit, dtype):
    generator = torch.Generator().manual_seed(seed)
    z, vectors = torch.randn(20, 3, generator=generator), torch.randn(30, 3, generator=generator)
    z, vectors = (((part.double() + offset) * unit).to(dtype) for part in (z, vectors))
    if not (z.isfinite().all() and vectors.isfinite().all()):
        return  # half precision ends before
    near = nearest(z, vectors)
    distances = (z.double()[:, None] - vectors.double()).square().sum(2)
    chosen = distances.gather(1, near[:, None])[:, 0]
    # Float64 itself tells two distances apart to 16 digits.
    assert (chosen <= distances.amin(1) * (1 + 1e-14)).all()


def test_a_code_does_not_depend_on_the_rows_beside_it():
    z, vectors = torch.randn(700, 8, generator=torch.Generator().manual_seed(0)), whole(1, 300, 8, 2)
    z = z.round(decimals=1)  # near ties
    together = nearest(z, vectors)
    assert torch.equal(torch.cat([nearest(row[None], vectors) for row in z]), together)
    assert torch.equal(nearest(z.flip(0), vectors).flip(0), together)


def test_equal_codes_far_from_one_another_in_memory_are_one():
    vectors = torch.randn(500, 7, generator=torch.Generator().manual_seed(0))
    vectors = vectors.repeat(3, 1)
    z = torch.randn(400, 7, generator=torch.Generator().manual_seed(1))
    assert int(nearest(z, vectors).max()) < 500


@pytest.mark.parametrize("size", [1e-38, 1e-30, 1e30, 3e38])
def test_extremes_of_float32_are_decided_too(size):
    vectors = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]) * size
    z = torch.tensor([[0.9, 0.1], [0.2, 0.9], [-0.8, -0.9], [0.1, 0.0], [0.6, 0.0]]) * size
    assert nearest(z, vectors).tolist() == [1, 2, 3, 0, 1]


def test_a_point_far_from_all_codes_gets_the_nearest():
    vectors = torch.tensor([[0.0], [1.0], [2.0]])
    assert nearest(torch.tensor([[1e5], [-1e5], [1e12]]), vectors).tolist() == [2, 0, 2]


def test_numbers_that_are_not_finite_leave_other_rows_alone():
    vectors = torch.tensor([[0.0], [1.0]])
    codes = nearest(torch.tensor([[float("nan")], [0.9], [float("inf")], [0.1]]), vectors)
    assert (codes[1].item(), codes[3].item()) == (1, 0)
    assert ((codes >= 0) & (codes < 2)).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("label", SEARCHED)
def test_every_searched_family_codes_alike_wherever_the_origin_is(label, training):
    quantizer = build(label).train(training)
    width = quantizer.code_dim
    codebook, z = whole(0, quantizer.num_codes, width, 2 * GRID) / GRID, whole(1, 200, width, 2 * GRID) / GRID
    quantizer.codebook = codebook
    expected = exactly(z, codebook)
    assert quantizer.encode(z).tolist() == expected
    quantizer.codebook = codebook + 4096
    assert quantizer.encode(z + 4096).tolist() == expected
    with torch.no_grad():
        assert quantizer(z + 4096).codes.tolist() == expected


@pytest.mark.parametrize("label", ["fsq", "fsq:2d"])
def test_a_lattice_codes_a_row_alike_alone_and_among_others(label):
    quantizer = quantizers.create(label, num_codes=64, code_dim=6).eval()
    z = torch.randn(500, 6, generator=torch.Generator().manual_seed(0)) * 3
    quantizer.initialise(z)
    together = quantizer.encode(z)
    assert torch.equal(torch.cat([quantizer.encode(row[None]) for row in z]), together)
    assert torch.equal(quantizer(z).codes, together)
