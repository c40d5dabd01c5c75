"""Engines take jobs; a job is a child process."""

import os
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from bench._checkout import ROOT
from bench.execution.task import CellTask
from bench.planning.cells import Cell
from bench.records.files import write_json
from bench.records.store import Store
from bench.typing import JSON

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Variables that libraries read when they are loaded; a job must not take more cores than it was given."""

KEPT_MEMORY = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:glibc.malloc.hugetlb=1"
"""Tunables of glibc's allocator, which other allocators ignore.

By default it returns large blocks to the system when they are freed and gets them anew a moment later, page by page,
each filled with zeros, which takes a fifth of a reader's time. Jobs are short, so they keep their memory, in large
pages.
"""


@dataclass(frozen=True)
class Outcome:
    """The end of a child process.

    Attributes:
        returncode: Exit status of the child, negative for a signal.
        timed_out: Whether it was killed for taking longer than allowed.
        error: Reason why it could not be started; "" where it was.
    """

    returncode: int
    timed_out: bool
    error: str = ""

    @property
    def cause(self) -> str:
        """Cause of the end, in words."""
        if self.error:
            return self.error
        if self.returncode < 0:
            try:
                return f"killed by {signal.Signals(-self.returncode).name}"
            except ValueError:
                return f"killed by signal {-self.returncode}"
        return f"exited with status {self.returncode} and no record"


class Children:
    """Child processes, which can be ended all at once.

    Args:
        environment: Variables that children get in addition to those of this process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.environment = dict(environment or {})
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
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=job_environment(threads) | self.environment,
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


def job_environment(threads: int) -> dict[str, str]:
    """Environment variables of a job: those of this process, the number of threads, and the path of our packages."""
    tunables = filter(None, [KEPT_MEMORY, os.environ.get("GLIBC_TUNABLES")])
    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    return os.environ | {
        **dict.fromkeys(THREADS, str(threads)),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it cuBLAS may choose another sum order each time
        "GLIBC_TUNABLES": ":".join(tunables),  # the last one of a name counts
        "PYTHONPATH": os.pathsep.join(paths),
    }


@dataclass(frozen=True, kw_only=True)
class Job:
    """The work of one child process, as it travels.

    Attributes:
        tasks: Cells of one pair that differ in their seeds, and controls made of the same tokenizers.
        device: Device of the job, "cpu" or "cuda".
        plugins: Plug-in files or modules that the child loads.
        trains: Whether tokenizers without weights are trained; False only measures.
        run: Identifier of the run.
        environment: Hash of the run's environment; None where the child records its own.
        timeout: Seconds that the job may take; None for no limit.
    """

    tasks: tuple[CellTask, ...]
    device: str
    plugins: tuple[str, ...] = ()
    trains: bool = True
    run: str = ""
    environment: str | None = None
    timeout: float | None = None

    @property
    def key(self) -> str:
        """Key of the first cell's tokenizer, which names the files of the job."""
        return self.tasks[0].cell.tokenizer_key

    @property
    def cells(self) -> list[Cell]:
        """Cells of the tasks."""
        return [task.cell for task in self.tasks]

    def spec(self, root: Path) -> JSON:
        """Plain values that the child reads, with the folder that it writes into and the process that it belongs to."""
        return {
            "tasks": [task.values() for task in self.tasks],
            "device": self.device,
            "plugins": list(self.plugins),
            "trains": self.trains,
            "run": self.run,
            "environment": self.environment,
            "root": str(root.resolve()),
            "driver": os.getpid(),
            "begun": time.monotonic(),
        }

    def run_here(self, store: Store, children: Children) -> Outcome:
        """Run the child on this machine; it writes into the store's folder."""
        path = store.cells / f"{self.key}.job"
        write_json(path, self.spec(store.root))
        outcome = children.run(path, store.log(self.key), self.timeout, threads=1)
        path.unlink(missing_ok=True)
        return outcome


class Engine(ABC):
    """A place that takes jobs, runs them, and has their files written into the store.

    Attributes:
        store: Folder that takes the results of jobs.
        device: Device of the jobs, "cpu" or "cuda".
    """

    def __init__(self, store: Store, device: str) -> None:
        self.store = store
        self.device = device

    @property
    @abstractmethod
    def room(self) -> int:
        """Number of jobs to hand over at a time; the driver keeps the others back, so that its memory stays flat."""

    @abstractmethod
    def submit(self, job: Job, started: Callable[[], None]) -> Future[Any]:
        """Hand over a job; `started` is called, by any thread, when it begins."""

    @abstractmethod
    def outcome(self, job: Job, future: Future[Any]) -> Outcome:
        """Outcome of a job whose future is done; the files that it wrote are in the store afterwards.

        Raises:
            LostError: Neither this job nor any other can ever end.
        """

    @abstractmethod
    def close(self) -> None:
        """End every job and take no more; calling it again does nothing."""

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
