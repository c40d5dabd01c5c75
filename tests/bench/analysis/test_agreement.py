"""New measurements against recorded ones: what counts as measured, by which clock, and on which data."""

import re
import types

import numpy as np
import pytest

from bench.analysis.agreement import differences
from bench.execution import job


def test_another_device_is_named():
    plan = types.SimpleNamespace(cells=[types.SimpleNamespace(key="k", row="vq", dataset="lorenz", seed=0)])
    old = {"k": {"status": "done", "metrics": {"mse": 0.5}, "device": "cuda", "run": "a"}}
    new = {"k": {"status": "done", "metrics": {"mse": 0.5}, "device": "cpu", "run": "b"}}
    assert differences(plan, old, new) == [
        "1 of 1 recorded values agree (relative 1e-06); recorded on cuda, now measured on cpu"
    ]


@pytest.mark.parametrize("after", [{}, {"status": "failed", "run": "b"}, {"status": "done", "metrics": {"mse": 0.5}}])
def test_what_was_not_measured_again_agrees_with_nothing(after):
    plan = types.SimpleNamespace(cells=[types.SimpleNamespace(key="k", row="vq", dataset="lorenz", seed=0)])
    old = {"k": {"status": "done", "metrics": {"mse": 0.5}}}
    (line,) = differences(plan, old, {"k": after} if after else {})
    assert line == "1 cells with recorded values could not be measured again, so none are compared"


def test_a_clock_that_was_set_back_makes_no_measurement_old(bench_here, tmp_path, monkeypatch):
    command = ("run", "--quantizers", "vq", "--datasets", "lorenz", "--protocol", "tiny", "--seeds", "1")
    assert bench_here(*command, "--out", tmp_path).returncode == 0
    monkeypatch.setattr(job.time, "time", lambda: 0.0)
    done = bench_here("evaluate", tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"(\d+) of \1 recorded values agree", done.stdout)


def test_data_that_were_replaced_agree_with_nothing(bench_here, tmp_path):
    file = tmp_path / "w.npz"
    for seed in (0, 1):
        np.savez(file, np.random.default_rng(seed).normal(size=(12, 40, 3)).cumsum(axis=1))
        if not seed:
            command = ("run", "--quantizers", "vq", "--protocol", "tiny", "--seeds", "1")
            assert bench_here(*command, "--datasets", f"npz:{file}", "--out", tmp_path / "run").returncode == 0
    done = bench_here("evaluate", tmp_path / "run")
    assert done.returncode == 3
    assert "agree" not in done.stdout
    assert "could not be measured again" in done.stdout


def test_a_file_that_moved_is_found_by_its_name_and_content(bench_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    for folder in ("here", "data"):
        (tmp_path / folder).mkdir()
    file = tmp_path / "here" / "w.npz"
    np.savez(file, np.random.default_rng(0).normal(size=(12, 40, 3)).cumsum(axis=1))
    command = ("run", "--quantizers", "vq", "--protocol", "tiny", "--seeds", "1")
    assert bench_here(*command, "--datasets", f"npz:{file}", "--out", tmp_path / "run").returncode == 0
    np.savez(tmp_path / "w.npz", np.zeros(3))  # in the current folder, of other content
    file.rename(tmp_path / "data" / "w.npz")
    done = bench_here("evaluate", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert bench_here("export", tmp_path / "run", "-o", tmp_path / "tokenizer").returncode == 0
    (record,) = (tmp_path / "run" / "cells").glob("*[0-9a-f].json")
    written = record.stat().st_mtime_ns
    again = bench_here(*command, "--datasets", f"npz:{tmp_path / 'data' / 'w.npz'}", "--out", tmp_path / "run")
    assert again.returncode == 0
    assert record.stat().st_mtime_ns == written  # nothing ran again
    (tmp_path / "data" / "w.npz").unlink()
    gone = bench_here("export", tmp_path / "run", "-o", tmp_path / "other")
    assert gone.returncode == 2
    assert "--data-dir" in gone.stderr
