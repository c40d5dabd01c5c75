import numpy as np
import pytest

from reports.figures import draw
from reports.figures.pareto import front


def drawn(run):
    return next((figure for figure in draw(run) if figure.name.startswith("pareto")), None)


def small(make, **more):
    parts = {
        "datasets": ("lorenz",),
        "curves": {},
        "codes": lambda *_: None,
        "measured": ("explained", "bits_per_frame"),
    }
    return make(**(parts | more))


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nothing_dominates(seed):
    points = np.random.default_rng(seed).random((30, 2)).round(1).tolist()
    by_hand = {
        tuple(one)
        for one in points
        if not any(other != one and other[0] <= one[0] and other[1] >= one[1] for other in points)
    }
    assert {tuple(points[index]) for index in front(points)} == by_hand
    assert [points[index] for index in front(points)] == sorted(points[index] for index in front(points))


def test_points_lie_where_the_axes_say_and_only_families_and_curves_are_there(make, read):
    rows = {"vq": "family", "vq@64": "curve", "som-vq": "family", "kmeans": "reference", "vq+shuffled": "control"}
    values = {
        "vq": {"bits_per_frame": 0.5, "explained": 0.99, "codebook_size": 256},
        "vq@64": {"bits_per_frame": 0.3, "explained": 0.95, "codebook_size": 64},
        "som-vq": {"bits_per_frame": 0.6, "explained": 0.98, "codebook_size": 256},
    }
    families = {"vq@64": "vq"}
    figure = drawn(small(make, rows=rows, values=values, families=families))
    across, up = read.scale(figure, "x"), read.scale(figure, "y")
    marks = [(float(element.get("x")), float(element.get("y"))) for element in read.elements(figure, "use")]
    left, bottom = min(x for x, _ in marks), max(y for _, y in marks if y < 320)
    actual = {(round(float(across(x)), 2), y) for x, y in marks if x > left and y < bottom}
    assert {x for x, _ in actual} >= {0.5, 0.3, 0.6}
    assert not {0.9, 1.0} & {x for x, _ in actual}
    height = {x: y for x, y in actual}
    assert height[0.5] < height[0.6] < height[0.3]  # the better explained, the higher
    # Halving what is not explained takes equal steps up: 5 % to 1 % is as log 5, 2 % to 1 % as log 2.
    assert (height[0.3] - height[0.5]) / (height[0.6] - height[0.5]) == pytest.approx(np.log(5) / np.log(2), rel=0.01)
    assert up(height[0.5]) > up(height[0.6])
    texts = [element.text for element in read.elements(figure, "text")]
    assert {"256", "64"} <= {*texts}
    assert figure.alt.endswith("more: vq@64 and vq.")


def test_without_both_metrics_there_is_no_figure(make):
    assert drawn(small(make, rows={"vq": "family"}, values={"vq": {"explained": None}})) is None
    assert drawn(small(make, rows={"vq": "family"}, values={"vq": {"bits_per_frame": None}})) is None
    perfect = {"vq": {"explained": 1.0}}  # a logarithmic axis has no place for it
    assert drawn(small(make, rows={"vq": "family"}, values=perfect)) is None
    assert drawn(small(make, rows={"vq": "family"}, values={"vq": {"explained": -3.0}})) is not None
