import re

import pandas as pd
import pytest

from reports.figures import draw

ROWS = {"vq": "family", "som-vq": "family", "none": "reference", "vq+shuffled": "control"}


def drawn(run, name="mse"):
    return next(figure for figure in draw(run) if figure.name == f"intervals--lorenz--{name}")


def small(make, **more):
    nothing = {"curves": {}, "codes": lambda *_: None}
    return make(**({"rows": ROWS, "datasets": ("lorenz",)} | nothing | more))


def test_means_seeds_and_intervals_lie_where_the_axis_says(make, read):
    values = {"vq": {"mse": 0.5}, "som-vq": {"mse": 0.62}, "none": {"mse": 0.41}, "vq+shuffled": {"mse": 0.7}}
    figure = drawn(small(make, values=values))
    scale = read.scale(figure, "x")
    wanted = [mean["mse"] for mean in values.values()]
    actual = [float(scale(float(element.get("x")))) for element in read.elements(figure, "use")]
    for mean in wanted:  # the mean twice: as the middle one of three seeds, and on top of it
        assert sum(element == pytest.approx(mean, abs=2e-4) for element in actual) >= 2
        for seed in (mean - 0.01, mean + 0.01):
            assert sum(element == pytest.approx(seed, abs=2e-4) for element in actual) >= 1
    lines = [line for path in read.elements(figure, "path") for line in read.points(path.get("d"))]
    ends = [tuple(scale(line[:, 0])) for line in lines if len(line) == 2 and line[0, 1] == line[1, 1]]
    for mean in wanted:
        assert any(end == pytest.approx((mean - 0.04, mean + 0.05), abs=4e-4) for end in ends)


def test_rows_keep_their_order_and_their_words(make, read):
    figure = drawn(small(make))
    labels = [element for element in read.elements(figure, "text") if element.get("text-anchor") == "end"]
    assert [element.text for element in labels] == [*ROWS]
    heights = [float(element.get("y")) for element in labels]
    assert heights == sorted(heights)
    assert "mse, lower is better" in [element.text for element in read.elements(figure, "text")]
    assert re.search("vq 0.500 ± 0.050; som-vq 0.600 ± 0.050", figure.alt)


def test_a_control_far_away_is_told_by_an_arrow_and_does_not_squeeze_the_others(make, read):
    values = {"vq+shuffled": {"mse": 90.0}, "none": {"mse": -40.0}}
    figure = drawn(small(make, values=values))
    texts = [element.text for element in read.elements(figure, "text")]
    assert "90.0 →" in texts
    assert "← -40.0" in texts
    scale = read.scale(figure, "x")
    assert scale(0) > 0.0
    assert scale(380) < 1.0


def test_a_family_without_a_result_says_so_and_other_rows_are_left_out(make, read):
    figure = drawn(small(make, failed=("som-vq", "vq+shuffled")))
    texts = [element.text for element in read.elements(figure, "text")]
    assert "no result" in texts
    assert "som-vq" in texts
    assert "vq+shuffled" not in texts
    assert "som-vq no result" in figure.alt


def test_one_seed_has_no_interval(make, read):
    figure = drawn(small(make, seeds=1))
    lines = [line for path in read.elements(figure, "path") for line in read.points(path.get("d"))]
    below = max(line[0, 1] for line in lines)
    rows = [line for line in lines if len(line) == 2 and line[0, 1] == line[1, 1] and 6 < line[0, 1] < below - 1]
    assert len(rows) == 1  # what parts the ranked from the others
    assert "One seed, so there are no intervals" in figure.alt


def test_rows_that_are_not_behind_are_marked_where_there_was_a_test(make, read):
    standings = {"vq": "best", "som-vq": "undecided", "none": "behind"}

    def marked(**other):
        rows = [
            {"dataset": "lorenz", "metric": "mse", "quantizer": row, "standing": standing}
            for row, standing in (standings | other).items()
        ]
        figure = drawn(small(make, rankings=pd.DataFrame(rows)))
        labels = [element.text for element in read.elements(figure, "text") if element.get("text-anchor") == "end"]
        return [label[:-2] for label in labels if label.endswith("\N{MODIFIER LETTER SMALL A}")], figure.alt

    labels, alt = marked()
    assert labels == ["vq", "som-vq"]
    assert alt.endswith("Not behind the best: vq and som-vq.")
    labels, alt = marked(**{"som-vq": "untested", "none": "untested"})
    assert labels == []
    assert "told" not in alt


def test_a_target_is_a_line(make, read):
    values = {"vq": {"distortion_ratio": 0.9}, "som-vq": {"distortion_ratio": 1.2}}
    figure = drawn(small(make, values=values, measured=("distortion_ratio",)), "distortion_ratio")
    scale = read.scale(figure, "x")
    dotted = [path for path in read.elements(figure, "path") if path.get("stroke-dasharray")]
    upright = [read.points(path.get("d"))[0] for path in dotted if path.get("stroke") == "currentColor"]
    assert any(line[0, 0] == line[1, 0] and scale(line[0, 0]) == pytest.approx(1.0, abs=2e-3) for line in upright)


def test_many_rows_are_cut_and_that_is_told(make, read):
    rows = {f"row-{index}": "family" for index in range(43)}
    figure = drawn(small(make, rows=rows, seeds=1))
    texts = [element.text for element in read.elements(figure, "text")]
    assert sum(text.startswith("row-") for text in texts) == 40
    assert "3 more rows: in the tables" in texts
    assert "; 3 more." in figure.alt


def test_units_are_told(make, read):
    run = small(make, datasets=("aist-standin",), measured=("error_units",))
    figure = next(drawn_part for drawn_part in draw(run) if drawn_part.name == "intervals--aist-standin--error_units")
    assert "error_units (cm), lower is better" in [drawn_part.text for drawn_part in read.elements(figure, "text")]
