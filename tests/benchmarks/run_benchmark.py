"""The whole quick run, 42 cells with every metric, against the same cells one after another in one process."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.metrics import METRICS

ROOT = Path(__file__).resolve().parents[2]
RUN = ("run", "--quantizers", "all", "--datasets", "lorenz,aist", "--device", "cpu")
CORES = 2
READ_TRAINED = {"reader", "small_reader"}

# One process: every job is called where it would have been started as a child.
ONE_PROCESS = """
import json, sys
import torch
from bench import cli
from bench.execution.engines import Children, Outcome
from bench.execution.job import ChildJob

def here(self, spec, log, timeout, threads):
    ChildJob(json.loads(spec.read_text())).run()
    return Outcome(0, timed_out=False)

torch.set_num_threads(1)
Children.run = here
cli.main()
"""


def timed(command):
    """Wall-clock seconds, and seconds that it and its children had on a core."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, busy


def parts(folder):
    """Seconds on a core by what they went to, over all cells."""
    records = [json.loads(path.read_text()) for path in (folder / "cells").glob("*.json")]
    assert len(records) == 42
    assert {record["status"] for record in records} == {"done"}
    readers = {name for name, metric in METRICS.items() if READ_TRAINED & {*metric.needs}}
    spent = {"training": sum(record["train_seconds"] for record in records), "readers": 0.0, "other metrics": 0.0}
    for record in records:
        for name, seconds in record["metric_seconds"].items():
            spent["readers" if name in readers else "other metrics"] += seconds
    return spent


@pytest.mark.skipif("not config.getoption('--whole-run')", reason="takes half an hour; --whole-run times it")
def test_quick(benchmark, tmp_path):
    if len(os.sched_getaffinity(0)) < CORES:
        pytest.skip(f"needs {CORES} cores")
    collected = {}

    def turns():
        command = [sys.executable, "-m", "bench", *RUN, "--jobs", str(CORES), "--out", str(tmp_path / "run")]
        collected["ours"] = timed(command)
        collected["theirs"] = timed(
            [sys.executable, "-c", ONE_PROCESS, *RUN, "--jobs", "1", "--out", str(tmp_path / "one")]
        )

    benchmark.pedantic(turns, rounds=1)
    wall, busy = collected["ours"]
    spent = parts(tmp_path / "run")
    spent["start-up, data and the rest"] = busy - sum(spent.values())
    benchmark.extra_info |= {
        "work": "the quick run: 42 cells, every metric, 2 cores (wall-clock time)",
        "peer": "its cells one after another in one process",
        "ours": wall,
        "theirs": collected["theirs"][0],
        "goal": 1.8,
        "limit": 420.0,
        "rounds": 1,
        "note": "; ".join(f"{name} {seconds / busy:.0%}" for name, seconds in spent.items())
        + f" of {busy:,.0f} s on a core",
    }
