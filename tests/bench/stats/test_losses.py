import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.losses import Losses
from bench.stats.scales import from_scale, holds, to_scale

SCALES = ("linear", "log", "log complement", "arcsine")
shares = st.floats(0.01, 0.99)


@given(st.sampled_from(SCALES), shares, shares)
def test_scales_rise_and_turn_back(scale, first, second):
    assert from_scale(to_scale(first, scale), scale) == pytest.approx(first)
    if first < second:
        assert to_scale(first, scale) <= to_scale(second, scale)


def test_scales_by_hand():
    assert to_scale(math.e, "log") == pytest.approx(1.0)
    assert to_scale(0.5, "log complement") == pytest.approx(math.log(2))
    assert to_scale(1.0, "arcsine") == pytest.approx(math.pi / 2)
    assert from_scale(2.0, "arcsine") == 1.0
    assert from_scale(-1.0, "arcsine") == 0.0


def test_values_outside_of_a_scale_are_seen():
    assert not holds([0.5, 0.0], "log")
    assert not holds([1.0], "log complement")
    assert not holds([-0.1], "arcsine")
    assert all(holds([0.5], scale) for scale in SCALES)
    assert Losses.of("lower", None, "log", [1.0, -1.0]).scale == "linear"
    assert Losses.of("target", 0.0, "log", [1.0]).scale == "linear"


@given(st.sampled_from(SCALES), st.sampled_from(["lower", "higher", "target"]), shares)
def test_losses_turn_back(scale, direction, value):
    losses = Losses.of(direction, 0.5 if direction == "target" else None, scale, [value])
    loss = losses.loss(value)
    assert losses.from_unit(losses.in_unit(loss)) == pytest.approx(loss, abs=1e-9)
    if direction != "target" or value >= 0.5:
        assert losses.value(loss) == pytest.approx(value)


def test_losses_by_hand():
    assert Losses.of("lower", None, "linear", []).loss(3.0) == 3.0
    assert Losses.of("higher", None, "linear", []).loss(3.0) == -3.0
    assert Losses.of("target", 1.0, "linear", []).loss(0.25) == 0.75
    ratio = Losses.of("target", 1.0, "log", [0.5])
    assert ratio.loss(0.5) == ratio.loss(2.0) == pytest.approx(math.log(2))
    assert ratio.in_unit(math.log(2)) == pytest.approx(1.0)  # as far as a ratio of 2


@pytest.mark.parametrize(("direction", "target"), [("none", None), ("target", None)])
def test_a_direction_without_a_better_end_is_refused(direction, target):
    with pytest.raises(ValueError, match="direction"):
        Losses.of(direction, target, "linear", [])
