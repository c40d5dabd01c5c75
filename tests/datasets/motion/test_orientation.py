"""Each sequence in its unit and the right way up, found one by one."""

import numpy as np
import pytest

from datasets.errors import DataError
from datasets.motion.orientation import check_units, wrong_scale


def spines(length=50.0, frames=200, lean=0.2):
    """(frames, 3) of somebody who stands and sways."""
    angle = lean * np.sin(np.arange(frames) / 7)
    return length * np.stack([np.sin(angle), np.cos(angle), np.zeros(frames)], axis=1)


def lying(share):
    """Somebody who lies on the floor for a share of the frames."""
    frames = spines()
    count = int(share * len(frames))
    frames[:count] = frames[:count][:, [1, 2, 0]]
    return frames


@pytest.mark.parametrize("length", [31.0, 50.0, 69.0])
def test_a_person_in_centimetres_is_right(length):
    assert wrong_scale(spines(length)) == ""


@pytest.mark.parametrize(
    ("scale", "unit"), [(0.01, "metres"), (10.0, "millimetres"), (1 / 2.54, "inches"), (1e-9, "another unit")]
)
def test_another_unit_is_named(scale, unit):
    assert wrong_scale(spines() * scale) == f"looks like {unit}, not centimetres"


@pytest.mark.parametrize(
    ("turned", "reason"),
    [
        (spines() * [1, -1, 1], "upside down"),
        (spines(lean=0.1)[:, [1, 0, 2]] + [0, 20, 0], "looks like x up, not y"),
        (spines(lean=0.1)[:, [0, 2, 1]], "looks like z up, not y"),
        (-spines(lean=0.1)[:, [0, 2, 1]], "looks like z up, not y"),
    ],
)
def test_another_axis_up_is_named(turned, reason):
    assert wrong_scale(turned) == reason


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_dancer_may_lie_down_or_stand_on_the_hands_for_a_while(share):
    assert wrong_scale(lying(share)) == ""
    upside = spines()
    upside[: int(share * len(upside))] *= -1
    assert wrong_scale(upside) == ""


def test_all_together_are_refused_where_most_are_wrong():
    check_units(np.array([0.0, 50.0, 3.0]))
    with pytest.raises(DataError, match="metres"):
        check_units(np.array([0.0, 0.5, 0.0]))
    with pytest.raises(DataError, match="-y up"):
        check_units(np.array([0.0, -50.0, 0.0]))
