import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats import estimate

values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20)


@given(values)
def test_interval_is_scipys(sample):
    found = estimate(sample)
    expected = stats.ttest_1samp(sample, 0).confidence_interval(0.95) if np.std(sample) > 1e-3 else None
    assert found.mean == pytest.approx(np.mean(sample), abs=1e-6)
    assert found.n == len(sample)
    if expected is not None:
        assert found.low == pytest.approx(expected.low, rel=1e-9, abs=1e-6)
        assert found.high == pytest.approx(expected.high, rel=1e-9, abs=1e-6)


def test_a_single_value_has_no_interval():
    found = estimate([2.0])
    assert (found.mean, found.std, found.low, found.high, found.n) == (2.0, None, None, None, 1)


def test_no_value_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        estimate([])
