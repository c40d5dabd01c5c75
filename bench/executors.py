"""Where jobs run: any `concurrent.futures.Executor` whose workers may start a child process.

The child, not the executor, isolates jobs: a pool of processes loses every waiting job when one worker is killed.
"""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench._packages import ROOT

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""What libraries read when they are loaded; a job must not take more cores than it was given."""

# Of glibc's allocator, to which no other listens. It gives large blocks back to the system when they are freed and gets
# them anew a moment later, page by page, each filled with zeros: a fifth of a reader's time. Jobs are short, so they
# keep what they had, in large pages.
KEPT_MEMORY = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:glibc.malloc.hugetlb=1"


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        returncode: Its exit status, negative for a signal.
        timed_out: It was killed for taking longer than allowed.
        error: Why it could not even be started; empty where it was.
    """

    returncode: int
    timed_out: bool
    error: str = ""

    @property
    def cause(self) -> str:
        """In words."""
        if self.error:
            return self.error
        if self.returncode < 0:
            try:
                return f"killed by {signal.Signals(-self.returncode).name}"
            except ValueError:
                return f"killed by signal {-self.returncode}"
        return f"exited with status {self.returncode} and no record"


class Children:
    """Starts child processes and can end all of them."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, spec: Path, log: Path, timeout: float | None, threads: int) -> Outcome:
        """Run one job to its end: `python -m bench _job SPEC`, its output in `log`."""
        command = [sys.executable, "-m", "bench", "_job", str(spec)]
        with log.open("wb") as output:
            with self._lock:
                if self._closed:
                    return Outcome(-signal.SIGTERM, timed_out=False)
                child = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment(threads)
                )
                self._running.add(child)
            try:
                return Outcome(child.wait(timeout), timed_out=False)
            except subprocess.TimeoutExpired:
                child.kill()
                return Outcome(child.wait(), timed_out=True)
            finally:
                with self._lock:
                    self._running.discard(child)

    def close(self) -> None:
        """End every child and start no more."""
        with self._lock:
            self._closed = True
            for child in self._running:
                child.kill()


def environment(threads: int) -> dict[str, str]:
    """What a job finds in its environment: ours, the number of threads, and where our packages are."""
    return os.environ | {
        **dict.fromkeys(THREADS, str(threads)),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it cuBLAS may choose another sum order each time
        "GLIBC_TUNABLES": ":".join(
            filter(None, [KEPT_MEMORY, os.environ.get("GLIBC_TUNABLES")])
        ),  # the last one counts
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }


def local(jobs: int) -> Executor:
    """This machine, `jobs` at a time; the threads only wait for children."""
    return ThreadPoolExecutor(jobs)
