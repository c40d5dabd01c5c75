"""Jobs on this machine."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from bench.execution.engine import Children, Engine, Job, Outcome
from bench.records.store import Store


class Local(Engine):
    """An engine that runs jobs on this machine.

    Args:
        store: Folder that takes the results.
        device: Device of the jobs, "cpu" or "cuda".
        jobs: Number of child processes at a time.
    """

    def __init__(self, store: Store, device: str, jobs: int) -> None:
        super().__init__(store, device)
        self._jobs = jobs
        self._children = Children()
        self._threads = ThreadPoolExecutor(jobs)  # they only wait for children

    @property
    def room(self) -> int:
        """Number of jobs that run at a time."""
        return self._jobs

    def submit(self, job: Job, started: Callable[[], None]) -> Future[Any]:
        """Start a child."""
        started()
        return self._threads.submit(job.run_here, self.store, self._children)

    def outcome(self, job: Job, future: Future[Any]) -> Outcome:
        """Outcome of the child."""
        try:
            outcome: Outcome = future.result()
        except OSError as error:  # no child could be started, or its files not written
            return Outcome(1, timed_out=False, error=str(error))
        return outcome

    def close(self) -> None:
        """Kill the children."""
        self._children.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
