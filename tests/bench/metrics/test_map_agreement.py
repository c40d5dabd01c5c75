import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.metrics.map_agreement import grid_agreement, map_agreement

codes = st.lists(st.integers(0, 5), min_size=1, max_size=30)


def entropy(*columns):
    rows = list(zip(*columns, strict=True))
    shares = [rows.count(row) / len(rows) for row in set(rows)]
    return -sum(share * math.log(share) for share in shares)


@given(codes, st.randoms())
def test_it_is_mutual_information_over_the_mean_entropy(first, random):
    second = [random.randrange(4) for _ in first]
    mean = (entropy(first) + entropy(second)) / 2
    shared = entropy(first) + entropy(second) - entropy(first, second)
    assert map_agreement(first, second) == pytest.approx(shared / mean if mean > 1e-9 else 1.0, abs=1e-9)


@given(codes)
def test_names_of_codes_do_not_matter(first):
    renamed = [97 - 3 * code for code in first]
    assert map_agreement(first, renamed) == pytest.approx(1.0)
    assert map_agreement(np.array(first), renamed) == pytest.approx(map_agreement(renamed, first))


def test_independent_codes_agree_little():
    generator = np.random.default_rng(0)
    first, second = generator.integers(4, size=(2, 20_000))
    assert map_agreement(first, second) < 1e-3


@pytest.mark.parametrize("turn", [[[0, -1], [1, 0]], [[1, 0], [0, -1]], [[0, 1], [1, 0]], [[2, 0], [0, 2]]])
def test_a_map_has_no_preferred_orientation(turn):
    first = np.random.default_rng(0).integers(8, size=(50, 2))
    assert grid_agreement(first, first @ np.array(turn) + [3, -2]) == pytest.approx(1.0)


def test_a_map_by_hand():
    # Centred and of length 1: (-1, 0, 1) / sqrt 2 and (-1, 2, -1) / sqrt 6 have the product 0, so nothing fits.
    assert grid_agreement([[0], [1], [2]], [[0], [3], [0]]) == pytest.approx(0.0)
    # (-1, 0, 1) / sqrt 2 and (0, -1, 1) / sqrt 2 have the product 1 / 2, of which the square is explained.
    assert grid_agreement([[0], [1], [2]], [[1], [0], [2]]) == pytest.approx(0.25)


def test_a_map_of_one_cell_is_blank():
    assert grid_agreement([[1, 1], [1, 1]], [[0, 0], [1, 0]]) is None


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected first \(N,\) and second \(N,\), got \(3,\) and \(2,\)"):
        map_agreement([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match=r"expected first \(N, g\) and second \(N, g\), got \(2, 1\) and \(2, 2\)"):
        grid_agreement([[0], [1]], [[0, 1], [1, 1]])
