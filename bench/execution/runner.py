"""Plan -> jobs -> records, resumed where a run was cut off."""

import contextlib
import functools
import queue
import secrets
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from bench import plugins
from bench.errors import LostError, UsageError
from bench.execution.engine import Engine, Job, Outcome
from bench.execution.local import Local
from bench.execution.reuse import light, measured_before_failing, pending, stale_metrics
from bench.execution.task import CellTask, kept_parts
from bench.planning.cells import Cell, Plan, made_elsewhere
from bench.records.environment import digest
from bench.records.record import Failure, Record
from bench.records.store import Store
from bench.typing import JSON
from bench.vocabulary import DONE, FAILED, INTERRUPTED, TIMEOUT


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choices of how a plan is run.

    Attributes:
        device: Device of the jobs, "cpu" or "cuda".
        jobs: Number of child processes at a time.
        rerun: Cells with a record that run again: "missing" for none, "failed" for those that are not done, or "all".
        timeout: Seconds that a job may take; None for no limit.
        plugins: Plug-in files or modules that are registered.
        trains: Whether tokenizers are trained; False measures every metric anew with the weights that are stored.
    """

    device: str
    jobs: int
    rerun: str = "missing"
    timeout: float | None = None
    plugins: tuple[str, ...] = ()
    trains: bool = True


class Watcher(Interface):
    """An observer of a run."""

    def started(self, cells: list[Cell]) -> None:
        """Take note that a job began."""

    def finished(self, cell: Cell, record: Record, resumed: bool) -> None:
        """Take note that a cell has its record; `resumed` where it had the record before."""


class Runner:
    """One run of a plan.

    Args:
        plan: Plan with the cells to run.
        store: Folder that takes the records.
        options: Choices of how to run.
        environment: Facts about the machine and the versions.
        watcher: Observer that is notified of every cell.
        engine: Engine that runs the jobs; by default this machine.
        ceilings: Key of a cell -> validation errors above which its training is given up, see
            `bench.training.loop.train`.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        options: Options,
        environment: JSON,
        watcher: Watcher,
        engine: Engine | None = None,
        ceilings: Mapping[str, Sequence[float | None]] | None = None,
    ) -> None:
        self.plan = plan
        self.store = store
        self.options = options
        self.environment = environment
        self.watcher = watcher
        self.engine = engine or Local(store, options.device, options.jobs)
        self.ceilings = ceilings or {}
        self.records: dict[str, Record] = {}
        self.id = secrets.token_hex(8)  # marks the records of this run: clocks of machines differ, and are set back

    def run(self) -> dict[str, Record]:
        """Run what is pending and return the record of every cell by its key.

        Raises:
            KeyboardInterrupt: Ctrl-C; children are ended, and cells in flight are recorded as interrupted.
        """
        waiting_cells, self.records = pending(self.plan, self.store, self.options.rerun)
        if not self.options.trains:
            waiting_cells = self._measurable(waiting_cells)
        for cell in self.plan.cells:
            if cell.key in self.records:
                self.watcher.finished(cell, self.records[cell.key], resumed=True)
        self._remove_logs()
        waiting = deque(self._grouped(waiting_cells))
        flying: dict[Future[Any], Job] = {}
        try:
            self._work(waiting, flying)
        except BaseException as error:
            self.engine.close()
            cause = str(error) if isinstance(error, LostError | UsageError) else "stopped by the user"
            for future, job in flying.items():
                self._interrupt(job.cells, "" if future.cancelled() else cause)
            for cells in waiting:
                self._interrupt(cells, "")
            raise
        return self.records

    def _work(self, waiting: deque[list[Cell]], flying: dict[Future[Any], Job]) -> None:
        """Keep the engine busy until nothing waits and nothing runs."""
        finished: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        while waiting or flying:
            while waiting and len(flying) < self.engine.room:
                cells = waiting.popleft()
                job = self._job(cells)
                future = self.engine.submit(job, functools.partial(self.watcher.started, cells))
                flying[future] = job
                future.add_done_callback(finished.put)
            with contextlib.suppress(queue.Empty):
                future = finished.get(timeout=0.5)  # looks at the room as well: clusters grow
                self._collect(flying[future], self.engine.outcome(flying[future], future))
                del flying[future]

    def _remove_logs(self) -> None:
        """Remove logs of jobs that were killed between their last record and the end; a failure keeps its log."""
        kept_logs = set()
        for record in self.records.values():
            kept_logs.add(record.get("error", Failure()).get("traceback"))
        for cell in self.plan.cells:
            log = self.store.log(cell.tokenizer_key)
            if cell.key in self.records and log.name not in kept_logs:
                log.unlink(missing_ok=True)

    def _measurable(self, cells: list[Cell]) -> list[Cell]:
        """Leave out cells that never had weights and cells of absent plug-ins; their records stay."""
        records, _ = self.store.read_all(cell.key for cell in cells)
        measurable = []
        for cell in cells:
            record = records.get(cell.key)
            weighed = record is None or record["status"] == DONE or self.store.weights(cell.tokenizer_key).exists()
            if weighed and not made_elsewhere(cell):
                measurable.append(cell)
            elif record is not None:
                self.records[cell.key] = record
        return measurable

    def _grouped(self, cells: list[Cell]) -> list[list[Cell]]:
        """Group cells into jobs.

        A job has one tokenizer on a CPU, and on a GPU all seeds of a row, which train as one batch. Controls go with
        their tokenizer.
        """
        groups: dict[str, list[Cell]] = {}
        for cell in cells:
            key = cell.tokenizer_key if self.engine.device == "cpu" else cell.batch_key
            groups.setdefault(key, []).append(cell)
        return list(groups.values())

    def _job(self, cells: list[Cell]) -> Job:
        return Job(
            tasks=tuple(map(self._task, cells)),
            device=self.engine.device,
            plugins=tuple(plugins.needed(self.options.plugins, plugins.names_of(cells))),
            trains=self.options.trains,
            run=self.id,
            environment=digest(self.environment),
            timeout=self.options.timeout,
        )

    def _task(self, cell: Cell) -> CellTask:
        """Make the task of a cell: what its former record may keep, and the metrics to measure."""
        former = self._former(cell)
        if former is None:
            self.store.path(cell.key).unlink(missing_ok=True)
        stale = set(cell.metric_keys)
        if former is not None and self.options.trains:
            stale = set(stale_metrics(cell, former))
        kept = kept_parts(former, stale)
        return CellTask(
            cell=cell,
            missing=tuple(name for name in cell.metric_keys if name not in kept["metrics"]),
            former=kept,
            ceiling=tuple(self.ceilings.get(cell.key, ())),
        )

    def _former(self, cell: Cell) -> Record | None:
        """Record to build on; None where there is none, and where training has to start anew without its weights."""
        try:
            record = self.store.read(cell.key)
        except ValueError:
            record = None
        if not self.options.trains:
            return record
        if self.options.rerun != "all":
            if record is None or record["status"] == INTERRUPTED:
                return None  # weights that are there were written whole, before the cell was cut off
            if record["status"] == DONE or measured_before_failing(record):
                return record
        if cell.tokenizer_key == cell.key:
            self.store.weights(cell.key).unlink(missing_ok=True)
        return None

    def _collect(self, job: Job, outcome: Outcome) -> None:
        for cell in job.cells:
            record = light(cell, self._written(cell) or self._lost(cell, outcome, job))
            self.records[cell.key] = record
            self.watcher.finished(cell, record, resumed=False)
        if all(self.records[cell.key]["status"] == DONE for cell in job.cells):
            self.store.log(job.key).unlink(missing_ok=True)

    def _written(self, cell: Cell) -> Record | None:
        """Record that the child wrote; a former one with stale metrics may still lie in its place."""
        failure = self.store.take_failure(cell.key)
        if failure is not None:
            return failure
        try:
            record = self.store.read(cell.key)
        except ValueError:
            return None
        if record and not self.options.trains and record.get("run") != self.id:
            return None
        return None if record and "metric_keys" in record and stale_metrics(cell, record) else record

    def _lost(self, cell: Cell, outcome: Outcome, job: Job) -> Record:
        """Record of a cell whose job ended without writing one."""
        if outcome.timed_out:
            return self._write(cell, TIMEOUT, f"took longer than {self.options.timeout:g} s", job.key)
        return self._write(cell, FAILED, outcome.cause, job.key)

    def _write(self, cell: Cell, status: str, message: str, job_key: str) -> Record:
        record: Record = {
            "key": cell.key,
            "cell": cell.kept(),
            "status": status,
            "error": {"type": None, "message": message, "traceback": self.store.log(job_key).name},
            "device": self.engine.device,
            "environment": digest(self.environment),
            "finished": time.time(),
            "run": self.id,
        }
        if not self.store.path(cell.key).exists():  # a former record with stale metrics is worth more than this one
            self.store.write(record)
        return record

    def _interrupt(self, cells: list[Cell], cause: str) -> None:
        """Record the cells of a job that was cut off; without a cause, of a job that never began."""
        for cell in cells:
            # A cell to be trained or measured anew that was not reached keeps its place in the tables.
            record = self._written(cell) if self.options.trains else self.store.read_all([cell.key])[0].get(cell.key)
            if record is None and cause:
                record = self._write(cell, INTERRUPTED, cause, cells[0].tokenizer_key)
            if record is not None:
                self.records[cell.key] = record
