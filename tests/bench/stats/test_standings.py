import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.stats.estimates import holm
from bench.stats.standings import standings

FAR = [10.2, 10.0, 10.3, 10.1, 9.9]
ROWS = "abcdefg"

tables = st.dictionaries(
    st.sampled_from(ROWS), st.dictionaries(st.integers(0, 5), st.integers(-50, 50)), min_size=1, max_size=6
)


def column(**rows):
    return {name: dict(enumerate(row)) for name, row in rows.items()}


def marks(*args, **kwargs):
    return {name: standing.mark for name, standing in standings(*args, **kwargs).items()}


def test_a_row_by_hand():
    found = standings(column(a=[1.0, 2.0, 3.0], b=[2.0, 4.0, 6.0]), "lower")
    # Differences 1, 2, 3: t = 2 sqrt(3); with 2 degrees of freedom p = 1 - t / sqrt(2 + t^2) = 1 - sqrt(12 / 14).
    b = found["b"]
    assert (b.n, b.mean, b.best, b.difference, b.mark) == (3, 4.0, "a", 2.0, "tied")
    assert b.p == b.p_holm == pytest.approx(1 - math.sqrt(12 / 14))
    assert (b.low, b.high) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))
    assert (found["a"].n, found["a"].difference, found["a"].p) == (3, 0.0, None)


def test_p_is_corrected_for_all_pairs_that_could_have_been_compared():
    rows = column(a=[1.0, 2.0, 3.0], b=[2.0, 4.0, 6.0], c=[5.0, 6.5, 7.1])
    found = standings(rows, "lower")
    p = {name: stats.ttest_rel(list(rows[name].values()), list(rows["a"].values())).pvalue for name in "bc"}
    assert p["c"] < p["b"]
    assert found["c"].p_holm == pytest.approx(3 * p["c"])
    assert found["b"].p_holm == pytest.approx(max(p["b"], 3 * p["c"]))


@pytest.mark.parametrize(
    ("direction", "target", "best"), [("lower", None, "a"), ("higher", None, "c"), ("target", 5.2, "b")]
)
def test_direction_says_what_is_best(direction, target, best):
    rows = column(a=[1.0, 1.1, 1.3, 0.9, 1.2], b=[5.1, 5.0, 5.4, 5.3, 5.2], c=FAR)
    assert marks(rows, direction, target) == {name: "best" if name == best else "behind" for name in "abc"}


def test_a_bare_minimum_is_not_best_alone():
    close = column(a=[1.0, 3.0, 2.0], b=[1.1, 2.5, 2.9])
    assert marks(close, "lower") == {"a": "tied", "b": "tied"}
    with_far = column(a=[1.0, 1.3, 1.1, 1.0, 1.2], b=[1.1, 1.2, 1.3, 0.9, 1.4], c=FAR)
    assert marks(with_far, "lower") == {"a": "best", "b": "tied", "c": "behind"}


def test_identical_rows_are_named_so():
    same = [1.0, 1.3, 1.1, 1.0, 1.2]
    assert marks(column(b=same, a=same), "lower") == {"b": "identical", "a": "identical"}
    assert marks(column(b=same, a=same, c=FAR), "lower") == {"b": "identical", "a": "best", "c": "behind"}


def test_a_constant_lead_is_not_a_test():
    assert marks(column(a=[1.0, 2.0, 3.0], b=[2.0, 3.0, 4.0]), "lower") == {"a": "untested", "b": "untested"}


def test_two_seeds_claim_nothing():
    found = standings(column(a=[1.0, 1.1], b=[10.0, 10.2]), "lower")
    assert {name: (s.n, s.best, s.difference, s.p, s.mark) for name, s in found.items()} == dict.fromkeys(
        "ab", (2, None, None, None, "untested")
    )


def test_a_row_with_too_few_seeds_neither_wins_nor_stops_the_others():
    rows = column(a=[1.0, 1.1, 1.3, 0.9, 1.2], c=FAR) | {"b": {0: 0.0, 1: 0.1}, "none": {}, "nan": {0: math.nan}}
    found = standings(rows, "lower")
    assert {name: s.mark for name, s in found.items()} == {
        "a": "best",
        "c": "behind",
        "b": "untested",
        "none": "untested",
        "nan": "untested",
    }
    assert (found["b"].n, found["none"].mean, found["nan"].n) == (2, None, 0)


def test_easy_seeds_do_not_make_a_row_best():
    easy = {0: 10.0, 1: 11.0, 2: 12.0, 3: 1.0, 4: 2.0}
    rows = {"all": {seed: x + 0.1 * (seed % 2) for seed, x in easy.items()}, "hard": {0: 9.0, 1: 10.2, 2: 11.1}}
    assert standings(rows, "lower")["all"].best == "hard"


def test_rows_that_share_too_few_seeds_claim_nothing():
    rows = {"a": {0: 1.0, 1: 1.1, 2: 1.2}, "b": {2: 5.0, 3: 5.3, 4: 5.1}}
    assert marks(rows, "lower") == {"a": "untested", "b": "untested"}


def test_ahead_on_more_seeds_is_not_behind():
    # On seeds 0 to 2, which all share, a is the best by a hair; on all 30 b is ahead of it, and p says so.
    a = {seed: 1.0 if seed < 3 else 9.0 + seed % 3 for seed in range(30)}
    b = {seed: 1.01 if seed < 3 else 1.0 for seed in range(30)}
    found = standings({"a": a, "b": b, "c": {0: 5.0, 1: 5.1, 2: 5.3}}, "lower")
    assert found["b"].best == "a"
    assert found["b"].difference < 0
    assert found["b"].p_holm < 0.001
    assert found["b"].mark == "tied"


def test_overlap_widens():
    rows = column(a=[1.0, 1.1, 1.3, 0.9, 1.2], b=[1.5, 1.5, 1.9, 1.5, 1.6])
    plain, corrected = (standings(rows, "lower", overlap=overlap)["b"] for overlap in (0.0, 0.25))
    assert plain.mark == "behind"
    assert corrected.p > plain.p
    # 1/5 + 1/4 is 9/4 of 1/5.
    assert corrected.high - corrected.low == pytest.approx(1.5 * (plain.high - plain.low))


@pytest.mark.parametrize(("direction", "target"), [("none", None), ("target", None)])
def test_a_column_without_a_better_end_is_refused(direction, target):
    with pytest.raises(ValueError, match="direction"):
        standings(column(a=[1.0, 2.0, 3.0]), direction, target)


@given(tables, st.randoms(use_true_random=False))
def test_order_of_rows_and_seeds_does_not_matter(table, random):
    def shuffled(mapping):
        return dict(random.sample(list(mapping.items()), len(mapping)))

    found = standings(table, "lower")
    assert list(found) == list(table)
    assert standings(shuffled({name: shuffled(row) for name, row in table.items()}), "lower") == found


@given(tables, st.lists(st.integers(-1000, 1000), min_size=6, max_size=6))
def test_what_a_seed_does_to_every_row_does_not_matter(table, effects):
    moved = {name: {seed: x + effects[seed] for seed, x in row.items()} for name, row in table.items()}
    for before, after in zip(standings(table, "lower").values(), standings(moved, "lower").values(), strict=True):
        assert (before.best, before.difference, before.p_holm, before.mark) == (
            after.best,
            after.difference,
            after.p_holm,
            after.mark,
        )


@given(tables)
def test_higher_is_lower_turned_over(table):
    turned = {name: {seed: -x for seed, x in row.items()} for name, row in table.items()}
    assert marks(turned, "higher") == marks(table, "lower")


@given(tables)
def test_marks_agree_with_p(table):
    found = standings(table, "lower")
    for name, s in found.items():
        if s.p is not None:
            assert s.p <= s.p_holm
            assert s.mark == ("behind" if s.p_holm <= 0.05 and s.difference > 0 else "tied")
        else:
            assert s.p_holm is None
            assert s.mark in ("identical", "untested") or name == s.best
    assert ("best" in (s.mark for s in found.values())) == ("behind" in (s.mark for s in found.values()))


def simulated(means, n, count, seed):
    """Columns of rows with shared seed effects (data seeds) and noise of their own (training seeds)."""
    rng = np.random.default_rng(seed)
    effects, noise = rng.normal(0, 3, (count, 1, n)), rng.normal(0, 1, (count, len(ROWS), n))
    drawn = means(rng, count)[:, :, None] + effects + noise
    return [column(**dict(zip(ROWS, rows.tolist(), strict=True))) for rows in drawn]


def called_different(found, names):
    """Whether one of the names is the best and another of them behind it."""
    return any(found[b].best == a and found[b].mark == "behind" for a, b in itertools.permutations(names, 2))


def twins_among(spread):
    """Rows a and b are one quantizer; the other five differ."""
    return lambda rng, count: np.hstack([np.zeros((count, 2)), rng.normal(0, spread, (count, 5))])


def twins_far_ahead(rng, count):
    return np.tile([0.0, 0.0, 30.0, 30.0, 30.0, 30.0, 30.0], (count, 1))


def all_the_same(rng, count):
    return np.zeros((count, len(ROWS)))


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0, 10.0])
def test_one_quantizer_under_two_names_is_not_called_different(n, spread):
    found = [standings(table, "lower") for table in simulated(twins_among(spread), n, 500, seed=n)]
    assert sum(called_different(rows, "ab") for rows in found) / 500 <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("means", [all_the_same, twins_far_ahead])
def test_family_wise_error(n, means):
    """At most 5 %, in the worst case for it too: all five that differ leave, and a single pair is left to be tested."""
    count = 4000
    names = ROWS if means is all_the_same else "ab"
    found = [standings(table, "lower") for table in simulated(means, n, count, seed=n)]
    rate = sum(called_different(rows, names) for rows in found) / count
    assert rate <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / count)


@pytest.mark.parametrize("n", [3, 5])
def test_holm_alone_would_not_hold(n):
    """Why the correction counts all pairs: the reference is chosen on the values that it is tested with."""
    found = [standings(table, "lower") for table in simulated(all_the_same, n, 1000, seed=n)]
    wrong = sum(any(p is not None and p <= 0.05 for p in holm(s.p for s in rows.values())) for rows in found)
    assert wrong / 1000 > 0.065


def test_rows_that_do_differ_are_told_apart():
    found = [standings(t, "lower") for t in simulated(twins_far_ahead, 5, 100, seed=0)]
    assert all(rows[name].mark == "behind" for rows in found for name in ROWS[2:])
