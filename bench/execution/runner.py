"""Plan -> jobs -> records, resumed where a run was cut off."""

import contextlib
import dataclasses
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
from bench.execution.reuse import _light, measured_before_failing, pending, stale_metrics
from bench.planning.cells import Cell, Plan, made_elsewhere
from bench.records.environment import digest
from bench.records.record import KEPT, Record
from bench.records.store import Store
from bench.vocabulary import DONE, FAILED, INTERRUPTED, TIMEOUT


@dataclass(frozen=True)
class Options:
    """How a plan is run.

    Attributes:
        device: "cpu" or "cuda".
        jobs: Children at a time.
        rerun: Which cells with a record run again: "missing", none; "failed", those not done; "all".
        timeout: Seconds a job may take, or None.
        plugins: Plug-in files or modules that every child loads.
        trains: False only measures, with the weights that are stored: every metric anew.
    """

    device: str
    jobs: int
    rerun: str = "missing"
    timeout: float | None = None
    plugins: tuple[str, ...] = ()
    trains: bool = True


class Watcher(Interface):
    """Is told what happens."""

    def started(self, cells: list[Cell]) -> None:
        """A job began."""

    def finished(self, cell: Cell, record: Record, resumed: bool) -> None:
        """A cell has its record; `resumed` where it had it before."""


class Run:
    """One run of a plan.

    Args:
        plan: What to do.
        store: Where records go.
        options: How.
        environment: What it runs on.
        watcher: Is told what happens.
        engine: Where jobs run; this machine unless told.
        ceilings: Cell's key -> validation error above which its training is given up, see `bench.training.loop.train`.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        options: Options,
        environment: dict[str, Any],
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
        """Run what is pending and return every cell's record.

        Raises:
            KeyboardInterrupt: Ctrl-C; children are ended and cells in flight recorded as interrupted.
        """
        todo, self.records = pending(self.plan, self.store, self.options.rerun)
        if not self.options.trains:
            todo = self._measurable(todo)
        by_key = {cell.key: cell for cell in self.plan.cells}
        for key, record in self.records.items():
            self.watcher.finished(by_key[key], record, resumed=True)
        self._remove_logs()
        waiting: deque[list[Cell]] = deque(self._jobs(todo))
        flying: dict[Future[Any], tuple[Job, list[Cell]]] = {}
        try:
            self._work(waiting, flying)
        except BaseException as error:
            self.engine.close()
            cause = str(error) if isinstance(error, LostError | UsageError) else "stopped by the user"
            for future, (_, cells) in flying.items():
                self._interrupt(cells, "" if future.cancelled() else cause)
            for cells in waiting:
                self._interrupt(cells, "")
            raise
        return self.records

    def _work(self, waiting: deque[list[Cell]], flying: dict[Future[Any], tuple[Job, list[Cell]]]) -> None:
        """Keep the engine busy until nothing waits and nothing runs."""
        finished: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        while waiting or flying:
            while waiting and len(flying) < self.engine.room:
                cells = waiting.popleft()
                job = Job(cells[0].tokenizer, self._spec(cells), self.options.timeout)
                future = self.engine.submit(job, functools.partial(self.watcher.started, cells))
                flying[future] = job, cells
                future.add_done_callback(finished.put)
            with contextlib.suppress(queue.Empty):
                future = finished.get(timeout=0.5)  # a look at the room, too: clusters grow
                job, cells = flying[future]
                self._collect(cells, self.engine.outcome(job, future))
                del flying[future]

    def _remove_logs(self) -> None:
        """Of jobs that were killed after their last record and before their log went; a failure keeps its own."""
        told = {(record.get("error") or {}).get("traceback") for record in self.records.values()}
        for cell in self.plan.cells:
            log = self.store.log(cell.tokenizer)
            if cell.key in self.records and log.name not in told:
                log.unlink(missing_ok=True)

    def _measurable(self, cells: list[Cell]) -> list[Cell]:
        """Without those that never had weights, of which the records keep why, and those whose plug-in is gone."""
        records, _ = self.store.read_all(cell.key for cell in cells)
        todo = []
        for cell in cells:
            record = records.get(cell.key)
            weighed = record is None or record["status"] == DONE or self.store.weights(cell.tokenizer).exists()
            if weighed and not made_elsewhere(cell):
                todo.append(cell)
            elif record is not None:
                self.records[cell.key] = record
        return todo

    def _jobs(self, cells: list[Cell]) -> list[list[Cell]]:
        """One tokenizer a job on a CPU; on a GPU all seeds of one, which train as one batch; its controls with it."""
        jobs: dict[str, list[Cell]] = {}
        for cell in cells:
            jobs.setdefault(cell.tokenizer if self.engine.device == "cpu" else cell.batch, []).append(cell)
        return list(jobs.values())

    def _spec(self, cells: list[Cell]) -> dict[str, Any]:
        values = [self._cell(cell) for cell in cells]
        return {
            "device": self.engine.device,
            "plugins": plugins.needed(self.options.plugins, plugins.names_of(values)),
            "trains": self.options.trains,
            "run": self.id,
            "environment": digest(self.environment),
            "cells": values,
        }

    def _cell(self, cell: Cell) -> dict[str, Any]:
        """The cell, what its former record may keep, and the metrics to measure."""
        former = self._former(cell)
        if former is None:
            self.store.path(cell.key).unlink(missing_ok=True)
            former = {}
        stale = set(stale_metrics(cell, former) if self.options.trains else cell.metric_keys)
        kept = {
            part: {name: value for name, value in former.get(part, {}).items() if name not in stale} for part in KEPT
        }
        missing = [name for name in cell.metric_keys if name not in kept["metrics"]]
        ceiling = list(self.ceilings.get(cell.key, ()))
        return dataclasses.asdict(cell) | {"missing": missing, "former": kept, "ceiling": ceiling}

    def _former(self, cell: Cell) -> Record | None:
        """The record to build on; where training has to start anew, None, and the weights are removed."""
        try:
            record = self.store.read(cell.key)
        except ValueError:
            record = None
        if not self.options.trains:
            return record or {}
        if self.options.rerun != "all":
            if record is None or record["status"] == INTERRUPTED:
                return None  # weights that are there were written whole, before the cell was cut off
            if record["status"] == DONE or measured_before_failing(record):
                return record
        if cell.tokenizer == cell.key:
            self.store.weights(cell.key).unlink(missing_ok=True)
        return None

    def _collect(self, cells: list[Cell], outcome: Outcome) -> None:
        for cell in cells:
            record = _light(cell, self._written(cell) or self._lost(cell, outcome, cells[0]))
            self.records[cell.key] = record
            self.watcher.finished(cell, record, resumed=False)
        if all(self.records[cell.key]["status"] == DONE for cell in cells):
            self.store.log(cells[0].tokenizer).unlink(missing_ok=True)

    def _written(self, cell: Cell) -> Record | None:
        """The record that the child wrote; a former one with stale metrics may still lie in its place."""
        told = self.store.take_failure(cell.key)
        if told is not None:
            return told
        try:
            record = self.store.read(cell.key)
        except ValueError:
            return None
        if record and not self.options.trains and record.get("run") != self.id:
            return None
        return None if record and "metric_keys" in record and stale_metrics(cell, record) else record

    def _lost(self, cell: Cell, outcome: Outcome, first: Cell) -> Record:
        message = f"took longer than {self.options.timeout:g} s" if outcome.timed_out else outcome.cause
        return self._write(
            cell, TIMEOUT if outcome.timed_out else FAILED, message, self.store.log(first.tokenizer).name
        )

    def _write(self, cell: Cell, status: str, message: str, log: str) -> Record:
        record = {
            "key": cell.key,
            "cell": {name: value for name, value in dataclasses.asdict(cell).items() if name != "metric_keys"},
            "status": status,
            "error": {"type": None, "message": message, "traceback": log},
            "device": self.engine.device,
            "environment": digest(self.environment),
            "finished": time.time(),
            "run": self.id,
        }
        if not self.store.path(cell.key).exists():  # a former record with stale metrics is worth more than this one
            self.store.write(record)
        return record

    def _interrupt(self, cells: list[Cell], cause: str) -> None:
        """Record cells of a job that was cut off; without a cause, of one that never began."""
        for cell in cells:
            # A cell to be trained or measured anew that was not reached keeps its place in the tables.
            kept = self._written(cell) if self.options.trains else self.store.read_all([cell.key])[0].get(cell.key)
            if kept is None and cause:
                kept = self._write(cell, INTERRUPTED, cause, self.store.log(cells[0].tokenizer).name)
            if kept is not None:
                self.records[cell.key] = kept
