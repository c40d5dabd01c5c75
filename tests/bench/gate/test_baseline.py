import json

import pytest

from bench.errors import UsageError
from bench.gate.baseline import Baseline, Measured, Series, read, write
from bench.metrics import METRICS

ROW = Measured(
    {"parameters": {"levels": [8, 5]}, "device": "cpu"},
    Series((0, 1), {"mse": (0.1, 0.1 + 1e-17), "trust": (0.9, None)}),
    Series((0, 1, 0), {"mse": (0.2, 1 / 3, 0.3), "trust": (None, 0.8, 0.7)}),
)
KEPT = Baseline({"version": "0.1.0"}, {("vq", "lorenz"): ROW, ("fsq", 'a "b"'): ROW})


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "baseline.json"
    write(KEPT, path)
    return path


def test_what_is_written_is_read_to_the_last_bit(file):
    assert read(file) == KEPT


def test_a_row_is_a_line(file):
    lines = file.read_text().splitlines()
    assert sum('"row"' in line for line in lines) == 2


def test_blanks_are_left_out_of_the_noise():
    assert ROW.trainings.by_seed("trust") == {0: [0.9]}
    assert ROW.noise(METRICS["mse"]).freedom == 3
    assert ROW.noise(METRICS["trust"]).freedom == 1


def test_the_noise_of_a_target_is_that_of_the_distance_from_it():
    values = {"distortion_ratio": (0.9,)}
    row = Measured({}, Series((0,), values), Series((0,), {"distortion_ratio": (1.1,)}))
    assert row.noise(METRICS["distortion_ratio"]).std == pytest.approx(0.1)  # the smallest loss that matters alone


def test_a_metric_whose_noise_is_not_known_is_left_out():
    run = Measured({}, Series((0,), {"mse": (0.1,), "trust": (None,), "cont": (0.9,), "active": (100.0,)}))
    null = Series((0, 0), {"mse": (0.2, 0.3), "trust": (0.9, 0.8), "cont": (None, None), "active": (None, 100.0)})
    actual = run.with_null(null)
    assert [*actual.trainings.values] == [*actual.null.values] == ["mse", "active"]
    assert actual.trainings.data_seeds == (0,)


def change(values, *path):
    *to, (last, value) = path
    for name in to:
        values = values[name]
    values[last] = value


@pytest.mark.parametrize(
    "path",
    [
        [("schema", 2)],
        [("rows", None)],
        [("made", None)],
        ["rows", 0, ("conditions", None)],
        ["rows", 0, ("trainings", {})],
        ["rows", 0, "trainings", ("data_seeds", [0])],
        ["rows", 0, "trainings", ("data_seeds", ["x", 1])],
        ["rows", 0, "trainings", "values", ("mse", [0.1])],
        ["rows", 0, "trainings", "values", ("mse", [0.1, float("nan")])],
        ["rows", 0, "trainings", "values", ("mse", [0.1, float("inf")])],
        ["rows", 0, "trainings", "values", ("mse", [0.1, "0.2"])],
        ["rows", 0, "trainings", "values", ("mse", [0.1, True])],
        ["rows", 0, "trainings", "values", ("cont", [0.1, 0.2])],
        ["rows", 0, "null", ("values", {})],
    ],
)
def test_a_damaged_baseline_is_refused(file, path):
    kept = json.loads(file.read_text())
    change(kept, *path)
    file.write_text(json.dumps(kept))
    with pytest.raises(UsageError, match="no baseline of this version"):
        read(file)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", '"x"', '{"schema": 1}'])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match="bench baseline RUN -o FILE makes one"):
        read(tmp_path / "x.json")


def test_a_number_too_large_is_refused(file):
    file.write_text(file.read_text().replace("0.9", "1e999", 1))
    with pytest.raises(UsageError, match="finite"):
        read(file)


def test_unreadable_and_unwritable_files_are_bad_usage(tmp_path):
    (tmp_path / "latin").write_bytes(b'{"schema": "\xe9"}')
    with pytest.raises(UsageError, match="no baseline of this version"):
        read(tmp_path / "latin")
    with pytest.raises(UsageError, match="no baseline at"):
        read(tmp_path)
    with pytest.raises(UsageError, match="cannot write"):
        write(KEPT, tmp_path / "absent" / "x.json")
