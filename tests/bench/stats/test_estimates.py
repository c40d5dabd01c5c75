import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from bench.stats.estimates import estimate, holm, paired

TABLES = 10_000
ERROR = 3 * math.sqrt(0.95 * 0.05 / TABLES)  # binomial: .65 %

values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20)
pairs = st.lists(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=2, max_size=12)
p_values = st.lists(st.none() | st.floats(0, 1), max_size=12)


@given(values)
def test_interval_is_scipys(sample):
    actual = estimate(sample)
    expected = stats.ttest_1samp(sample, 0).confidence_interval(0.95) if np.std(sample) > 1e-3 else None
    assert actual.mean == pytest.approx(np.mean(sample), abs=1e-6)
    assert actual.n == len(sample)
    if expected is not None:
        assert actual.low == pytest.approx(expected.low, rel=1e-9, abs=1e-6)
        assert actual.high == pytest.approx(expected.high, rel=1e-9, abs=1e-6)


def test_a_single_value_has_no_interval():
    actual = estimate([2.0])
    assert (actual.mean, actual.std, actual.low, actual.high, actual.n) == (2.0, None, None, None, 1)


def test_no_value_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


@pytest.mark.parametrize("n", [3, 5])
def test_interval_covers_the_mean_as_often_as_it_says(n):
    draws = np.random.default_rng(n).normal(7.0, 2.0, (TABLES, n)).tolist()
    covered = sum(actual.low <= 7.0 <= actual.high for actual in map(estimate, draws))
    assert abs(covered / TABLES - 0.95) < ERROR


@pytest.mark.parametrize("n", [3, 5])
def test_paired_interval_covers_the_difference_as_often_as_it_says(n):
    rng = np.random.default_rng(n)
    shared = rng.normal(0, 10, (TABLES, n))
    first, second = (shared + rng.normal(mean, 1, (TABLES, n)) for mean in (3.0, 1.0))
    actual = [paired(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    covered = sum(test.low <= 2.0 <= test.high for test in actual)
    assert abs(covered / TABLES - 0.95) < ERROR


def test_corrected_interval_covers_where_seeds_share_their_data():
    # Equally correlated differences: r = n_test / (n_test + n_train) is what Nadeau and Bengio's correction assumes.
    n, overlap = 5, 0.25
    r, rng = overlap / (1 + overlap), np.random.default_rng(0)
    common, mine = rng.normal(size=(TABLES, 1)), rng.normal(size=(TABLES, n))
    differences = (math.sqrt(r) * common + math.sqrt(1 - r) * mine).tolist()
    corrected, plain = (
        np.mean([test.low <= 0 <= test.high for test in (paired(row, [0.0] * n, o) for row in differences)])
        for o in (overlap, 0.0)
    )
    assert abs(corrected - 0.95) < ERROR
    assert plain < 0.9


@given(pairs)
def test_paired_is_scipys(drawn):
    first, second = zip(*drawn, strict=True)
    assume(len({a - b for a, b in drawn}) > 1)
    actual, expected = paired(first, second), stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert actual.outcome == "tested"
    assert actual.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (actual.low, actual.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-9)


@given(pairs, st.floats(0, 2))
def test_swapping_the_two_turns_the_sign_only(drawn, overlap):
    first, second = zip(*drawn, strict=True)
    there, back = paired(first, second, overlap), paired(second, first, overlap)
    assert (there.mean, there.std, there.p, there.outcome) == (-back.mean, back.std, back.p, back.outcome)
    if there.outcome == "tested":
        assert (there.low, there.high) == (-back.high, -back.low)


def test_overlap_is_nadeau_and_bengios():
    # Differences 1, 2, 3: s = 1; variance 1/3 + 1/4 = 7/12, so t = 2 / sqrt(7/12); with 2 degrees of freedom
    # p = 1 - t / sqrt(2 + t^2), and the 97.5 % quantile is 4.302653.
    actual = paired([3.0, 5.0, 7.0], [2.0, 3.0, 4.0], overlap=0.25)
    t = 2 / math.sqrt(7 / 12)
    assert (actual.mean, actual.std) == (2.0, 1.0)
    assert actual.p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert (actual.low, actual.high) == pytest.approx(
        (2 - 4.302653 * math.sqrt(7 / 12), 2 + 4.302653 * math.sqrt(7 / 12))
    )


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], "identical"),
        ([2.0, 3.0, 4.0], [1.0, 2.0, 3.0], "untested"),
        ([0.3, 0.2, 0.7], [0.2, 0.1, 0.6], "untested"),  # equal differences but for the last bit
        ([1.0], [1.0], "untested"),
        ([1.0], [2.0], "untested"),
    ],
)
def test_what_has_no_variance_has_no_p(first, second, outcome):
    actual = paired(first, second)
    assert (actual.p, actual.low, actual.high, actual.outcome) == (None, None, None, outcome)


@pytest.mark.parametrize(
    ("first", "second", "overlap", "match"),
    [
        ([], [], 0.0, "at least one"),
        ([1.0, 2.0], [1.0], 0.0, "shorter"),
        ([1.0, math.nan], [1.0, 2.0], 0.0, "finite"),
        ([1.0, 2.0], [1.0, math.inf], 0.0, "finite"),
        ([1.0, 2.0], [1.0, 2.0], -0.1, "overlap"),
        ([1.0, 2.0], [1.0, 2.0], math.nan, "overlap"),
    ],
)
def test_paired_refuses(first, second, overlap, match):
    with pytest.raises(ValueError, match=match):
        paired(first, second, overlap)


def test_holm_by_hand():
    # .005 x 4; .01 x 3; .03 x 2; .04 x 1, raised to the one before it.
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert holm([0.4, 0.6]) == [0.8, 0.8]
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([None, None]) == [None, None]
    assert holm([]) == []


def test_holm_to_the_best_by_hand():
    # Five rows: .001 x 10, .004 x 6, .01 x 3 (.03, above .024), .02 x 1 raised to .03.
    assert holm([0.02, 0.001, None, 0.01, 0.004], to_best=True) == pytest.approx([0.03, 0.01, None, 0.03, 0.024])


@given(p_values, st.booleans())
def test_holm_raises_p_and_keeps_its_order(given_p, to_best):
    adjusted = holm(given_p, to_best=to_best)
    assert [p is None for p in adjusted] == [p is None for p in given_p]
    tested = sorted((p, a) for p, a in zip(given_p, adjusted, strict=True) if p is not None)
    assert all(p <= a <= 1 for p, a in tested)
    assert [a for _, a in tested] == sorted(a for _, a in tested)


@given(p_values)
def test_choosing_the_best_costs(given_p):
    for plain, chosen in zip(holm(given_p), holm(given_p, to_best=True), strict=True):
        assert plain == chosen if plain is None else plain <= chosen
