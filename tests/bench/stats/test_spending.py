import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.spending import level, looks


@given(st.integers(1, 50), st.integers(3, 200))
def test_looks_grow_to_the_last(first, most):
    if most < first:
        with pytest.raises(ValueError, match=f"at least {max(first, 3)} seeds at the last look, got {most}"):
            looks(first, most)
        return
    counts = looks(first, most)
    assert counts[-1] == most
    assert counts[0] == (max(first, 3) if len(counts) > 1 else most)
    assert all(1.5 * former <= count for former, count in itertools.pairwise(counts))


def test_levels_by_hand():
    # Lan and DeMets (1983), Pocock's type: 0.05 log(1 + (e - 1) t) spent in all at a share t of the seeds.
    assert level([5], 10) == pytest.approx(0.05 * math.log(1 + (math.e - 1) / 2))
    assert level([5, 10], 10) == pytest.approx(0.05 * (1 - math.log(1 + (math.e - 1) / 2)))
    assert level([20], 20) == pytest.approx(0.05)


@given(st.integers(3, 20), st.integers(20, 100))
def test_levels_of_all_looks_add_up(first, most):
    counts = looks(first, most)
    levels = [level(counts[: index + 1], most) for index in range(len(counts))]
    assert min(levels) > 0
    assert sum(levels) == pytest.approx(0.05)
