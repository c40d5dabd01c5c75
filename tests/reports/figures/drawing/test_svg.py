import io

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.figures.drawing.svg import path, tidy


@pytest.mark.parametrize("seed", range(10))
def test_rounding_never_adds_up(seed, read):
    draws = np.random.default_rng(seed)
    points = draws.normal(0, 100, (200, 2)).cumsum(axis=0)
    data = "M " + " L ".join(f"{x:.6f} {y:.6f}" for x, y in points)
    (actual,) = read.points(path(data, 1))
    assert np.abs(actual - points).max() <= 0.05 + 1e-9
    assert len(path(data, 1)) < 0.7 * len(data)


def test_what_cannot_be_seen_is_left_out():
    assert path("M 1 2 M 3 4 L 3.01 4.01 L 5 4", 1) == "M3 4l2 0"
    assert path("M 1 2 L 1.01 2", 1) == "M1 2l0 0"
    assert path("", 1) == ""
    assert path("M 0.123 -0.5 C 1 2 -3.456 4 0.001 -0.001 z", 2) == "M.12-.5C1 2-3.46 4 0 0z"


def test_a_drawing_keeps_its_text_and_loses_its_ground():
    drawing = Figure(figsize=(1, 1), facecolor="none")
    drawing.text(0.5, 0.5, "a < b", color="#000000")
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        drawing.savefig(file, format="svg")
    actual = tidy(file.getvalue(), "name", "t & u", "words")
    assert actual.count(">a &lt; b</text>") == 1
    assert ">t &amp; u</title>" in actual
    assert "<path" not in actual
    assert "metadata" not in actual
