"""Where jobs run: this machine, a Dask cluster, or any `concurrent.futures.Executor`.

A job is always a child process. The child, not the executor, isolates jobs: a pool of processes loses every waiting job
when one worker is killed. On this machine the child writes into the run's folder itself, so that what it has finished
outlives the driver; elsewhere it writes into a folder of its own, and the driver alone writes the store
(`bench.remote`).
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bench._packages import ROOT
from bench.errors import UsageError
from bench.store import Store, write_json

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "quantizer_bench.executors"  # of entry points: name -> function that returns a concurrent.futures.Executor
ADDRESS = re.compile(r"dask:[a-z]+://\S+:\d+")

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
    """Starts child processes and can end all of them.

    Args:
        environment: Variables that they get beside this process's own.
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
    """What a job finds in its environment: ours, the number of threads, and where our packages are."""
    return os.environ | {
        **dict.fromkeys(THREADS, str(threads)),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it cuBLAS may choose another sum order each time
        # the last one of a name counts
        "GLIBC_TUNABLES": ":".join(filter(None, [KEPT_MEMORY, os.environ.get("GLIBC_TUNABLES")])),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }


@dataclass(frozen=True)
class Job:
    """What one child does.

    Attributes:
        key: Of the tokenizer of its first cell: names its files.
        spec: What the child reads, but for the folder and the process that it belongs to.
        timeout: Seconds that it may take, or None.
    """

    key: str
    spec: dict[str, Any]
    timeout: float | None

    def run(self, store: Store, children: Children) -> Outcome:
        """Run the child on this machine; it writes into the store's folder."""
        path = store.cells / f"{self.key}.job"
        write_json(
            path, self.spec | {"root": str(store.root.resolve()), "driver": os.getpid(), "begun": time.monotonic()}
        )
        outcome = children.run(path, store.log(self.key), self.timeout, threads=1)
        path.unlink(missing_ok=True)
        return outcome


class LostError(Exception):
    """What runs the jobs is gone: one line. Cells that are done are kept."""


class Engine(ABC):
    """Takes jobs, runs them somewhere and has their files written into the store.

    Attributes:
        store: Where the results of jobs go.
        device: "cpu" or "cuda", what jobs run on.
    """

    def __init__(self, store: Store, device: str) -> None:
        self.store = store
        self.device = device

    @property
    @abstractmethod
    def room(self) -> int:
        """How many jobs to hand over at a time; the driver keeps the others back, so that its memory stays flat."""

    @abstractmethod
    def submit(self, job: Job, started: Callable[[], None]) -> Future[Any]:
        """Hand over a job; `started` is called, by any thread, when it begins."""

    @abstractmethod
    def outcome(self, job: Job, future: Future[Any]) -> Outcome:
        """How a job ended whose future is done; what it wrote is in the store afterwards.

        Raises:
            LostError: It can never end, nor can any other.
        """

    @abstractmethod
    def close(self) -> None:
        """End every job and take no more; may be called twice."""

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Local(Engine):
    """This machine.

    Args:
        store: The run's.
        device: "cpu" or "cuda".
        jobs: Children at a time.
    """

    def __init__(self, store: Store, device: str, jobs: int) -> None:
        super().__init__(store, device)
        self._jobs = jobs
        self._children = Children()
        self._threads = ThreadPoolExecutor(jobs)  # they only wait for children

    @property
    def room(self) -> int:
        """As many as run."""
        return self._jobs

    def submit(self, job: Job, started: Callable[[], None]) -> Future[Any]:
        """Start a child."""
        started()
        return self._threads.submit(job.run, self.store, self._children)

    def outcome(self, job: Job, future: Future[Any]) -> Outcome:
        """What the child's end tells."""
        try:
            outcome: Outcome = future.result()
        except OSError as error:  # no child could be started, or its files not written
            return Outcome(1, timed_out=False, error=str(error))
        return outcome

    def close(self) -> None:
        """Kill the children."""
        self._children.close()
        self._threads.shutdown(wait=True, cancel_futures=True)


def check_name(name: str) -> None:
    """Refuse what names no executor.

    Raises:
        UsageError: It is neither local, dask:local, dask:ADDRESS nor the name of an entry point.
    """
    if name in ("local", "dask:local") or ADDRESS.fullmatch(name) or name in _installed():
        return
    if name.partition(":")[0] == "dask":
        raise UsageError(f"expected --executor dask:local or dask:tcp://HOST:PORT, got {name!r}")
    known = ["local", "dask:local", "dask:tcp://HOST:PORT", *_installed()]
    raise UsageError(f"unknown executor {name!r}; known: {', '.join(known)}")


def elsewhere(name: str) -> bool:
    """Whether jobs may run on other machines than the driver's."""
    return name not in ("local", "dask:local")


def _check_name_of(folder: Path) -> None:
    """Raise UsageError where safetensors, which takes paths in UTF-8 alone, would fail in every cell."""
    try:
        os.fsencode(folder.absolute()).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"the run folder {folder} has a name that is not UTF-8; choose another --out") from None


def open_engine(
    name: str,
    store: Store,
    *,
    device: str,
    jobs: int | None,
    plugins: Iterable[str],
    data: Iterable[tuple[str, Mapping[str, Any]]],
) -> Engine:
    """What `--executor` names.

    Args:
        name: As `check_name` accepts it.
        store: Where results go.
        device: "cpu" or "cuda"; "auto" where workers elsewhere decide.
        jobs: How many at a time; as many as suit the device unless told.
        plugins: Files or modules.
        data: Names and parameters of the datasets whose files the jobs need.

    Raises:
        UsageError: It cannot be had.
    """
    from bench.environment import jobs_on

    _check_name_of(store.root)
    if name == "local":
        return Local(store, device, jobs or jobs_on(device))
    from bench import remote  # what follows is heavy, and few runs need it

    if name.startswith("dask:"):
        from bench import cluster

        shared = remote.luggage(plugins, remote.data_files(data))
        at_once = jobs or (None if device == "cuda" else jobs_on("cpu"))
        return cluster.Dask(store, name.removeprefix("dask:"), device, at_once, shared)
    try:
        executor = _installed()[name].load()()
    except Exception as error:  # whatever a stranger's function raises is the user's to read, in one line
        raise UsageError(f"executor {name} cannot be made: {type(error).__name__}: {error}") from None
    return remote.Foreign(store, device, executor, jobs or remote.AHEAD, remote.luggage(plugins, {}))


def _installed() -> "dict[str, EntryPoint]":
    from bench.plugins import entry_points  # which imports every metric

    return {each.name: each for each in entry_points(GROUP)}
