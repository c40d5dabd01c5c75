"""`bench baseline` and `bench check` through the command line, on the tiny protocol."""

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.execution.job import ChildJob
from bench.gate import baseline, null_pairs
from bench.metrics import METRICS

ROOT = Path(__file__).resolve().parents[3]
RUN = ("run", "--datasets", "lorenz", "--protocol", "tiny", "--device", "cpu", "--quantizers", "vq,vq+shuffled")
SEEDS = ("--seeds", 2)


@pytest.fixture(scope="module")
def finished(bench_here, tmp_path_factory):
    """A run of one family and a control over two seeds; left as it is by every test here."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    done = bench_here(*RUN, *SEEDS, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def kept(bench_here, finished, tmp_path_factory):
    """Its baseline with two null pairs."""
    file = tmp_path_factory.mktemp("baselines") / "tiny.json"
    done = bench_here("baseline", finished, "-o", file, "--null-pairs", 2)
    assert done.returncode == 0, done.stderr
    assert "smallest loss" in done.stdout
    return file


@pytest.fixture
def copy(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def records(folder):
    actual = [(path, json.loads(path.read_text())) for path in sorted((folder / "cells").glob("*.json"))]
    return [(path, record) for path, record in actual if not record["cell"]["control"]]


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}


def test_null_pairs_are_the_same_data_and_other_trainings(finished, kept):
    (row,) = baseline.read(kept).rows.values()
    assert row.trainings.data_seeds == row.null.data_seeds == (0, 1)
    output = [record["cell"] for _, record in records(finished / "null")]
    assert sorted(cell["data_seed"] for cell in output) == [0, 1]
    assert len({cell["train_seed"] for cell in output} | {0, 1}) == 4
    digests = {}
    for folder in (finished, finished / "null"):
        for _, record in records(folder):
            digests.setdefault(record["cell"]["data_seed"], set()).add(record["data"]["sha256"])
    assert {seed: len(value) for seed, value in digests.items()} == {0: 1, 1: 1}
    assert row.trainings.values["mse"] != row.null.values["mse"]


def test_a_baseline_holds_what_the_run_measured(finished, kept):
    (pair, row), *others = baseline.read(kept).rows.items()
    assert (pair, others) == (("vq", "lorenz"), [])  # no control
    output = {record["cell"]["seed"]: record["metrics"] for _, record in records(finished)}
    watched = {"active", *(name for name, metric in METRICS.items() if metric.direction != "none")}
    assert row.trainings.values.keys() == {name for name, value in output[0].items() if value is not None} & watched
    for name, column in row.trainings.values.items():
        assert list(column) == [output[0][name], output[1][name]]


def test_the_same_baseline_command_trains_nothing_again(bench_here, finished, kept, tmp_path):
    before = stamps(finished / "null")
    assert bench_here("baseline", finished, "-o", tmp_path / "again.json", "--null-pairs", 2).returncode == 0
    assert stamps(finished / "null") == before
    assert baseline.read(tmp_path / "again.json").rows == baseline.read(kept).rows


def test_null_pairs_are_set_apart_from_the_run(finished, kept):
    report = (finished / "null" / "report.md").read_text()
    assert "null" not in (finished / "report.md").read_text()
    assert (finished / "null" / "rankings.csv").read_text().count("\n") == 1
    assert "`vq`" in report


def test_unchanged_code_holds_with_differences_of_exactly_zero(bench_here, kept, tmp_path):
    assert bench_here(*RUN, *SEEDS, "--out", tmp_path / "again").returncode == 0
    done = bench_here("check", tmp_path / "again", "--baseline", kept, "--junit", tmp_path / "report.xml")
    assert (done.returncode, done.stderr) == (0, "")
    assert "quality holds: 0 fell, 0 rose" in done.stdout
    outputs = [case.findtext("system-out") for case in ElementTree.parse(tmp_path / "report.xml").iter("testcase")]
    assert len(outputs) > 10
    assert all(", unchanged over 2 seeds" in item for item in outputs)


def test_a_fall_is_exit_one_and_named(bench_here, copy, kept, tmp_path):
    for path, record in records(copy):
        record["metrics"]["mse"] *= 100
        path.write_text(json.dumps(record))
    done = bench_here("check", copy, "--baseline", kept, "--github", "--junit", tmp_path / "report.xml")
    assert done.returncode == 1
    assert done.stdout.startswith("fell: vq on lorenz, mse ")
    assert "lost 9900.0%" in done.stdout
    (command,) = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert command.startswith("::error title=vq on lorenz%2C mse fell::")
    suite = ElementTree.parse(tmp_path / "report.xml").getroot().find("testsuite")
    assert (suite.get("failures"), suite.get("errors")) == ("1", "0")


def test_a_rise_is_told_and_holds(bench_here, copy, kept):
    for path, record in records(copy):
        record["metrics"]["mse"] -= 100
        path.write_text(json.dumps(record))
    done = bench_here("check", copy, "--baseline", kept)
    assert done.returncode == 0
    assert done.stdout.startswith("rose: vq on lorenz, mse ")


def test_another_protocol_is_exit_two_with_the_reason(bench_here, kept, tmp_path):
    assert bench_here(*RUN, "--seeds", 1, "--codebook-size", 9, "--out", tmp_path / "nine").returncode == 0
    done = bench_here("check", tmp_path / "nine", "--baseline", kept)
    assert done.returncode == 2
    assert "protocol.codebook_size is 16 in the baseline and 9 in this run" in done.stdout
    assert "nothing was measured" in done.stdout


def test_a_metric_that_the_run_lacks_is_exit_two_with_the_reason(bench_here, copy, kept):
    for path, record in records(copy):
        record["metrics"]["trust"] = None
        path.write_text(json.dumps(record))
    done = bench_here("check", copy, "--baseline", kept)
    assert done.returncode == 2
    assert "not measured: vq on lorenz, trust: " in done.stdout
    assert "not everything was measured" in done.stdout


def test_another_device_is_exit_two_with_the_reason(bench_here, copy, kept):
    for path, record in records(copy):
        path.write_text(json.dumps(record | {"device": "cuda"}))
    done = bench_here("check", copy, "--baseline", kept)
    assert done.returncode == 2
    assert "device is 'cpu' in the baseline and 'cuda' in this run" in done.stdout


def test_a_failed_cell_is_exit_three_with_its_cause(bench_here, copy, kept):
    (path, record), *_ = records(copy)
    error = {"type": "RuntimeError", "message": "went wrong", "traceback": None}
    path.write_text(json.dumps({"status": "failed", "error": error} | {k: record[k] for k in record if k != "status"}))
    done = bench_here("check", copy, "--baseline", kept)
    assert done.returncode == 3
    assert "failed: RuntimeError: went wrong" in done.stdout
    refused = bench_here("baseline", copy, "-o", copy / "out.json")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "no baseline without a result of vq on lorenz, seed" in refused.stderr
    assert not (copy / "null" / "plan.json").exists() or not (copy / "out.json").exists()


def test_a_null_pair_that_fails_leaves_no_baseline_and_is_tried_again(bench_here, copy, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no luck")

    command = ("baseline", copy, "-o", tmp_path / "out.json", "--null-pairs", 3)
    with monkeypatch.context() as patch:
        patch.setattr(ChildJob, "_begin", fail)
        done = bench_here(*command)
    assert done.returncode == 3
    assert not (tmp_path / "out.json").exists()
    done = bench_here(*command)
    assert done.returncode == 0, done.stderr
    (row,) = baseline.read(tmp_path / "out.json").rows.values()
    assert row.null.data_seeds == (0, 1, 0)


def test_more_null_pairs_keep_the_first(finished):
    plan = null_pairs.finished(null_pairs.Store(finished)).plan
    few, many = (null_pairs.null_plan(plan, pairs).cells for pairs in (2, 5))
    assert {cell.key for cell in few} < {cell.key for cell in many}
    assert len({cell.key for cell in many}) == 5


def test_a_run_of_other_code_gets_no_null_pairs(bench_here, finished, tmp_path, monkeypatch):
    monkeypatch.setattr(null_pairs, "training_code", lambda *_: {"family": "changed"})
    done = bench_here("baseline", finished, "-o", tmp_path / "out.json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "made by other code" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("baseline", "RUN", "-o", "out.json", "--null-pairs", 1), "--null-pairs of at least 2, got 1"),
        (("baseline", "RUN", "-o", "out.json", "--jobs", 0), "--jobs of at least 1"),
        (("baseline", "absent", "-o", "out.json"), "no run folder absent"),
        (("check", "absent", "--baseline", "KEPT"), "no run folder absent"),
        (("check", "RUN", "--baseline", "absent.json"), "bench baseline RUN -o FILE makes one"),
        (("check", "RUN", "--baseline", "RUN/plan.json"), "no baseline of this version"),
        (("check", "RUN"), "--baseline"),
        (("baseline", "RUN"), "--out"),
    ],
)
def test_bad_usage_is_one_line_and_exit_two(bench_here, finished, kept, arguments, expected):
    names = {"RUN": str(finished), "KEPT": str(kept), "RUN/plan.json": str(finished / "plan.json")}
    done = bench_here(*(names.get(str(item), item) for item in arguments))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert expected in done.stderr


@pytest.mark.slow
def test_a_bug_in_a_plug_in_is_caught_and_a_clean_edit_is_not(bench, tmp_path):
    """By real runs: the README's quantizer, then with its sums in another order, then with half of its codes lost."""
    (shown,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    edited = shown.replace("sums.index_add(0, codes, z)", "sums.index_add(0, codes.flip(0), z.flip(0))")
    broken = shown.replace("nearest(z, self.vectors)", "nearest(z, self.vectors[: self.num_codes // 2])")
    assert len({shown, edited, broken}) == 3
    plugin, runs = tmp_path / "macqueen.py", {}
    for name, source in (("shown", shown), ("edited", edited), ("broken", broken)):
        plugin.write_text(source)
        runs[name] = tmp_path / name
        options = ("--datasets", "lorenz", "--protocol", "tiny", "--seeds", 3, "--out", runs[name])
        done = bench("run", "--plugin", plugin, "--quantizers", "macqueen", "--device", "cpu", *options)
        assert done.returncode == 0, done.stderr
        if name == "shown":
            kept = ("baseline", runs[name], "--plugin", plugin, "-o", tmp_path / "kept.json", "--null-pairs", 6)
            assert bench(*kept).returncode == 0
    checked = {name: bench("check", folder, "--baseline", tmp_path / "kept.json") for name, folder in runs.items()}
    assert {name: done.returncode for name, done in checked.items()} == {"shown": 0, "edited": 0, "broken": 1}
    assert "fell: macqueen on lorenz, active" in checked["broken"].stdout
