"""Whole runs through the command line, on the tiny protocol."""

import csv
import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.metrics import METRICS

ROOT = Path(__file__).resolve().parents[3]
RUN = ("run", "--datasets", "lorenz", "--protocol", "tiny", "--device", "cpu")
TIMINGS = ("train_seconds", "eval_seconds")
BLANK_WITHOUT_POSITIONS = {name for name, metric in METRICS.items() if "positions" in metric.needs}
BLANK_AT_SIXTEEN_CODES = {"grid_trust", "grid_cont"}  # nine cells are more than half of the frames
OF_CURVES = {"rate_excess"}  # no VQ of several sizes here
OF_LABELS = {"label_information", "label_probe"}  # which Lorenz does not have


def rows(folder):
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def measured(folder):
    """results.csv without what a clock says."""
    return [{name: value for name, value in row.items() if name not in TIMINGS} for row in rows(folder)]


def touched(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}


@pytest.fixture(scope="module")
def finished(bench, tmp_path_factory):
    """A run of two families, one without and one with positions, over two seeds."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    done = bench(*RUN, "--quantizers", "vq,som-vq", "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_leaves_what_it_should(finished):
    actual = {path.name for path in finished.iterdir()}
    files = {"report.html", "report.md", "tables", "figures", "plan.json", "environment.json", "environments", "cells"}
    files |= {".lock"}
    assert actual == files | {
        f"{name}.csv"
        for name in ("results", "summary", "rankings", "claims", "nulls", "spread", "diagnosis", "rates", "indices")
    }
    page = (finished / "report.html").read_text()
    assert all(path.read_text().strip() in page for path in (finished / "figures").iterdir())
    assert len([*finished.glob("figures/use--*.svg")]) > 1
    table = rows(finished)
    assert [(row["quantizer"], row["seed"], row["status"]) for row in table] == [
        ("vq", "0", "done"),
        ("vq", "1", "done"),
        ("som-vq", "0", "done"),
        ("som-vq", "1", "done"),
    ]
    for row in table:
        blank = {name for name in METRICS if row[name] == ""}
        of_row = BLANK_WITHOUT_POSITIONS if row["quantizer"] == "vq" else BLANK_AT_SIXTEEN_CODES
        assert blank == of_row | OF_CURVES | OF_LABELS
        assert row["role"] == "family"
        assert row["real"] == "True"
        assert row["codebook_size"] == "16"
        assert float(row["bits_per_token"]) == 4.0
        for suffix in (".json", ".safetensors", ".codes.safetensors"):
            assert (finished / "cells" / f"{row['key']}{suffix}").exists()
    assert not list((finished / "cells").glob("*.log"))
    assert [*table[0]][-5:] == ["train_seconds", "eval_seconds", "device", "key", "role"]
    kept = json.loads((finished / "plan.json").read_text())
    assert [(cell["row"], str(cell["seed"])) for cell in kept["cells"]] == [
        (row["quantizer"], row["seed"]) for row in sorted(table, key=lambda row: row["seed"])
    ]
    facts = json.loads((finished / "environment.json").read_text())
    assert facts["packages"]["torch"]
    report = (finished / "report.md").read_text()
    assert "fewer than 3 seeds" in report
    assert re.search(r"\| som-vq +\| 2 of 2", report)


def test_codes_and_prototypes_are_stored(finished):
    from safetensors.numpy import load_file

    key = rows(finished)[2]["key"]
    stored = load_file(finished / "cells" / f"{key}.codes.safetensors")
    assert stored["codes.train"].shape == (8, 297)
    assert stored["codebook"].shape == (16, 8)
    assert stored["positions"].shape == (16, 2)
    assert stored["prototypes"].shape == (16, 24)


def test_the_same_command_runs_nothing_again(bench, finished):
    before = touched(finished)
    results = (finished / "results.csv").read_bytes()
    done = bench(*RUN, "--quantizers", "vq,som-vq", "--out", finished)
    assert done.returncode == 0
    assert touched(finished) == before
    assert (finished / "results.csv").read_bytes() == results


def test_a_truncated_record_is_told_and_runs_again(bench, finished):
    before = measured(finished)
    record = finished / "cells" / f"{before[0]['key']}.json"
    record.write_text(record.read_text()[:200])
    others = {name: time for name, time in touched(finished).items() if name != record.name}
    done = bench(*RUN, "--quantizers", "vq,som-vq", "--out", finished)
    assert done.returncode == 0
    assert f"warning: {record} is damaged" in done.stderr
    assert measured(finished) == before
    assert {name: time for name, time in touched(finished).items() if name != record.name} == others


def test_a_changed_metric_is_measured_again_without_training(bench, finished):
    before = rows(finished)
    path = finished / "cells" / f"{before[0]['key']}.json"
    record = json.loads(path.read_text())
    record["metric_keys"]["mse"], record["metrics"]["mse"] = "of another code", 123.0
    record["metrics"]["active"] = 77.0  # its key is current, so it must be kept
    path.write_text(json.dumps(record))
    weights = finished / "cells" / f"{before[0]['key']}.safetensors"
    written = weights.stat().st_mtime_ns
    assert bench(*RUN, "--quantizers", "vq,som-vq", "--out", finished).returncode == 0
    after = rows(finished)
    assert after[0]["mse"] == before[0]["mse"]
    assert float(after[0]["active"]) == 77.0
    assert weights.stat().st_mtime_ns == written
    assert after[0]["train_seconds"] == before[0]["train_seconds"]
    record["metric_keys"]["active"] = "so that the next test finds the true value"
    path.write_text(json.dumps(record))
    assert bench(*RUN, "--quantizers", "vq,som-vq", "--out", finished).returncode == 0
    assert measured(finished) == [{n: v for n, v in row.items() if n not in TIMINGS} for row in before]


def test_rerun_all_gives_the_same_numbers(bench, finished):
    before, stamps = measured(finished), touched(finished)
    done = bench(*RUN, "--quantizers", "vq,som-vq", "--out", finished, "--rerun", "all")
    assert done.returncode == 0
    assert measured(finished) == before
    after = touched(finished)
    assert all(after[name] != stamps[name] for name in stamps)


def start(folder, *more):
    rows = "vq,ksom,fsq,none,vq+sorted,ksom+shuffled-grid"
    command = [sys.executable, "-m", "bench", *RUN, "--quantizers", rows, "--out", str(folder), *more]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell starts background jobs with Ctrl-C ignored, and the tests may be such a job
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.slow
def test_kill_at_any_moment_then_the_same_command_ends_as_if_undisturbed(tmp_path):
    undisturbed = tmp_path / "undisturbed"
    begun = time.monotonic()
    process = start(undisturbed)
    process.communicate()
    assert process.returncode == 0
    duration = time.monotonic() - begun

    moments = random.Random(0)
    folder = tmp_path / "killed"
    for _ in range(6):
        process = start(folder)
        time.sleep(moments.uniform(0.3, 0.8) * duration)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        finished = {
            path.name: path.stat().st_mtime_ns
            for path in (folder / "cells").glob("*.json")
            if not path.name.endswith(".job.json") and json.loads(path.read_text())["status"] == "done"
        }
        time.sleep(1.5)  # nothing of the killed group may still be writing
        for name, stamp in finished.items():
            assert (folder / "cells" / name).stat().st_mtime_ns == stamp
    process = start(folder)
    process.communicate()
    assert process.returncode == 0
    for name, stamp in finished.items():
        assert (folder / "cells" / name).stat().st_mtime_ns == stamp
    assert measured(folder) == measured(undisturbed)
    assert {path.name for path in folder.rglob("*")} == {path.name for path in undisturbed.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_valid_report_and_the_same_command_goes_on(tmp_path, sent):
    process = start(tmp_path, "--jobs", "1")
    deadline = time.monotonic() + 120
    while not list((tmp_path / "cells").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(sent)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert "quantizer-bench" in (tmp_path / "report.md").read_text()
    assert "done" in {row["status"] for row in rows(tmp_path)}
    process = start(tmp_path)
    process.communicate()
    assert process.returncode == 0
    assert {row["status"] for row in rows(tmp_path)} == {"done"}


@pytest.fixture
def edited(tmp_path):
    """A plug-in that a test rewrites between or during runs, with a helper module beside it."""
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    plugin = tmp_path / "macqueen.py"
    plugin.write_text(shown)
    command = (*RUN, "--plugin", plugin, "--quantizers", "macqueen", "--out", tmp_path / "run")
    return plugin, command, tmp_path / "run"


@pytest.mark.slow
def test_an_edit_makes_another_cell_and_a_comment_does_not(bench, edited):
    plugin, command, folder = edited
    assert bench(*command, "--seeds", 1).returncode == 0
    first = rows(folder)[0]["key"]
    plugin.write_text(plugin.read_text() + "\n# a comment\n")
    assert bench(*command, "--seeds", 1).returncode == 0
    assert rows(folder)[0]["key"] == first
    plugin.write_text(plugin.read_text().replace("0.25", "0.5"))
    done = bench(*command, "--seeds", 1)
    assert rows(folder)[0]["key"] != first
    assert "1 cells of other commands" in done.stderr


@pytest.mark.slow
def test_code_that_changes_during_a_run_is_not_filed_under_the_old_key(edited):
    plugin, command, folder = edited
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *map(str, command), "--jobs", "1"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not list(folder.glob("cells/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    plugin.write_text(plugin.read_text().replace("0.25", "0.5"))
    process.communicate()
    assert process.returncode == 3
    assert [row["status"] for row in rows(folder)] == ["done", "failed"]
    assert "the code changed while the run was going on" in (folder / "report.md").read_text()


def test_a_second_run_in_the_same_folder_is_refused(bench, tmp_path):
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = bench(*RUN, "--quantizers", "vq", "--out", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "another run is using" in done.stderr
