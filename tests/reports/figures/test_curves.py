import pytest

from reports.figures import draw
from reports.figures.curves import SEEDS


def drawn(run, kind):
    return next((figure for figure in draw(run) if figure.name == f"curves--lorenz--{kind}"), None)


def small(make, curves, **more):
    rows = {"vq": "family", "som-vq:paper": "published"}
    return make(rows=rows, datasets=("lorenz",), codes=lambda *_: None, curves=curves, measured=(), **more)


def lines(read, figure):
    """Curves of at least three points; markers are paths, too, but have an id."""
    paths = [path for path in read.elements(figure, "path") if path.get("stroke", "").startswith("#")]
    actual = [(path, line) for path in paths if path.get("id") is None for line in read.points(path.get("d"))]
    return [(path, line) for path, line in actual if len(line) > 2]


def test_every_seed_has_its_line_through_its_points(make, read):
    mine = {
        ("lorenz", "vq", 0): {"epochs": [(1, 0.8), (2, 0.4), (3, 0.1)]},
        ("lorenz", "vq", 1): {"epochs": [(1, 0.7), (2, 0.5), (3, 0.2)]},
        ("lorenz", "som-vq:paper", 0): {"epochs": [(1, 0.9), (2, 0.6), (3, 0.3)]},
    }
    figure = drawn(small(make, mine), "training")
    across, up = read.scale(figure, "x"), read.scale(figure, "y", log=True)
    actual = lines(read, figure)
    shown = [[(float(across(x)), float(up(y))) for x, y in line] for _, line in actual]
    for curve in mine.values():
        assert any(
            [p for point in line for p in point] == pytest.approx(sum(curve["epochs"], ()), rel=0.01) for line in shown
        )
    assert len(actual) == 3
    dashed = [bool(path.get("stroke-dasharray")) for path, _ in actual]
    assert sorted(dashed) == [False, False, True]
    assert "vq from 0.750 to 0.150; som-vq:paper from 0.900 to 0.300" in figure.alt


def test_the_papers_reading_point_is_marked_in_the_barely_trained_reader_alone(make, read):
    mine = {("lorenz", "vq", 0): {name: [(5, 90.0), (17, 40.0), (50, 9.0)] for name in ("seq_ppl", "bits_per_frame")}}
    figure = drawn(small(make, mine), "reader_seq_ppl")
    scale = read.scale(figure, "x")
    dotted = [path for path in read.elements(figure, "path") if path.get("stroke-dasharray")]
    upright = [line for path in dotted for line in read.points(path.get("d")) if line[0, 0] == line[-1, 0]]
    assert [float(scale(line[0, 0])) for line in upright] == [pytest.approx(17, abs=0.1)]
    assert any("17 updates" in element.text for element in read.elements(figure, "text"))
    assert "vq from 90.0 to 9.00 (40.0 at 17)" in figure.alt
    other = drawn(small(make, mine), "reader_bits_per_frame")
    assert not any("17 updates" in element.text for element in read.elements(other, "text"))


def test_points_that_were_not_finite_are_left_out(make, read):
    mine = {("lorenz", "vq", 0): {"bits_per_frame": [(25, 8.0), (50, None), (75, 4.0), (100, 2.0)]}}
    ((_, line),) = lines(read, drawn(small(make, mine), "reader_bits_per_frame"))
    assert len(line) == 3
    assert (
        drawn(small(make, {("lorenz", "vq", 0): {"bits_per_frame": [(25, None), (50, 3.0)]}}), "reader_bits_per_frame")
        is None
    )


def test_many_seeds_are_cut(make, read):
    mine = {
        ("lorenz", "vq", seed): {"epochs": [(1, 3.0 + seed), (2, 2.0 + seed), (3, 1.0)]} for seed in range(SEEDS + 5)
    }
    assert len(lines(read, drawn(small(make, mine, seeds=SEEDS + 5), "training"))) == SEEDS
