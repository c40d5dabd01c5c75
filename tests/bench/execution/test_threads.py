"""Jobs never fight for cores: what a child of the runner is told, and what its libraries make of it."""

import json
import subprocess
import sys

import pytest

from bench.execution.engine import THREADS, Children

POOLS = """
import json, sys
sys.argv = ["bench"]
import numpy, scipy.linalg, sklearn.cluster, torch
from threadpoolctl import threadpool_info
from bench.execution.job import set_up
set_up("cpu")
pools = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
print(json.dumps([pools, torch.get_num_threads(), torch.get_num_interop_threads()]))
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Of a job, started where the user asked for eight threads."""
    started = []

    class Child:
        def __init__(self, command, env, **named):
            started.append(env)

        def wait(self, timeout=None):
            return 0

    for name in THREADS:
        monkeypatch.setenv(name, "8")
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", Child)
        assert Children().run(tmp_path / "job", tmp_path / "log", None, threads=1).returncode == 0
    return started[0]


def test_every_library_of_a_job_keeps_to_one_thread(environment):
    done = subprocess.run([sys.executable, "-c", POOLS], env=environment, capture_output=True, text=True, check=True)
    pools, threads, between = json.loads(done.stdout)
    assert len(pools) >= 2  # PyTorch's OpenMP and NumPy's BLAS at least
    assert set(pools.values()) == {1}
    assert (threads, between) == (1, 1)
    assert {environment[name] for name in THREADS} == {"1"}
