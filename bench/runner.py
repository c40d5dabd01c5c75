"""Plan -> jobs -> records, resumed where a run was cut off."""

import dataclasses
import os
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from bench.environment import digest
from bench.executors import Children, Outcome, local
from bench.plan import Cell, Plan
from bench.store import DONE, FAILED, INTERRUPTED, TIMEOUT, Record, Store, write_json

RERUN = ("missing", "failed", "all")


@dataclass(frozen=True)
class Options:
    """How a plan is run.

    Attributes:
        device: "cpu" or "cuda".
        jobs: Children at a time.
        rerun: Which cells with a record run again: "missing", none; "failed", those not done; "all".
        timeout: Seconds a job may take, or None.
        plugins: Plug-in files or modules that every child loads.
    """

    device: str
    jobs: int
    rerun: str = "missing"
    timeout: float | None = None
    plugins: tuple[str, ...] = ()


class Watcher(Interface):
    """Is told what happens."""

    def started(self, cells: list[Cell]) -> None:
        """A job began."""

    def finished(self, cell: Cell, record: Record, resumed: bool) -> None:
        """A cell has its record; `resumed` where it had it before."""


def damaged_records(plan: Plan, store: Store) -> list[str]:
    """A line for each record of the plan that cannot be read."""
    return store.read_all(cell.key for cell in plan.cells)[1]


def pending(plan: Plan, store: Store, rerun: str) -> tuple[list[Cell], dict[str, Record]]:
    """Cells to run, and the records of the others."""
    records, _ = store.read_all(cell.key for cell in plan.cells)
    todo, kept = [], {}
    for cell in plan.cells:
        record = records.get(cell.key)
        status = record["status"] if record else None
        again = status in (None, INTERRUPTED) or rerun == "all" or (rerun == "failed" and status != DONE)
        if again or (status == DONE and stale_metrics(cell, record or {})):
            todo.append(cell)
        elif record:
            kept[cell.key] = record
    return todo, kept


def stale_metrics(cell: Cell, record: Record) -> list[str]:
    """Metrics that the record lacks or whose code has changed since."""
    known = record.get("metric_keys", {}) if record.get("status") == DONE else {}
    return [name for name, key in cell.metric_keys.items() if known.get(name) != key]


class Run:
    """One run of a plan.

    Args:
        plan: What to do.
        store: Where records go.
        options: How.
        environment: What it runs on.
        watcher: Is told what happens.
    """

    def __init__(
        self, plan: Plan, store: Store, options: Options, environment: dict[str, Any], watcher: Watcher
    ) -> None:
        self.plan = plan
        self.store = store
        self.options = options
        self.environment = environment
        self.watcher = watcher
        self.children = Children()
        self.records: dict[str, Record] = {}

    def run(self) -> dict[str, Record]:
        """Run what is pending and return every cell's record.

        Raises:
            KeyboardInterrupt: Ctrl-C; children are ended and cells in flight recorded as interrupted.
        """
        todo, self.records = pending(self.plan, self.store, self.options.rerun)
        by_key = {cell.key: cell for cell in self.plan.cells}
        for key, record in self.records.items():
            self.watcher.finished(by_key[key], record, resumed=True)
        jobs = self._jobs(todo)
        executor = local(self.options.jobs)
        futures: dict[Future[Outcome], list[Cell]] = {}
        try:
            for cells in jobs:
                futures[executor.submit(self._run_job, cells)] = cells
            waiting = set(futures)
            while waiting:
                finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._collect(futures.pop(future), future.result())
        except BaseException:
            self.children.close()
            executor.shutdown(wait=True, cancel_futures=True)
            self._interrupt(futures)
            raise
        executor.shutdown()
        return self.records

    def _jobs(self, cells: list[Cell]) -> list[list[Cell]]:
        """One seed a job on a CPU; on a GPU all seeds of a pair, which train as one batch."""
        if self.options.device == "cpu":
            return [[cell] for cell in cells]
        pairs: dict[tuple[str, str], list[Cell]] = {}
        for cell in cells:
            pairs.setdefault(cell.pair, []).append(cell)
        return list(pairs.values())

    def _run_job(self, cells: list[Cell]) -> Outcome:
        self.watcher.started(cells)
        key = cells[0].key
        spec = self.store.cells / f"{key}.job.json"
        write_json(spec, self._spec(cells))
        outcome = self.children.run(spec, self.store.log(key), self.options.timeout, threads=1)
        spec.unlink(missing_ok=True)
        return outcome

    def _spec(self, cells: list[Cell]) -> dict[str, Any]:
        return {
            "root": str(self.store.root.resolve()),
            "driver": os.getpid(),
            "device": self.options.device,
            "plugins": list(self.options.plugins),
            "schedule": dataclasses.asdict(self.plan.protocol.schedule),
            "reader": dataclasses.asdict(self.plan.protocol.reader),
            "codebook_size": self.plan.protocol.codebook_size,
            "environment": digest(self.environment),
            "cells": [self._cell(cell) for cell in cells],
        }

    def _cell(self, cell: Cell) -> dict[str, Any]:
        """The cell and what its former record may keep."""
        try:
            former = self.store.read(cell.key) or {}
        except ValueError:
            former = {}
        status = former.get("status", INTERRUPTED)
        if status != DONE or self.options.rerun == "all":
            self.store.path(cell.key).unlink(missing_ok=True)
            former = {}
        if status not in (DONE, INTERRUPTED) or self.options.rerun == "all":
            self.store.weights(cell.key).unlink(missing_ok=True)  # they may be the cause of the failure
        missing = stale_metrics(cell, former)
        kept = {
            part: {name: value for name, value in former.get(part, {}).items() if name not in missing}
            for part in ("metrics", "metric_seconds")
        }
        return dataclasses.asdict(cell) | {"missing": missing, "former": kept}

    def _collect(self, cells: list[Cell], outcome: Outcome) -> None:
        for cell in cells:
            record = self._written(cell) or self._lost(cell, outcome)
            self.records[cell.key] = record
            self.watcher.finished(cell, record, resumed=False)
        if all(self.records[cell.key]["status"] == DONE for cell in cells):
            self.store.log(cells[0].key).unlink(missing_ok=True)

    def _written(self, cell: Cell) -> Record | None:
        """The record that the child wrote; a former one with stale metrics may still lie in its place."""
        try:
            record = self.store.read(cell.key)
        except ValueError:
            return None
        return None if record and record["status"] == DONE and stale_metrics(cell, record) else record

    def _lost(self, cell: Cell, outcome: Outcome) -> Record:
        message = f"took longer than {self.options.timeout:g} s" if outcome.timed_out else outcome.cause
        return self._write(cell, TIMEOUT if outcome.timed_out else FAILED, message)

    def _write(self, cell: Cell, status: str, message: str) -> Record:
        record = {
            "key": cell.key,
            "cell": {k: v for k, v in dataclasses.asdict(cell).items() if k != "metric_keys"},
            "status": status,
            "error": {"type": None, "message": message, "traceback": self.store.log(cell.key).name},
            "device": self.options.device,
            "environment": digest(self.environment),
            "finished": time.time(),
        }
        self.store.write(record)
        return record

    def _interrupt(self, futures: dict[Future[Outcome], list[Cell]]) -> None:
        for future, cells in futures.items():
            for cell in cells:
                if not future.cancelled():
                    written = self._written(cell)
                    self.records[cell.key] = written or self._write(cell, INTERRUPTED, "stopped by the user")
