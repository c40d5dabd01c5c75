import http.server
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch: a worker a core, a thread a worker
ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser):
    parser.addoption("--whole-run", action="store_true", help="benchmarks: time the whole quick run too (half an hour)")


def _benchmarking(config):
    return config.getoption("benchmark_only", False)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Benchmarks run one at a time."""
    if _benchmarking(config):
        config.option.numprocesses = 0
        config.option.dist = "no"


def pytest_collect_file(file_path, parent):
    """`*_benchmark.py` are tests where --benchmark-only asks for them, and nowhere else."""
    named = parent.session.isinitpath(file_path)  # pytest itself takes those
    if file_path.name.endswith("_benchmark.py") and _benchmarking(parent.config) and not named:
        return pytest.Module.from_parent(parent, path=file_path)
    return None


def pytest_ignore_collect(collection_path, config):
    return True if _benchmarking(config) and collection_path.name.startswith("test_") else None


def pytest_collection_modifyitems(items):
    """Benchmarks go by the time that a process had on a core: another process beside it does not count."""
    for item in items:
        if item.path.name.endswith("_benchmark.py"):
            item.add_marker(pytest.mark.benchmark(timer=time.process_time, disable_gc=True))


@pytest.fixture
def single_thread():
    """One thread for PyTorch and for every BLAS and OpenMP library."""
    import threadpoolctl
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture
def descend():
    """What the trainer does with a batch."""
    import torch

    progress = torch.tensor(0.5)

    def step(model, optimiser, x):
        loss, _, z, codes = model("joint", x)
        optimiser.clear()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            model("update", z.detach(), codes, progress)

    return step


@pytest.fixture
def against(benchmark, single_thread):
    """Time ours and theirs in turn, A B A B; both medians and their ratio go into the results.

    `steps` is what one call does of the work whose time is told, `goal` the least ratio, `limit` the largest.
    """

    def measure(ours, theirs, *, work, peer, goal=None, limit=None, rounds=30, warm_ups=2, steps=1, **facts):
        seconds = []

        def turn():
            begun = time.process_time()
            theirs()
            seconds.append(time.process_time() - begun)

        benchmark.pedantic(ours, setup=turn, rounds=rounds, warmup_rounds=warm_ups)
        medians = benchmark.stats.stats.median / steps, statistics.median(seconds[warm_ups:]) / steps
        benchmark.extra_info |= facts | {
            "work": work,
            "peer": peer,
            "ours": medians[0],
            "theirs": medians[1],
            "goal": goal,
            "limit": limit,
            "rounds": rounds,
        }

    return measure


@pytest.fixture(scope="session")
def bench():
    """Run `python -m bench ...` from the checkout and return the finished process."""

    def run(*arguments, timeout=900, **environment):
        return subprocess.run(
            [sys.executable, "-m", "bench", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | {name: str(value) for name, value in environment.items()},
        )

    return run


class Server(http.server.ThreadingHTTPServer):
    """One file over HTTP on the loopback address, with what a server may do wrong.

    Attributes:
        content: What it serves, whatever the path.
        tag: Its ETag; another content has another one.
        cuts: Bytes after which the next answers end, one each; the others are whole.
        statuses: Errors that the next answers are, one each.
        ranges: Whether it answers with parts.
        asked: The Range header of each request, None where there was none.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag = b"", '"first"'
        self.cuts, self.statuses, self.asked = [], [], []
        self.ranges = True
        self.url = f"http://127.0.0.1:{self.server_port}/keypoints3d.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        begin = 0
        if asked and server.ranges and self.headers.get("If-Range", server.tag) == server.tag:
            begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if begin >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(server.content) - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        part = server.content[begin:]
        self.send_header("Content-Length", str(len(part)))
        if server.tag:
            self.send_header("ETag", server.tag)
        self.end_headers()
        self.wfile.write(part[: server.cuts.pop(0)] if server.cuts else part)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server of one file, and no pauses between attempts to reach it."""
    from datasets import download

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSES", (0.0, 0.0))
    serving = Server()
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()
