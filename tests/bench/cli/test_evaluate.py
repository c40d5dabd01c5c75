"""A run with references and controls, and what `bench evaluate` says of it, on the tiny protocol."""

import csv
import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from bench.api import setup
from bench.execution import job, tokenizers
from bench.execution.controls import PERMUTATIONS
from bench.execution.job import ChildJob
from bench.metrics import METRICS
from bench.metrics.base import Measurement
from bench.training.loop import train
from tests.builders import cell

ROOT = Path(__file__).resolve().parents[3]
ROWS = ("vq", "som-vq", "none", "kmeans", "vq+sorted", "vq+shuffled", "som-vq+shuffled-grid")
RUN = ("run", "--datasets", "lorenz", "--protocol", "tiny", "--device", "cpu", "--seeds", 1, "--quantizers")


@pytest.fixture(scope="module")
def bench(bench_here):
    return bench_here


@pytest.fixture(scope="module")
def finished(bench, tmp_path_factory):
    """Left as it is by every test here."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    done = bench(*RUN, ",".join(ROWS), "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def table(folder):
    with (folder / "results.csv").open(newline="") as file:
        return {row["quantizer"]: row for row in csv.DictReader(file)}


def record(folder, row):
    return json.loads((folder / "cells" / f"{table(folder)[row]['key']}.json").read_text())


def change(folder, row, **parts):
    path = folder / "cells" / f"{table(folder)[row]['key']}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | parts))


def metrics(folder):
    return {row: record(folder, row)["metrics"] for row in ROWS}


def stamps(folder, pattern):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob(pattern)}


def filled(row):
    return {name for name in METRICS if row[name] != ""}


def test_references_and_controls_have_their_roles_and_metrics(finished):
    rows = table(finished)
    assert [*rows] == [*ROWS]
    assert [row["role"] for row in rows.values()] == ["family"] * 2 + ["reference"] * 2 + ["control"] * 3
    assert filled(rows["none"]) == {"mse", "explained", "error_units"}
    assert not filled(rows["kmeans"]) & {"steps_within_10", "steps_within_20", "topographic_error"}
    assert filled(rows["vq+sorted"]) >= {"topographic_error", "topology_gain", "grid_step"}
    assert not filled(rows["vq"]) & filled(rows["vq+sorted"])
    assert "bits_per_frame" in filled(rows["vq+shuffled"])
    assert filled(rows["som-vq+shuffled-grid"]) < filled(rows["som-vq"])


def test_the_autoencoder_alone_is_the_floor_of_the_error(finished):
    actual = {row: float(value["mse"]) for row, value in table(finished).items() if value["mse"]}
    assert all(actual["none"] <= actual[row] for row in ("vq", "som-vq"))


def test_a_control_trains_nothing_and_adds_no_weights(finished):
    rows = table(finished)
    for control in ("vq+sorted", "vq+shuffled", "som-vq+shuffled-grid"):
        base = control.partition("+")[0]
        assert rows[control]["train_seconds"] == rows[base]["train_seconds"]
        assert record(finished, control)["cell"]["tokenizer_key"] == rows[base]["key"]
    weights = {name.removesuffix(".safetensors") for name in stamps(finished, "*.safetensors") if ".codes." not in name}
    assert weights == {rows[row]["key"] for row in ("vq", "som-vq", "none", "kmeans")}


def test_a_null_line_keeps_its_draws_and_tells_their_mean(finished):
    kept = record(finished, "som-vq+shuffled-grid")
    draws = kept["null"]["grid_step"]
    assert len(draws) == PERMUTATIONS
    assert kept["metrics"]["grid_step"] == pytest.approx(sum(draws) / PERMUTATIONS)


def test_the_curves_of_readers_are_kept_beside_their_metrics(bench, copy):
    curves = {row: record(copy, row)["curves"] for row in ROWS}
    readers = {"seq_ppl", "bits_per_frame", "bits_eighth"}
    # On "tiny": two updates barely, four at most with a check every second.
    assert {name: [at for at, _ in curve] for name, curve in curves["vq"].items()} == {
        "seq_ppl": [2],
        "bits_per_frame": [2, 4],
        "bits_eighth": [2, 4],
    }
    assert {row: set(curves[row]) for row in ROWS} == {
        row: set() if row in ("none", "vq+sorted", "som-vq+shuffled-grid") else readers for row in ROWS
    }
    assert all(ppl > 1.0 for curve in curves["vq+shuffled"].values() for _, ppl in curve)
    kept = record(copy, "vq")
    keys = kept["metric_keys"] | {"mse": "of another code", "bits_eighth": "of another code"}
    altered = {name: [[at, 7.0] for at, _ in curve] for name, curve in curves["vq"].items()}
    change(copy, "vq", metric_keys=keys, curves=altered)
    assert bench(*RUN, ",".join(ROWS), "--out", copy).returncode == 0
    assert record(copy, "vq")["curves"] == altered | {"bits_eighth": curves["vq"]["bits_eighth"]}
    assert bench("evaluate", copy).returncode == 0
    assert record(copy, "vq")["curves"] == curves["vq"]


def test_a_reader_that_breaks_down_after_its_best_check_leaves_a_gap(monkeypatch):
    broken = Measurement(value=3.0, curve=((2, 3.5), (4, math.nan), (6, math.inf)))
    monkeypatch.setitem(METRICS, "broken", dataclasses.replace(METRICS["seq_ppl"], function=lambda _: broken))
    output = {"metrics": {}, "curves": {}}
    ChildJob._measure(None, cell("key"), "broken", None, output)
    assert output == {"metrics": {"broken": 3.0}, "curves": {"broken": [(2, 3.5), (4, None), (6, None)]}}


def test_kmeans_codes_are_scikit_learns_and_its_error_theirs(finished):
    import numpy as np
    from safetensors.numpy import load_file

    import datasets

    key = table(finished)["kmeans"]["key"]
    stored = load_file(finished / "cells" / f"{key}.codes.safetensors")
    data = datasets.load("lorenz", seed=0, sequences=12)
    frames = data.frames["test"].reshape(-1, data.width).astype(np.float64)
    distances = ((frames[:, None] - stored["codebook"].astype(np.float64)) ** 2).sum(2)
    assert distances.argmin(1).tolist() == stored["codes.test"].flatten().tolist()
    features = stored["prototypes"].shape[1]
    error = distances.min(1).mean() / features  # and a little more, which the projection of the frames lost
    assert record(finished, "kmeans")["metrics"]["mse"] == pytest.approx(error, rel=1e-3)


def test_a_deleted_control_alone_is_measured_again(bench, copy):
    before = metrics(copy)
    (copy / "cells" / f"{table(copy)['vq+sorted']['key']}.json").unlink()
    (copy / "cells" / f"{table(copy)['vq']['key']}.log").touch()  # of the job that was killed before the control
    (copy / "cells" / f"{table(copy)['kmeans']['key']}.log").touch()  # and of one killed after its last record
    others, weights = stamps(copy, "*.json"), stamps(copy, "*.safetensors")
    done = bench(*RUN, ",".join(ROWS), "--out", copy)
    assert done.returncode == 0
    after = stamps(copy, "*.json")
    assert {name: after[name] for name in others} == others
    assert len(after) == len(others) + 1
    assert stamps(copy, "*.safetensors") == weights
    assert metrics(copy) == before
    assert not stamps(copy, "*.log")


def test_controls_of_a_tokenizer_that_goes_train_it_once(bench, copy):
    """Its record is gone and its weights with it, and a control asked for alone trains what it needs."""
    before, key = metrics(copy), table(copy)["vq"]["key"]
    for row in ("vq", "vq+sorted", "vq+shuffled"):
        (copy / "cells" / f"{table(copy)[row]['key']}.json").unlink()
    (copy / "cells" / f"{key}.safetensors").unlink()
    assert bench(*RUN, "vq+sorted", "--out", copy).returncode == 0
    written = stamps(copy, f"{key}.safetensors")
    assert len(written) == 1
    assert bench(*RUN, ",".join(ROWS), "--out", copy).returncode == 0
    assert metrics(copy) == before
    assert record(copy, "vq")["train_seconds"] == record(copy, "vq+sorted")["train_seconds"]


def test_rerun_all_trains_a_tokenizer_once_for_all_its_rows(bench, copy):
    before, weights = metrics(copy), stamps(copy, "*.safetensors")
    assert bench(*RUN, ",".join(ROWS), "--out", copy, "--rerun", "all").returncode == 0
    assert metrics(copy) == before
    after = stamps(copy, "*.safetensors")
    assert all(after[name] != stamp for name, stamp in weights.items())
    assert {record(copy, row)["train_seconds"] for row in ("vq", "vq+sorted", "vq+shuffled")} == {
        record(copy, "vq")["train_seconds"]
    }


def test_controls_of_a_tokenizer_that_cannot_be_trained_fail_with_it(bench, tmp_path):
    def breaks(models, *arguments, **named):
        if models[0].quantizer.positions is None:
            raise RuntimeError("cannot be trained")
        return [dataclasses.replace(history, diverged=True) for history in train(models, *arguments, **named)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizers, "train", breaks)
        done = bench(*RUN, "vq+sorted,vq,som-vq,som-vq+shuffled", "--out", tmp_path)
    assert done.returncode == 3
    statuses = {"vq+sorted": "failed", "vq": "failed", "som-vq": "diverged", "som-vq+shuffled": "diverged"}
    assert {row: value["status"] for row, value in table(tmp_path).items()} == statuses
    assert record(tmp_path, "vq+sorted")["error"]["message"] == "cannot be trained"
    assert bench(*RUN, "vq+sorted,vq", "--out", tmp_path, "--rerun", "failed").returncode == 0
    assert record(tmp_path, "vq")["train_seconds"] == record(tmp_path, "vq+sorted")["train_seconds"]


def test_evaluating_agrees_with_the_run_and_trains_nothing(bench, copy):
    before, weights = metrics(copy), stamps(copy, "*.safetensors")
    others, plan = stamps(copy, "*.json"), json.loads((copy / "plan.json").read_text())
    done = bench("evaluate", copy)
    assert done.returncode == 0, done.stderr
    output = done.stdout.splitlines()[-1].split()
    assert output[1:] == f"of {output[0]} recorded values agree (relative 1e-06)".split()
    assert int(output[0]) == sum(len(item) for item in before.values())
    assert metrics(copy) == before
    assert all(stamp != others[name] for name, stamp in stamps(copy, "*.json").items())
    kept = {name: stamp for name, stamp in stamps(copy, "*.safetensors").items() if ".codes." not in name}
    assert kept.items() <= weights.items()
    assert json.loads((copy / "plan.json").read_text()) == plan
    assert bench(*RUN, ",".join(ROWS), "--out", copy).returncode == 0  # and the run finds nothing to do
    assert metrics(copy) == before


def test_evaluating_tells_each_value_that_differs(bench, copy):
    before = metrics(copy)
    change(copy, "vq", metrics=before["vq"] | {"mse": 0.125})
    change(copy, "vq+sorted", metrics=before["vq+sorted"] | {"topographic_error": None})
    done = bench("evaluate", copy)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert f"vq lorenz seed 0 mse: recorded 0.125, now {before['vq']['mse']}" in lines
    assert any(line.startswith("vq+sorted lorenz seed 0 topographic_error: recorded None, now") for line in lines)
    assert len([line for line in lines if "recorded" in line and "now" in line]) == 2
    assert metrics(copy) == before


def test_what_cannot_be_evaluated_keeps_its_record(bench, copy):
    before, key = metrics(copy), table(copy)["vq"]["key"]
    (copy / "cells" / f"{key}.safetensors").unlink()
    change(copy, "kmeans", status="failed", error={"type": None, "message": "killed by SIGKILL", "traceback": None})
    (copy / "cells" / f"{table(copy)['kmeans']['key']}.safetensors").unlink()
    done = bench("evaluate", copy)
    assert done.returncode == 3
    assert (copy / "report.md").read_text().count("no stored weights to evaluate") == 3
    assert {row: table(copy)[row]["status"] for row in ("vq", "vq+sorted", "som-vq", "kmeans")} == {
        "vq": "failed",
        "vq+sorted": "failed",
        "som-vq": "done",
        "kmeans": "failed",
    }
    assert record(copy, "vq")["status"] == "done"
    assert record(copy, "kmeans")["error"]["message"] == "killed by SIGKILL"
    assert metrics(copy) == before
    assert not stamps(copy, "*.failure")
    assert bench(*RUN, "vq,vq+sorted", "--out", copy).returncode == 0  # what was measured still counts


def test_a_metric_that_fails_when_evaluated_keeps_the_record(bench, copy, monkeypatch):
    def broken(trained):
        raise RuntimeError("broken metric")

    before = metrics(copy)
    monkeypatch.setitem(job.METRICS, "active", dataclasses.replace(METRICS["active"], function=broken))
    assert bench("evaluate", copy).returncode == 3
    assert "broken metric" in (copy / "report.md").read_text()
    assert (table(copy)["vq"]["status"], table(copy)["vq+sorted"]["status"]) == ("failed", "done")
    assert metrics(copy) == before
    assert record(copy, "vq")["status"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_evaluation_cut_off_half_way_keeps_every_record(bench, copy, how):
    before, stamped = metrics(copy), stamps(copy, "*.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", "evaluate", str(copy), "--jobs", "1"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while stamps(copy, "*.json") == stamped and time.monotonic() < deadline:
        time.sleep(0.05)
    if how == signal.SIGKILL:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    assert process.wait(30) == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    time.sleep(1.5)  # nothing of the killed group may still be writing
    assert {row: record(copy, row)["status"] for row in ROWS} == dict.fromkeys(ROWS, "done")
    assert metrics(copy) == before
    assert bench("evaluate", copy).returncode == 0
    assert not stamps(copy, "*.job")


def test_all_seeds_of_a_row_and_its_controls_are_one_job_on_a_gpu(bench, tmp_path, monkeypatch):
    """With the jobs that a GPU gets, done on the CPU: rows of another codebook size are jobs of their own."""
    jobs = []

    original = ChildJob.__init__

    def on_cpu(self, spec):
        jobs.append([(task["cell"]["row"], task["cell"]["seed"]) for task in spec["tasks"]])
        original(self, spec | {"device": "cpu"})

    monkeypatch.setattr(ChildJob, "__init__", on_cpu)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "none")
    monkeypatch.setattr(setup, "chosen_device", lambda name, executor: "cuda")
    wanted = ["vq", "vq@8", "vq+sorted", "vq@8+shuffled", "kmeans"]
    done = bench(*RUN[:-2], 2, "--quantizers", ",".join(wanted), "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(sorted(cells) for cells in jobs) == [
        [("kmeans", 0), ("kmeans", 1)],
        [("vq", 0), ("vq", 1), ("vq+sorted", 0), ("vq+sorted", 1)],
        [("vq@8", 0), ("vq@8", 1), ("vq@8+shuffled", 0), ("vq@8+shuffled", 1)],
    ]
    kept = [json.loads(path.read_text()) for path in (tmp_path / "cells").glob("*.json")]
    assert len(kept) == 10
    for item in kept:
        assert item["cell"]["capacity"]["codebook_size"] == (8 if "@8" in item["cell"]["row"] else 16)
        assert item["metrics"].keys() == item["metric_keys"].keys()


def test_a_profile_tells_every_second_once(bench, finished, copy):
    assert "## Where the time goes" not in (finished / "report.md").read_text()
    assert not (finished / "profile.csv").exists()
    assert bench(*RUN, ",".join(ROWS), "--out", copy, "--profile").returncode == 0
    assert "## Where the time goes" in (copy / "report.md").read_text()
    spent = {}
    with (copy / "profile.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            spent.setdefault(row["quantizer"], {})[row["part"]] = float(row["seconds"])
    assert [*spent] == [*ROWS]
    assert all(seconds >= 0.0 for parts in spent.values() for seconds in parts.values())
    apart = {"start-up", "data", "write"}
    for row, parts in spent.items():
        kept = record(copy, row)
        training = parts.pop("warm-up", 0.0) + parts.pop("train", 0.0)
        shared = row in ("vq+sorted", "vq+shuffled", "som-vq+shuffled-grid")
        assert training == pytest.approx(0.0 if shared else kept["train_seconds"])
        assert parts.keys() - apart == {"encode", *kept["metrics"]}
        measuring = sum(seconds for part, seconds in parts.items() if part not in apart)
        assert measuring == pytest.approx(kept["eval_seconds"])


@pytest.mark.parametrize("breaks", [False, True])
def test_on_a_gpu_the_readers_of_all_cells_are_trained_before_they_are_measured(bench, tmp_path, monkeypatch, breaks):
    """With a GPU's order of work, done on the CPU; a batch that breaks down costs no metric."""
    calls = []
    train_readers = job.train_readers

    def noted(subjects, names):
        calls.append(len(subjects))
        if breaks:
            raise RuntimeError("out of memory")
        train_readers(subjects, names)

    original = ChildJob.__init__

    def as_on_cuda(self, spec):
        original(self, spec)
        self.as_batch = True

    command = (*RUN[:-2], 2, "--quantizers", "som-vq,som-vq+shuffled")
    assert bench(*command, "--out", tmp_path / "cpu").returncode == 0
    monkeypatch.setattr(job, "train_readers", noted)
    monkeypatch.setattr(ChildJob, "__init__", as_on_cuda)
    assert bench(*command, "--out", tmp_path / "cuda").returncode == 0
    assert calls == [2, 2]  # each job has one seed here, and its control
    for path in (tmp_path / "cpu" / "cells").glob("*.json"):
        expected, actual = (
            json.loads((tmp_path / device / "cells" / path.name).read_text()) for device in ("cpu", "cuda")
        )
        assert actual["metrics"] == expected["metrics"]
        assert (actual["phases"].keys() - expected["phases"].keys()) == {"readers"}
