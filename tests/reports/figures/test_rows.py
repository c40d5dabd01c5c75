"""What the figures of a row show, against its stored numbers."""

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from reports.figures import SourceData, draw, grid_data
from reports.figures.attractor import raster
from reports.figures.drawing.lattice import Lattice
from reports.figures.drawing.palette import rgb, sequential
from reports.figures.poses import chosen
from reports.figures.tokenizer import tokenizers
from reports.figures.walk import mean_move


def pictures(read, figure):
    """Its rasters, as (rows, columns, 4)."""
    collected = []
    for element in read.elements(figure, "image"):
        data = base64.b64decode(element.get("href").partition(",")[2])
        scale = re.fullmatch(r"matrix\(([\d.]+) 0 0 ([\d.]+) .*\)", element.get("transform"))
        assert float(scale[1]) > 0 < float(scale[2])  # neither mirrored nor upside down
        collected.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")))
    return collected


def alone(make, arrays, source=None, dataset="lorenz"):
    """Figures of one row with these arrays."""
    splits = {f"codes.{split}": arrays["codes.test"] for split in ("train", "val")}
    run = make(
        rows={"som-vq": "family"},
        datasets=(dataset,),
        codes=lambda *_: splits | arrays,
        source=lambda *_: source,
        curves={},
        measured=(),
    )
    return run, {figure.name.partition("--")[0]: figure for figure in draw(run)}


def grid(rows, columns):
    return np.indices((rows, columns)).reshape(2, -1).T


@pytest.fixture(scope="module")
def counted(make):
    """Codes 0 to 5 on a 2 x 3 grid, hit 0, 1, 2, 3, 4 and 10 times."""
    tokens = np.repeat(np.arange(6), [0, 1, 2, 3, 4, 10]).reshape(2, 10)
    return alone(make, {"codes.test": tokens, "prototypes": np.arange(18.0).reshape(6, 3), "positions": grid(2, 3)})


def test_use_on_the_lattice_is_a_pixel_a_code(counted, read):
    use = pictures(read, counted[1]["use"])[0]
    assert use.shape == (2, 3, 4)
    assert (use[..., 3] == 0).tolist() == [[True, False, False], [False, False, False]]
    assert use[1, 2].tolist() == sequential([1.0])[0].tolist()
    assert use[0, 1].tolist() == sequential([np.log(2) / np.log(11)])[0].tolist()
    alt = counted[1]["use"].alt
    assert "5 of 6 codes are used on the test split (83%)" in alt
    assert "the 1 most used hold half of its 20 frames, the most used one 50.0%" in alt


def test_use_by_rank_is_an_outline_of_a_hundred_percent(make, read):
    tokens = np.repeat(np.arange(6), [0, 1, 2, 3, 4, 10]).reshape(2, 10)
    _, figures = alone(make, {"codes.test": tokens, "prototypes": np.zeros((6, 3))})
    figure = figures["use"]
    across, up = read.scale(figure, "x"), read.scale(figure, "y")
    (outline,) = [path for path in read.elements(figure, "path") if path.get("fill", "").startswith("#")]
    x, y = read.points(outline.get("d"))[0].T
    x, y = across(x), up(y)
    area = abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 2
    assert area == pytest.approx(100.0, rel=0.01)
    assert y.max() == pytest.approx(50.0, rel=0.01)
    assert "5 " in [element.text for element in read.elements(figure, "text")]


def test_planes_and_u_matrix_of_a_plane_are_its_coordinates(make, read):
    """Codes that decode to (3 row, 4 column): neighbours lie 3 or 4 apart."""
    places = grid(3, 3)
    prototypes = np.column_stack([3.0 * places[:, 0], 4.0 * places[:, 1]])
    tokens = np.arange(10).clip(max=7).reshape(2, 5)  # the last code is never used
    source = SourceData(frames=np.zeros((2, 5, 2)), points=np.array([[0, 1]]))
    run, figures = alone(make, {"codes.test": tokens, "prototypes": prototypes, "positions": places}, source)
    (tokenizer,) = tokenizers(run, "lorenz")
    wanted = [[3.5, (4 + 4 + 3) / 3, 3.5], [10 / 3, 3.5, 10 / 3], [3.5, 11 / 3, 3.5]]
    assert tokenizer.u_matrix(tokenizer.lattice) == pytest.approx(np.ravel(wanted))
    distances, x, y = pictures(read, figures["planes"])[:3]
    assert x[2, 0, :3].tolist() == sequential([1.0])[0, :3].tolist()
    assert (x[:, 0, :3] == x[:, 1, :3]).all()
    assert (y[0, :, :3] == y[1, :, :3]).all()
    assert y[0, 2, :3].tolist() == sequential([1.0])[0, :3].tolist()
    assert distances[0, 1, :3].tolist() == sequential([1.0])[0, :3].tolist()
    for picture in (distances, x, y):
        assert picture[2, 2, 3] < 100
        assert (np.delete(picture[..., 3].ravel(), 8) == 255).all()
    texts = [element.text for element in read.elements(figures["planes"], "text")]
    assert {"U-matrix", "x", "y", "0 to 6.00", "3.33 to 3.67"} <= {*texts}
    assert "Used neighbours lie 3.50 apart" in figures["planes"].alt


def test_a_walk_visits_the_cells_of_its_tokens(make, read):
    tokens = np.array([[0, 1, 1, 2, 5, 4, 3, 3, 0], [0] * 9])
    arrays = {"codes.test": tokens, "prototypes": np.zeros((6, 2)), "positions": grid(2, 3)}
    figure = alone(make, arrays)[1]["walk"]
    paths = [path for path in read.elements(figure, "path") if (path.get("stroke") or "").startswith("#")]
    line = read.points(paths[0].get("d"))[0]
    cell = np.abs(np.diff(line, axis=0)).max()
    steps = np.diff(line, axis=0).round(0) / round(cell)
    assert steps.round(2).tolist() == [[1, 0], [1, 0], [0, 1], [-1, 0], [-1, 0], [0, -1]]  # x, y; staying is no step
    assert "in their order 1.00 cells a move; shuffled" in figure.alt
    texts = [element.text for element in read.elements(figure, "text")]
    assert "in their order: 1.00 cells a move" in texts


def test_a_walk_on_a_line_is_drawn_over_time(make, read):
    arrays = {"codes.test": np.array([[0, 2, 2, 1], [0] * 4]), "prototypes": np.zeros((3, 2))}
    figure = alone(make, arrays | {"positions": np.arange(3)[:, None]})[1]["walk"]
    paths = [path for path in read.elements(figure, "path") if path.get("stroke", "").startswith("#")]
    steps = np.diff(read.points(paths[0].get("d"))[0], axis=0)
    assert steps[:, 0] == pytest.approx(np.full(3, steps[0, 0]), abs=0.11)
    assert steps[:, 1] / steps[0, 1] == pytest.approx([1.0, 0.0, -0.5], abs=0.01)


def test_moves_by_hand():
    lattice = Lattice.of(grid(4, 5))
    assert mean_move(lattice, np.array([0, 0, 1, 19])) == pytest.approx((1 + np.hypot(3, 3)) / 2)
    assert mean_move(lattice, np.array([3, 3])) is None


BODY = SourceData(
    frames=np.zeros((1, 4, 9)),
    points=np.arange(9).reshape(3, 3),
    unit="cm",
    joints=("nose", "left_wrist", "right_wrist"),
    edges=((0, 1), (0, 2)),
    rate=2.0,
)


def test_a_body_is_seen_from_the_front_and_a_little_from_its_left():
    front = BODY.from_front(np.array([[0, 5, 0, 10, 0, 0, 0, -7, 10.0]]))[0]
    assert front[:, 1].tolist() == [5.0, 0.0, -7.0]
    assert front[1, 0] == pytest.approx(10 * np.cos(np.radians(25)))
    assert front[2, 0] == pytest.approx(10 * np.sin(np.radians(25)))


def test_reconstructed_poses_are_as_far_off_as_told(make, read):
    """Joints lie (3, 4, 0) away from where the code puts them in half of the frames."""
    prototypes = np.stack([np.zeros(9), np.tile([3.0, 4.0, 0.0], 3)]) + np.arange(9)
    frames = np.tile(np.arange(9.0), (1, 4, 1))
    source = dataclasses.replace(BODY, frames=frames)
    arrays = {"codes.test": np.array([[0, 1, 1, 0]]), "prototypes": prototypes}
    figure = alone(make, arrays, source, "aist-standin")[1]["reconstruction"]
    assert "error is 2.50 cm on average, at least 0 and at most 5.00; the token changes 2 times" in figure.alt
    bones = [path for path in read.elements(figure, "path") if path.get("stroke-linecap") == "round"]
    # Four moments, in each row one outline of the left limbs (here none) and one of the rest.
    assert [len(read.points(path.get("d"))) for path in bones] == [8, 8]
    across, up = read.scale(figure, "x"), read.scale(figure, "y")
    lines = [line for path in read.elements(figure, "path") for line in read.points(path.get("d"))]
    curve = [(across(line[:, 0]), up(line[:, 1])) for line in lines if len(line) == 4]
    assert any(
        x == pytest.approx([0, 0.5, 1, 1.5], abs=0.02) and y == pytest.approx([0, 5, 5, 0], abs=0.1) for x, y in curve
    )


def test_poses_stand_where_their_codes_do(make, read):
    """The pose of row r and column c is the right arm pointing down, longer by row; bones end below one another."""
    places = grid(2, 3)
    prototypes = np.zeros((6, 9))
    prototypes[:, 7] = -10.0
    arrays = {"codes.test": np.array([[0, 1, 2, 3]]), "prototypes": prototypes, "positions": places}
    figure = alone(make, arrays, BODY, "aist-standin")[1]["poses"]
    bones = [path for path in read.elements(figure, "path") if path.get("stroke-linecap") == "round"]
    seen, unseen = (next(p for p in bones if (p.get("opacity") == "0.2") == pale) for pale in (False, True))
    starts = np.array(
        [line[0] for path in (seen, unseen) for line in read.points(path.get("d")) if np.ptp(line[:, 1]) > 1]
    )
    assert len(starts) == 6
    cell = starts[1, 0] - starts[0, 0]
    assert ((starts - starts[0]) / cell).round(2).tolist() == places[:, ::-1].tolist()
    assert "6 of 6 codes, 2 rows and 3 columns" in figure.alt
    assert "2 of them are used by no frame" in figure.alt


@pytest.mark.parametrize(
    ("sides", "rows", "columns", "count"),
    [((4, 5), 4, 5, 20), ((32, 32), 10, 10, 100), ((8, 5, 5, 5), 8, 5, 40), ((25,), 3, 10, 25), ((400,), 10, 10, 100)],
)
def test_a_large_grid_is_thinned_out_and_a_lattice_cut(sides, rows, columns, count):
    lattice = Lattice.of(np.indices(sides).reshape(len(sides), -1).T)
    codes, where, cut = chosen(lattice)
    assert len(codes) == len({*codes.tolist()}) == len({tuple(item) for item in where.tolist()}) == count
    assert (where.max(axis=0) + 1).tolist() == [rows, columns]
    assert cut == [side // 2 for side in sides[2:]]
    shown = lattice.positions[codes]
    assert (shown[:, 2:] == cut).all()
    if len(sides) > 1:  # order is kept, and both ends are shown
        for axis in (0, 1):
            assert {0, sides[axis] - 1} <= {*shown[:, axis].tolist()}
            assert (np.argsort(shown[:, axis], kind="stable") == np.argsort(where[:, axis], kind="stable")).all()


def test_an_attractor_has_a_mark_for_each_frame():
    red, blue = [255, 0, 0, 255], [0, 0, 255, 255]
    picture = raster(np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([red, blue], dtype=np.uint8), (20, 10))
    assert picture.shape == (20, 10, 4)
    assert (picture[18:, :2] == red).all()  # the lowest point lies lowest
    assert (picture[:2, 8:] == blue).all()
    assert (picture[..., 3] > 0).sum() == 8


def test_the_attractor_is_coloured_by_code_row_and_column(make, read):
    frames = np.array([[[0.0, 9.0, 0.0], [1.0, 9.0, 0.0], [0.0, 9.0, 1.0], [1.0, 9.0, 1.0]]])
    source = SourceData(frames=frames, points=np.array([[0, 1, 2]]))
    arrays = {"codes.test": np.array([[0, 1, 2, 3]]), "prototypes": frames[0], "positions": grid(2, 2)}
    figure = alone(make, arrays, source)[1]["attractor"]
    assert [element.text for element in read.elements(figure, "text")][:3] == ["by code", "by row", "by column"]
    _, row, column = pictures(read, figure)[:3]
    least, most = (sequential([end])[0].tolist() for end in (0.0, 1.0))
    assert row[-1, 0].tolist() == row[-1, -1].tolist() == least  # row 0 of the lattice has z = 0, which is below
    assert row[0, 0].tolist() == row[0, -1].tolist() == most
    assert column[-1, 0].tolist() == column[0, 0].tolist() == least
    assert column[-1, -1].tolist() == most
    assert "Places on the lattice tell 100% of the variance" in figure.alt


def test_grids_hold_what_hovering_shows(counted):
    run, _ = counted
    source = SourceData(frames=np.zeros((2, 10, 3)), points=np.array([[0, 1, 2]]))
    (output,) = grid_data(dataclasses.replace(run, source=lambda *_: source))
    assert json.loads(json.dumps(output, allow_nan=False)) == output
    assert (output["dataset"], output["row"], output["seed"], output["sides"], output["kind"]) == (
        "lorenz",
        "som-vq",
        0,
        [2, 3],
        "point",
    )
    assert output["use"] == [0, 1, 2, 3, 4, 10]
    assert output["values"] == [None, *([3.0 * k, 3.0 * k + 1, 3.0 * k + 2] for k in range(1, 6))]
    # Neighbours in a row decode to points 3 apart along every axis, those in a column 9 apart.
    side, below = 3 * np.sqrt(3), 9 * np.sqrt(3)
    corner, middle = (side + below) / 2, (2 * side + below) / 3
    assert output["umatrix"] == pytest.approx([corner, middle, corner] * 2, rel=0.005)


def test_a_grid_of_poses_holds_two_digits_a_coordinate(make):
    prototypes = np.zeros((4, 9))
    prototypes[1, 7] = -50.0  # the right wrist at the bottom
    prototypes[2, 1] = 50.0  # the nose at the top
    prototypes[3, 1] = 9e9  # never used, so it decides no scale
    arrays = {"codes.test": np.array([[0, 1, 2, 2]]), "prototypes": prototypes, "positions": grid(2, 2)}
    run, _ = alone(make, arrays, BODY, "aist-standin")
    (output,) = grid_data(run)
    assert (output["kind"], output["unit"], output["edges"]) == ("pose", "cm", [[0, 1], [0, 2]])
    joints = [None if item is None else re.findall(r"(\d\d)(\d\d)", item) for item in output["values"]]
    middle = joints[0][0]
    assert joints[3] is None
    assert joints[0] == [middle] * 3
    assert joints[1] == [middle, middle, (middle[0], "00")]
    assert joints[2] == [(middle[0], "99"), middle, middle]


def test_lattices_of_other_dimensions_have_no_grid(run):
    assert {(output["dataset"], output["row"]) for output in grid_data(run)} == {
        (dataset, row) for dataset in ("lorenz", "aist-standin") for row in ("som-vq", "som-vq:paper")
    }


def test_the_first_seed_that_is_done_and_stored_is_shown(make):
    run = make(rows={"som-vq": "family"}, datasets=("lorenz",), curves={}, measured=())
    table = run.table.copy()
    table.loc[table["seed"] == 0, "status"] = "failed"
    stored = run.codes
    later = dataclasses.replace(run, table=table, codes=lambda *at: stored(*at) if at[2] > 1 else None)
    (output,) = grid_data(later)
    assert output["seed"] == 2
    assert any("seed 2" in figure.alt for figure in draw(later))


def test_colours_of_rows_are_their_families(figures, read):
    shown = {
        kind: {path.get("stroke") for path in read.elements(figures[f"{kind}--lorenz--som-vq"], "path")}
        for kind in ("walk",)
    }
    family = {
        path.get("fill")
        for path in read.elements(figures["use--lorenz--vq"], "path")
        if (path.get("fill") or "").startswith("#")
    }
    assert shown["walk"] >= {"#cc1100"}
    assert family == {"#0055ff"}
    assert rgb("#cc1100") == (204, 17, 0)
