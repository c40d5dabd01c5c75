"""The choice of a codebook size, on errors that are made by hand and on a tiny sweep."""

import dataclasses

import pytest

import bench as door
import datasets
from bench.errors import UsageError
from bench.planning.request import Request
from bench.tuning.codebook_size import suggestion, sweep
from tests.builders import finished

LORENZ = Request(quantizers="vq-reset", datasets="lorenz", protocol="tiny")


@pytest.fixture(scope="module")
def planned():
    return sweep(LORENZ, sizes=(16, 32, 64), seeds=2)


def records(plan, errors):
    """Records with the error of each size; the two seeds lie .01 below and above it."""
    made = {}
    for cell in plan.cells:
        mse = errors[cell.capacity.codebook_size] + (0.01 if cell.seed > datasets.TUNING else -0.01)
        made[cell.key] = {"key": cell.key, "status": "done", "metrics": {"mse": mse, "active": 50.0}}
    return made


@pytest.mark.parametrize(
    ("errors", "within", "size", "at_the_end"),
    [
        ({16: 0.2, 32: 0.11, 64: 0.1}, 0.11, 32, True),
        ({16: 0.2, 32: 0.11, 64: 0.1}, 0.05, 64, True),
        ({16: 0.2, 32: 0.1, 64: 0.15}, 0.1, 32, False),
        ({16: 0.2, 32: 0.1, 64: 0.15}, 1.01, 16, False),
    ],
)
def test_the_smallest_size_near_the_best_is_suggested(planned, errors, within, size, at_the_end):
    run = finished(planned.plan, records(planned.plan, errors))
    suggested = suggestion(run, 1_024, within)
    assert (suggested.codebook_size, suggested.at_the_end) == (size, at_the_end)
    assert suggested.table["mse"].tolist() == pytest.approx(list(errors.values()))
    assert suggested.table["frames_per_code"].tolist() == [64.0, 32.0, 16.0]


def test_only_the_codebook_differs(planned):
    assert len({cell.protocol["hidden"] for cell in planned.plan.cells}) == 1
    assert {cell.seed for cell in planned.plan.cells} == {datasets.TUNING, datasets.TUNING + 1}


def test_default_sizes_leave_frames_for_every_code():
    planned = sweep(LORENZ, sizes=(), seeds=1)
    sizes = sorted(cell.capacity.codebook_size for cell in planned.plan.cells)
    assert sizes == [16, 32, 64, 128, 256, 512]
    assert planned.train_frames / sizes[-1] >= 4 > planned.train_frames / 1_024


def test_a_size_without_a_result_is_named(planned):
    made = records(planned.plan, {16: 0.2, 32: 0.1, 64: 0.1})
    for cell in planned.plan.cells:
        if cell.capacity.codebook_size == 32:
            made[cell.key]["status"] = "failed"
    with pytest.raises(UsageError, match="no result at K = 32; the same command tries again"):
        suggestion(finished(planned.plan, made), 1_024, 0.1)


@pytest.mark.parametrize(
    ("changes", "choices", "match"),
    [
        ({"datasets": "lorenz,cmu"}, {}, "expected one dataset, got 2: lorenz, cmu"),
        ({"datasets": "lorenzz"}, {}, "unknown dataset 'lorenzz'"),
        ({"quantizers": "vq@16"}, {}, "expected a quantizer without a size or a control, got 'vq@16'"),
        ({"quantizers": "kmeans"}, {}, "expected a quantizer without a size or a control, got 'kmeans'"),
        ({}, {"sizes": (16,)}, "expected --sizes with two sizes or more"),
        ({}, {"seeds": 0}, "expected --seeds between 1 and 1000, got 0"),
    ],
)
def test_bad_input_is_refused(changes, choices, match):
    with pytest.raises(UsageError, match=match):
        sweep(dataclasses.replace(LORENZ, **changes), **({"sizes": (), "seeds": 1} | choices))


def test_python_and_the_command_line_suggest_alike(tmp_path, bench_here):
    asked = {"sizes": (4, 16), "seeds": 1, "protocol": "tiny", "device": "cpu", "out": tmp_path / "run"}
    suggested = door.suggest_k("lorenz", **asked, progress=False)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").glob("*.json")}
    done = bench_here(
        *("suggest-k", "lorenz", "--sizes", "4,16", "--seeds", 1, "--protocol", "tiny", "--device", "cpu"),
        *("--out", tmp_path / "run"),
    )
    assert done.returncode == 0
    assert f"K = {suggested.codebook_size} is the smallest within 10 % of the best." in done.stdout
    assert f"{suggested.best.mse:.4g}" in done.stdout
    assert written == {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").glob("*.json")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--sizes", "16,many"), "expected --sizes to be whole numbers separated by commas (64,128), got '16,many'"),
        (("--within", "0"), "expected --within between 0 and 1000 %, got 0"),
    ],
)
def test_bad_options_are_refused_in_one_line(bench_here, options, message):
    done = bench_here("suggest-k", "lorenz", *options)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
