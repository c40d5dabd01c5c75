import math

import numpy as np
import pytest
from scipy import stats

from bench.stats.moderation import NO_PRIOR, Prior, fit_prior, most_freedom, typical_variance


@pytest.mark.parametrize(("freedom", "variance"), [(3.0, 2.0), (10.0, 0.5)])
@pytest.mark.parametrize("sample", [2, 4])
def test_a_known_prior_is_found_again(freedom, variance, sample):
    """Smyth's model, drawn: sigma^2 = d0 s0^2 / chi2(d0), s^2 = sigma^2 chi2(d) / d."""
    rng = np.random.default_rng(0)
    count = 40_000
    true = freedom * variance / rng.chisquare(freedom, count)
    drawn = true * rng.chisquare(sample, count) / sample
    prior = fit_prior(drawn.tolist(), [sample] * count, math.inf)
    assert prior.freedom == pytest.approx(freedom, rel=0.1)
    assert prior.variance == pytest.approx(variance, rel=0.05)


def test_moderated_t_has_the_degrees_of_freedom_of_both():
    rng = np.random.default_rng(1)
    count, freedom, sample = 20_000, 4.0, 2
    sigma = np.sqrt(freedom / rng.chisquare(freedom, count))
    mean = rng.normal(0, sigma)
    variances = sigma**2 * rng.chisquare(sample, count) / sample
    # Without the rule that a large variance is kept, which makes the test conservative.
    posterior = (freedom + sample * variances) / (freedom + sample)
    assert stats.kstest(mean / np.sqrt(posterior), stats.t(freedom + sample).cdf).pvalue > 0.01


def test_equal_variances_give_all_freedom_that_is_allowed():
    prior = fit_prior([2.0, 2.0, 2.0, 2.0], [1000] * 4, 7.0)
    assert prior.freedom == 7.0
    assert prior.variance == pytest.approx(2.0, rel=2e-3)
    assert typical_variance([2.0, 2.0], [1000, 1000]) == pytest.approx(2.0, rel=2e-3)


def test_one_variance_is_no_prior():
    assert fit_prior([2.0], [4], 7.0) == fit_prior([], [], 7.0) == NO_PRIOR
    assert NO_PRIOR.moderate(3.0, 2) == 3.0
    assert typical_variance([], []) == 0.0


def test_small_variances_are_moved_and_large_ones_kept():
    prior = Prior(variance=4.0, freedom=2.0)
    assert prior.moderate(1.0, 2) == pytest.approx(2.5)
    assert prior.moderate(9.0, 2) == 9.0
    assert Prior(variance=4.0, freedom=math.inf).moderate(1.0, 2) == 4.0


def test_more_seeds_and_rows_allow_more_freedom():
    assert most_freedom(3, 7) == 4.0
    assert most_freedom(3, 4) < most_freedom(3, 7) < most_freedom(5, 7)
