"""Jobs on any `concurrent.futures.Executor`."""

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from bench.errors import LostError
from bench.execution.engine import Engine, Job, Outcome
from bench.execution.parcels import Delivery, Luggage, pack, perform, unpack
from bench.records.store import Store

AHEAD = 256
"""Jobs to hand to an executor that does not say how many it runs."""


class Foreign(Engine):
    """An engine on any `concurrent.futures.Executor`.

    Plug-in files travel with every job; data have to be where the job runs.

    Args:
        store: Folder that takes the results.
        device: Device of the jobs, "cpu" or "cuda".
        executor: Executor whose workers may start a child process.
        jobs: Number of jobs that it gets at a time.
        shared: Files that every job needs.
    """

    def __init__(self, store: Store, device: str, executor: Executor, jobs: int, shared: Luggage) -> None:
        super().__init__(store, device)
        self._executor = executor
        self._jobs = jobs
        self._shared = shared
        self._contents = shared.contents()
        self._flag = store.root.resolve() / f".running.{os.getpid()}"
        self._flag.touch()

    @property
    def room(self) -> int:
        """Number of jobs that the executor gets at a time."""
        return self._jobs

    def submit(self, job: Job, started: Callable[[], None]) -> Future[Any]:
        """Hand over a parcel; executors do not tell when it begins."""
        started()
        parcel = pack(job, self.store, self._shared, self._contents)
        return self._executor.submit(perform, dataclasses.replace(parcel, flag=str(self._flag)))

    def outcome(self, job: Job, future: Future[Any]) -> Outcome:
        """Unpack what came back."""
        try:
            delivery: Delivery = future.result()
        except (BrokenProcessPool, CancelledError) as error:
            raise LostError(f"the executor is gone ({type(error).__name__}: {error})") from None
        except Exception as error:  # an executor may raise anything
            return Outcome(1, timed_out=False, error=f"{type(error).__name__}: {error}")
        return unpack(delivery, job, self.store)

    def close(self) -> None:
        """Take no more, and end jobs that can see the flag; the executor has to end the others."""
        self._flag.unlink(missing_ok=True)
        self._executor.shutdown(wait=False, cancel_futures=True)
