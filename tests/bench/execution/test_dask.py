"""Runs on a Dask cluster of several processes on this machine, against the same runs without one."""

import csv
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

psutil = pytest.importorskip("psutil")
pytest.importorskip("distributed")

ROOT = Path(__file__).resolve().parents[3]
TROUBLED = ROOT / "tests" / "plugins" / "troubled.py"
DEADLY = ROOT / "tests" / "plugins" / "deadly.py"
RUN = ("run", "--datasets", "lorenz", "--protocol", "tiny", "--device", "cpu")
TIMINGS = ("train_seconds", "eval_seconds")
PATIENCE = 600
LONG = 3600

pytestmark = pytest.mark.slow


def measured(folder):
    """results.csv without what a clock says."""
    with (folder / "results.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name not in TIMINGS} for row in csv.DictReader(file)]


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def jobs_of(process):
    """Children of a worker (or of its nanny's worker) that do a job now."""
    try:
        return [item for item in psutil.Process(process.pid).children(recursive=True) if "_job" in item.cmdline()]
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def cluster(tmp_path):
    """Start a scheduler and workers as a user would; all are killed in the end."""
    started = []

    def start(module, *arguments, root=ROOT, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard", *map(str, arguments)],
            cwd=root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(root)} | environment,
        )
        started.append(process)
        return process

    class Cluster:
        def __init__(self):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
            self.address = f"tcp://127.0.0.1:{self.port}"
            self.workers = []

        def schedule(self):
            self.scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", self.port)
            return self

        def work(self, *arguments, **more):
            where = ("--local-directory", tmp_path / "scratch", "--nthreads", 1)
            self.workers.append(start("dask_worker", self.address, *where, *arguments, **more))
            return self

        def ready(self):
            from distributed import Client

            with Client(self.address, timeout=PATIENCE) as client:
                client.wait_for_workers(len(self.workers), timeout=PATIENCE)
            return self

    yield Cluster()
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def begin(folder, rows, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *RUN, "--quantizers", rows, "--out", str(folder), *map(str, more)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="module")
def local(bench, tmp_path_factory):
    """The run that every cluster's has to equal: a family, a control, a reference and a plug-in."""
    plugin = tmp_path_factory.mktemp("plugin") / "macqueen.py"
    plugin.write_text(re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0])
    folder = tmp_path_factory.mktemp("runs") / "local"
    arguments = ("--quantizers", "macqueen,som-vq,som-vq+shuffled-grid,none", "--plugin", plugin, "--seeds", 1)
    done = bench(*RUN, *arguments, "--out", folder, timeout=LONG)
    assert done.returncode == 0, done.stderr
    return folder, arguments


@pytest.mark.parametrize("executor", ["dask:local", "dask:tcp"])
def test_two_processes_give_what_this_machine_gives(bench, cluster, local, tmp_path, executor):
    folder, arguments = local
    if executor == "dask:tcp":
        executor = f"dask:{cluster.schedule().work().work().ready().address}"
    more = ("--jobs", 2) if executor == "dask:local" else ()
    done = bench(*RUN, *arguments, "--executor", executor, *more, "--out", tmp_path / "run", timeout=LONG)
    assert done.returncode == 0, done.stderr
    assert measured(tmp_path / "run") == measured(folder)
    assert {path.name for path in (tmp_path / "run").rglob("*")} == {path.name for path in folder.rglob("*")}


def test_a_lost_workers_job_is_done_elsewhere(cluster, local, tmp_path):
    folder, arguments = local
    cluster.schedule().work("--no-nanny").work("--no-nanny").ready()
    process = begin(tmp_path / "run", arguments[1], *arguments[2:], "--executor", f"dask:{cluster.address}")
    until(lambda: all(jobs_of(worker) for worker in cluster.workers))
    victim = cluster.workers[0]
    orphans = jobs_of(victim)
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: not any(item.is_running() and item.status() != psutil.STATUS_ZOMBIE for item in orphans))
    _, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    assert measured(tmp_path / "run") == measured(folder)


def test_a_job_that_kills_two_workers_is_recorded_and_the_others_are_done(cluster, tmp_path):
    """The scheduler would let it kill four."""
    cluster.schedule().work().work().ready()
    more = ("--seeds", 1, "--plugin", DEADLY, "--executor", f"dask:{cluster.address}")
    process = begin(tmp_path / "run", "kills-its-worker,vq", *more)
    _, err = process.communicate(timeout=LONG)
    assert process.returncode == 3, err
    output = {row["quantizer"]: row["status"] for row in measured(tmp_path / "run")}
    assert output == {"kills-its-worker": "failed", "vq": "done"}, err
    assert "lost 2 workers (KilledWorker)" in err


def test_a_lost_scheduler_is_one_line_and_the_same_command_goes_on(cluster, local, tmp_path):
    folder, arguments = local
    cluster.schedule().work("--no-nanny").ready()
    command = (tmp_path / "run", arguments[1], *arguments[2:], "--executor", f"dask:{cluster.address}")
    process = begin(*command)
    until(lambda: list((tmp_path / "run" / "cells").glob("*.json")) and jobs_of(cluster.workers[0]))
    os.kill(cluster.scheduler.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert f"lost the Dask scheduler {cluster.address}" in lines[0]
    assert "the same command goes on from here" in lines[0]
    assert "Traceback" not in err
    done = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cells").glob("*.json")}
    kept = [row["key"] for row in measured(tmp_path / "run") if row["status"] == "done"]
    assert kept
    os.kill(cluster.workers.pop().pid, signal.SIGKILL)
    cluster.schedule().work("--no-nanny").ready()
    process = begin(*command)
    _, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    assert measured(tmp_path / "run") == measured(folder)
    for key in kept:
        assert (tmp_path / "run" / "cells" / f"{key}.json").stat().st_mtime_ns == done[f"{key}.json"]


def test_ctrl_c_ends_the_jobs_on_the_workers(cluster, tmp_path):
    cluster.schedule().work("--no-nanny").ready()
    more = ("--plugin", TROUBLED, "--executor", f"dask:{cluster.address}")
    process = begin(tmp_path / "run", "hangs", *more)
    until(lambda: jobs_of(cluster.workers[0]))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    until(lambda: not jobs_of(cluster.workers[0]))


def test_ctrl_c_on_a_terminal_reaches_the_local_cluster_too_and_leaves_nothing_behind(tmp_path):
    more = ("--plugin", TROUBLED, "--executor", "dask:local", "--jobs", 1)
    process = begin(tmp_path / "run", "hangs", *more)
    until(lambda: jobs_of(process))
    everything = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    until(lambda: not any(item.is_running() for item in everything))


def test_a_killed_drivers_jobs_end_on_the_workers(cluster, tmp_path):
    cluster.schedule().work("--no-nanny").ready()
    process = begin(tmp_path / "run", "hangs", "--plugin", TROUBLED, "--executor", f"dask:{cluster.address}")
    until(lambda: jobs_of(cluster.workers[0]))
    process.kill()
    process.communicate()
    until(lambda: not jobs_of(cluster.workers[0]))


def test_a_timeout_holds_on_the_worker(bench, cluster, tmp_path):
    cluster.schedule().work().ready()
    more = ("--seeds", 1, "--timeout", 20, "--executor", f"dask:{cluster.address}", "--out", tmp_path)
    done = bench(*RUN, "--quantizers", "hangs", "--plugin", TROUBLED, *more, timeout=LONG)
    assert done.returncode == 3
    assert "took longer than 20 s" in (tmp_path / "report.md").read_text()


def test_a_worker_of_another_checkout_is_one_line_before_anything_runs(bench, cluster, tmp_path):
    other = tmp_path / "other"
    for name in ("bench", "quantizers", "datasets", "reports"):
        shutil.copytree(ROOT / name, other / name)
    with (other / "quantizers" / "vq.py").open("a") as file:
        file.write("\nCHANGED = True\n")
    cluster.schedule().work(root=other).ready()
    done = bench(*RUN, "--quantizers", "vq", "--executor", f"dask:{cluster.address}", "--out", tmp_path / "run")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "install one checkout on both" in done.stderr
    assert not list((tmp_path / "run" / "cells").iterdir())


def test_a_worker_without_the_project_is_one_line(bench, cluster, tmp_path):
    (tmp_path / "bench.py").write_text("raise ModuleNotFoundError('No module named bench')")  # it may be installed
    cluster.schedule().work(root=tmp_path).ready()
    done = bench(*RUN, "--quantizers", "vq", "--executor", f"dask:{cluster.address}", "--out", tmp_path / "run")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "cannot run quantizer-bench (" in done.stderr
    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://no.such.host.invalid:8786"])
def test_an_address_where_nobody_answers_is_one_line_within_seconds(bench, tmp_path, address):
    begun = time.monotonic()
    done = bench(*RUN, "--quantizers", "vq", "--executor", f"dask:{address}", "--out", tmp_path / "run")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"no Dask scheduler answers at {address}" in done.stderr
    assert time.monotonic() - begun < 60


def test_workers_are_given_one_gpu_each_and_one_job_at_a_time(monkeypatch):
    """The names need not be of real GPUs: it is the library of the child that reads them."""
    from bench.execution import dask as module

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    started = module._cluster("cuda", 2)
    try:
        from distributed import Client

        with Client(started) as client:
            futures = [client.submit(seen_gpu, index, pure=False, resources={"GPU": 1}) for index in range(4)]
            actual = client.gather(futures)
        assert {name for name, _, _ in actual} == {"3", "5"}
        for name in ("3", "5"):
            spans = sorted(span for gpu, *span in actual if gpu == name)
            assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    finally:
        started.close()


def seen_gpu(index):
    begun = time.time()
    time.sleep(0.5)
    return os.environ["CUDA_VISIBLE_DEVICES"], begun, time.time()


def test_a_gpu_that_no_worker_offers_is_one_line(bench, cluster, tmp_path):
    cluster.schedule().work().ready()
    more = ("--executor", f"dask:{cluster.address}", "--out", tmp_path / "run")
    done = bench(*RUN[:-1], "cuda", "--quantizers", "vq", *more)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "no worker offers a GPU" in done.stderr
    assert "--resources GPU=1" in done.stderr
