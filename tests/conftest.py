import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch: a worker a core, a thread a worker
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def bench():
    """Run `python -m bench ...` from the checkout and return the finished process."""

    def run(*arguments, timeout=300, **environment):
        return subprocess.run(
            [sys.executable, "-m", "bench", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=os.environ | {name: str(value) for name, value in environment.items()},
        )

    return run
