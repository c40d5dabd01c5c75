"""Jobs on a Dask cluster: `dask:local`, or a scheduler that runs already, `dask:tcp://HOST:PORT`."""

import contextlib
import logging
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

from bench.errors import LostError, UsageError
from bench.execution.engine import Engine, Job, Outcome
from bench.execution.parcels import Delivery, Luggage, Parcel, disagreement, identity, pack, perform, unpack
from bench.records.store import Store

try:
    from distributed import Client, KilledWorker, Nanny, Scheduler, SpecCluster, get_worker
    from distributed.core import Status
    from distributed.diagnostics.plugin import WorkerPlugin
except ImportError:
    raise UsageError("--executor dask needs the extra dask: pip install -c constraints.txt -e '.[dask]'") from None

HOST = "127.0.0.1"
SCHEDULER_TIMEOUT = 8
"""Seconds that a scheduler may take to answer."""

WORKERS_INTERVAL = 5
"""Seconds between two looks at the workers, which come and go."""

FEWEST_JOBS = 16
"""Jobs to hand over at least: a cluster that grows by what waits has to see some."""

MOST_LOSSES = 2
"""Workers that a job may lose."""

ENDED = (Status.closing, Status.closed, Status.failed)


class Files(WorkerPlugin):
    """Files that jobs share, sent once to every worker, also to workers that come later or again.

    Args:
        contents: SHA-256 -> bytes of the file.
    """

    idempotent = True

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = dict(contents)

    def setup(self, worker: Any) -> None:
        """Keep the files in the worker's own folder."""
        folder = cache(worker)
        folder.mkdir(exist_ok=True)
        for digest, content in self.contents.items():
            (folder / digest).write_bytes(content)


def cache(worker: Any) -> Path:
    """Folder of a worker where shared files lie by their SHA-256."""
    return Path(worker.local_directory) / "quantizer-bench"


def perform_here(parcel: Parcel, topic: str) -> Delivery:
    """Run a job on a Dask worker as long as its task is wanted, and notify the driver of its start."""
    worker = get_worker()
    task = worker.get_current_task()
    worker.log_event(topic, parcel.job.key)

    def wanted() -> bool:
        state = worker.state.tasks.get(task)
        return state is not None and state.state == "executing" and worker.status not in ENDED

    return perform(parcel, cache(worker), wanted)


class Dask(Engine):
    """An engine on the workers of one Dask scheduler.

    Args:
        store: Folder that takes the results.
        address: Address of a scheduler, or "local", which starts a cluster on this machine.
        device: Device of the jobs, "cpu" or "cuda"; "auto" takes the one that the workers offer.
        jobs: Number of workers of "local"; None takes one per GPU.
        shared: Files that every job needs.

    Raises:
        UsageError: No scheduler answers, or its workers cannot run these jobs.
    """

    def __init__(self, store: Store, address: str, device: str, jobs: int | None, shared: Luggage) -> None:
        super().__init__(store, device)
        _hush()
        self._address = address
        self._cluster = _cluster(device, jobs) if address == "local" else None
        try:
            self._client = Client(self._cluster or address, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
        except (OSError, ValueError, ImportError) as error:
            self._cluster = None
            raise UsageError(f"no Dask scheduler answers at {address} ({_first_line(error)})") from None
        self._looked = float("-inf")
        self._room = FEWEST_JOBS
        self._topic = f"quantizer-bench-{uuid.uuid4().hex}"
        self._shared = shared
        self._started: dict[str, tuple[Callable[[], None], Future[Any]]] = {}
        self._begun: Counter[str] = Counter()
        try:
            self._check_workers()
            self._executor = self._client.get_executor(pure=False, **self._resources())
            if shared.files:
                self._client.register_plugin(Files(shared.contents()), name=self._topic)
            self._client.subscribe_topic(self._topic, self._on_start)
        except BaseException:
            self.close()
            raise

    def _check_workers(self) -> None:
        """Refuse workers with other sources than the driver, and a GPU that nobody offers."""
        try:
            identities = self._client.run(identity, on_error="return")
        except OSError as error:
            raise UsageError(f"no Dask scheduler answers at {self._address} ({_first_line(error)})") from None
        for worker, theirs in identities.items():
            if isinstance(theirs, BaseException):
                cause = f"{type(theirs).__name__}: {_first_line(theirs)}"
                raise UsageError(
                    f"worker {worker} cannot run quantizer-bench ({cause}); install the driver's checkout there"
                )
            if theirs != identity():
                raise UsageError(disagreement(worker, theirs))
        offered = [worker["resources"].get("GPU", 0) for worker in self._workers()]
        if self.device == "auto":
            self.device = "cuda" if any(offered) else "cpu"
        if self.device == "cuda" and offered and (not any(offered) or max(offered) > 1):
            problem = "no worker offers a GPU" if not any(offered) else "a worker offers more than one GPU"
            raise UsageError(
                f"--device cuda: {problem}; start one worker a GPU: CUDA_VISIBLE_DEVICES=0 dask worker "
                f"{self._address} --nthreads 1 --resources GPU=1"
            )

    def _workers(self) -> list[dict[str, Any]]:
        return list(self._client.scheduler_info()["workers"].values())

    def _resources(self) -> dict[str, Any]:
        return {"resources": {"GPU": 1}} if self.device == "cuda" else {}

    @property
    def room(self) -> int:
        """Twice the number of jobs that run at a time, so that no worker waits for the driver."""
        if time.monotonic() - self._looked > WORKERS_INTERVAL:
            try:
                workers = self._workers()
            except (OSError, CancelledError):
                raise self._lost() from None
            slots = 0
            for worker in workers:
                slots += worker["resources"].get("GPU", 0) if self.device == "cuda" else worker["nthreads"]
            self._room = max(FEWEST_JOBS, 2 * int(slots))
            self._looked = time.monotonic()
        return self._room

    def submit(self, job: Job, started: Callable[[], None]) -> Future[Any]:
        """Hand over a parcel."""
        future: Future[Any] = self._executor.submit(perform_here, pack(job, self.store, self._shared, {}), self._topic)
        self._started[job.key] = started, future
        return future

    def _on_start(self, event: tuple[float, str]) -> None:
        """Take note that a job began, again when its worker was lost; the client's thread calls this."""
        key = event[1]
        if key not in self._started:
            return
        started, future = self._started[key]
        started()
        self._begun[key] += 1
        if self._begun[key] > MOST_LOSSES:
            threading.Thread(target=future.cancel, daemon=True).start()  # this thread may not wait for the scheduler

    def outcome(self, job: Job, future: Future[Any]) -> Outcome:
        """Unpack what came back."""
        del self._started[job.key]
        begun = self._begun.pop(job.key, 0)
        try:
            delivery: Delivery = future.result()
        except KilledWorker as error:
            return Outcome(1, timed_out=False, error=f"lost {error.allowed_failures + 1} workers (KilledWorker)")
        except CancelledError:
            if begun > MOST_LOSSES:
                return Outcome(1, timed_out=False, error=f"lost {MOST_LOSSES} workers (KilledWorker)")
            raise self._lost() from None
        except Exception as error:
            return Outcome(1, timed_out=False, error=f"{type(error).__name__}: {_first_line(error)}")
        return unpack(delivery, job, self.store)

    def _lost(self) -> LostError:
        return LostError(f"lost the Dask scheduler {self._address}")

    def close(self) -> None:
        """Cancel what runs, leave the cluster, and end one that was started here."""
        for _, future in list(self._started.values()):
            future.cancel()
        if self._shared.files and self._client.status == "running":
            with contextlib.suppress(OSError, ValueError):  # the scheduler may go at any time, or come again
                self._client.unregister_worker_plugin(self._topic)
        self._client.close(timeout=SCHEDULER_TIMEOUT)
        if self._cluster is not None:
            self._cluster.close(timeout=SCHEDULER_TIMEOUT)


def _cluster(device: str, jobs: int | None) -> SpecCluster:
    """Start a cluster on this machine: one process per worker and one worker per job; on GPUs every worker has one."""
    gpus = visible_gpus()[:jobs] if device == "cuda" else [""] * (jobs or 1)
    quiet = {"host": HOST, "dashboard": False, "dashboard_address": f"{HOST}:0"}
    common = {"nthreads": 1, "silence_logs": logging.CRITICAL} | quiet
    workers = {}
    for number, gpu in enumerate(gpus):
        of_gpu = {"resources": {"GPU": 1}, "env": {"CUDA_VISIBLE_DEVICES": gpu}} if gpu else {}
        workers[number] = {"cls": Nanny, "options": common | of_gpu}
    scheduler = {"cls": Scheduler, "options": {"port": 0, "allowed_failures": MOST_LOSSES - 1} | quiet}
    # On a terminal Ctrl-C reaches the workers, too, which the driver ends: what is ignored here is ignored by children.
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return SpecCluster(workers, scheduler, silence_logs=logging.CRITICAL)
    finally:
        signal.signal(signal.SIGINT, former)


def _hush() -> None:
    """Silence Dask's loggers, which have levels of their own; errors reach the user as one line."""
    for name in logging.root.manager.loggerDict:
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def visible_gpus() -> list[str]:
    """Names of the GPUs of this process, as CUDA_VISIBLE_DEVICES has them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    import torch

    return list(map(str, range(torch.cuda.device_count())))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
