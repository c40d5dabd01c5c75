import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.bd_rate import bd_rate

REFERENCE = [(10.0, 1.0), (12.0, 1.7), (15.0, 2.9), (20.0, 6.0)]


@given(st.floats(0.1, 10.0))
def test_a_constant_factor_is_found(factor):
    curve = [(quality, factor * rate) for quality, rate in REFERENCE]
    assert bd_rate(curve, REFERENCE) == pytest.approx(factor - 1)


def test_two_exponential_curves_by_hand():
    # log rates q and q / 2 over qualities 1 to 3: the mean difference is the mean of q / 2, which is 1.
    steep = [(quality, math.exp(quality)) for quality in (0.0, 1.0, 2.0, 3.0)]
    flat = [(quality, math.exp(quality / 2)) for quality in (1.0, 2.0, 3.0, 4.0)]
    assert bd_rate(steep, flat) == pytest.approx(math.e - 1)
    assert bd_rate(flat, steep) == pytest.approx(1 / math.e - 1)


def test_only_the_common_quality_counts():
    curve = [(quality, 1.5 * math.exp(quality / 5)) for quality in (15.0, 20.0, 30.0)]
    reference = [(quality, math.exp(quality / 5)) for quality in (5.0, 10.0, 17.0, 25.0)]
    assert bd_rate(curve, reference) == pytest.approx(0.5)


def test_a_worse_point_of_a_curve_is_left_out():
    assert bd_rate([*REFERENCE, (11.0, 5.0)], REFERENCE) == pytest.approx(0.0)


@pytest.mark.parametrize("curve", [[], [(12.0, 1.7)], [(21.0, 1.0), (25.0, 2.0)], [(12.0, 1.7), (11.0, 1.8)]], ids=len)
def test_without_a_common_range_there_is_none(curve):
    assert bd_rate(curve, REFERENCE) is None


def test_the_order_of_the_points_does_not_matter():
    generator = np.random.default_rng(0)
    curve = [(quality, rate * float(generator.uniform(0.8, 1.2))) for quality, rate in REFERENCE]
    shuffled = [curve[index] for index in generator.permutation(len(curve))]
    assert bd_rate(shuffled, REFERENCE[::-1]) == bd_rate(curve, REFERENCE)
