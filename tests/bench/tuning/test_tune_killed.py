"""A real tuner, its driver killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from bench.tuning.tuner import JOURNAL
from bench.vocabulary import DONE

ROOT = Path(__file__).resolve().parents[3]


def start(folder):
    command = [sys.executable, "-m", "bench", "tune", "--quantizers", "vq,som-vq", "--datasets", "lorenz"]
    command += ["--protocol", "tiny", "--trials", "5", "--seeds", "1", "--device", "cpu", "--out", str(folder)]
    command += ["--constraint", "topographic_error<=0.5"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)


def kept(folder):
    """Finished trials with what they were told, as a journal's reader sees them, and records that are done."""
    if not (folder / JOURNAL).exists():
        return {}, {}
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(shutil.copy(folder / JOURNAL, folder / "copy")))
    )
    trials = {
        (name, trial.number): (trial.state, trial.values, trial.params)
        for name in optuna.get_all_study_names(storage)
        for trial in optuna.load_study(study_name=name, storage=storage).get_trials()
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    }
    files = {path: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}
    done = {path: stamp for path, stamp in files.items() if json.loads(path.read_text())["status"] == DONE}
    return trials, done


@pytest.mark.slow
def test_a_driver_killed_at_five_moments_ends_with_the_same_trials_and_loses_no_result(tmp_path):
    begun = time.monotonic()
    process = start(tmp_path / "undisturbed")
    _, err = process.communicate()
    assert process.returncode == 0, err
    duration = time.monotonic() - begun
    moments = random.Random(0)
    folder = tmp_path / "killed"
    trials, done = {}, {}
    for _ in range(5):
        process = start(folder)
        time.sleep(moments.uniform(0.2, 0.7) * duration)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        now = kept(folder)
        assert trials.items() <= now[0].items()
        assert done.items() <= now[1].items()
        trials, done = now
    process = start(folder)
    _, err = process.communicate()
    assert process.returncode == 0, err
    last = kept(folder)
    assert trials.items() <= last[0].items()
    assert done.items() <= last[1].items()
    whole = kept(tmp_path / "undisturbed")
    assert sorted(map(str, last[0].values())) == sorted(map(str, whole[0].values()))
    assert {path.name for path in last[1]} == {path.name for path in whole[1]}
    actual = [(item / "tuned.toml").read_text().split("\n", 2)[2] for item in (folder, tmp_path / "undisturbed")]
    assert actual[0] == actual[1]
