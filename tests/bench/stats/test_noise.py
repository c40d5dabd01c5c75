import math

import numpy as np
import pytest
from scipy import stats

from bench.stats.noise import POWER, Noise


def test_a_null_pair_adds_a_degree_of_freedom():
    rng = np.random.default_rng(0)
    groups = rng.normal(size=(4, 3)).tolist()
    actual = Noise.of(groups, 0.0)
    assert actual.freedom == 4 * 2
    # Trainings on the same data: the mean of their variances, doubled, because a difference has two of them.
    assert actual.std == pytest.approx(math.sqrt(2 * np.var(groups, axis=1, ddof=1).mean()))
    assert Noise.of([*groups, [5.0]], 0.0) == actual
    assert Noise.of([[1.0], [2.0], []], 1.0) is None


def test_the_spread_of_differences_is_what_is_estimated():
    rng = np.random.default_rng(1)
    levels = rng.normal(0, 50, 2000)  # data differ far more than trainings on them
    first, second = levels + rng.normal(0, 3, (2, 2000))
    assert Noise.of(np.stack([first, second], axis=1).tolist(), 0.0).std == pytest.approx(
        np.std(first - second), rel=0.05
    )


def test_trainings_that_agree_are_no_proof():
    """Ten null pairs that all use every code: one code of sixteen lost on two seeds is no fall, three are."""
    actual = Noise.of([[100.0] * 11], 5.0)
    assert (actual.freedom, actual.std) == (10, pytest.approx(5 / math.sqrt(10)))
    assert actual.p(6.25, 2) > 0.01 / 260 > actual.p(3 * 6.25, 2)


@pytest.mark.parametrize(("mean", "n"), [(0.3, 5), (-0.3, 5), (2.0, 1)])
def test_p_is_scipys(mean, n):
    assert Noise(0.7, 10).p(mean, n) == pytest.approx(stats.t.sf(mean / (0.7 / math.sqrt(n)), 10))


def test_without_any_spread_every_difference_is_one():
    assert [Noise(0.0, 10).p(mean, 5) for mean in (-1e-9, 0.0, 1e-9)] == [1.0, 0.5, 0.0]
    assert Noise(0.4, 10).p(0.0, 5) == 0.5


@pytest.mark.parametrize("least", [0.0, 4.0])
def test_a_loss_within_reach_is_seen_as_often_as_it_says(least):
    """The noise is estimated anew in every trial, and so is the reach; what a check then sees is normal."""
    rng = np.random.default_rng(2)
    n, freedom, p, trials, std = 5, 10, 1e-3, 10_000, 2.0
    output = std * np.sqrt(rng.chisquare(freedom, trials) / freedom)
    reach = np.array([Noise(item, freedom).reach(n, p, least) for item in output])
    means = reach + rng.normal(0, std / math.sqrt(n), trials)
    seen = (means >= least) & (stats.t.sf(means / (output / math.sqrt(n)), freedom) <= p)
    assert seen.mean() == pytest.approx(POWER, abs=0.0066)  # three times the binomial error
