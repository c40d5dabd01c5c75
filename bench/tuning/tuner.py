"""Tuning: every family gets the same number of trials on the same seeds.

The runner's own jobs measure the trials on validation splits. Tuning seeds lie above those of any run
(`datasets.TUNING`); `datasets.load` gives them no test split.
"""

import itertools
import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bench.errors import UsageError
from bench.execution.engine import Engine
from bench.execution.runner import Options, Runner
from bench.planning import keys
from bench.planning.cells import Cell, Plan
from bench.planning.pairs import cell_of, pair_of
from bench.planning.rows import Row
from bench.planning.tuned import FRONT, NAME, UNCONSTRAINED, WINNER, Tuned, dump
from bench.records.files import write_atomically
from bench.records.record import Record, cause
from bench.records.store import Store
from bench.tuning.study import OpenTrial, Study, open_storage, shown
from bench.tuning.task import Subject, Task
from bench.typing import JSON
from bench.vocabulary import DONE, FAILED

JOURNAL = "study.journal"
GIVEN_UP = "GivenUpError"
"""Name of the error of a training that was given up."""


class Tuner:
    """A driver of studies: it asks for trials, measures them, and reports their values until all are finished.

    Args:
        task: Families, datasets and objectives.
        store: Folder that keeps the records and the journal.
        options: Choices of how jobs are run.
        environment: Facts about the machine and the versions.
        engine: Engine that runs the jobs.
        report: Function that takes a line for every finished trial.

    Raises:
        UsageError: The folder holds trials of another question.
    """

    def __init__(
        self,
        task: Task,
        store: Store,
        options: Options,
        environment: JSON,
        engine: Engine,
        report: Callable[[str], None],
    ) -> None:
        self.task = task
        self.store = store
        self.options = options
        self.environment = environment
        self.engine = engine
        self.report = report
        storage = open_storage(store.root / JOURNAL)
        self.studies = {self._study(storage, subject): subject for subject in task.subjects}

    def _study(self, storage: Any, subject: Subject) -> Study:
        task, source = self.task, subject.source
        metrics = task.metrics(subject)
        question = {
            "objective": task.objective_names,
            "constraint": str(task.constraint or ""),
            "protocol": task.protocol.values(),
            "seeds": list(task.seeds),
            "dataset": {
                "parameters": source.portable_parameters,
                "recipe": source.dataset.recipe() if source.dataset else {},
            },
            "code": keys.training_code(subject.family.name, source.name) | keys.metric_keys("", task.protocol, metrics),
        }
        bound = task.constraint
        return Study(
            storage,
            subject.family,
            source.name,
            objectives=task.objectives,
            constraint=bound if bound and bound.metric in metrics else None,
            trials=task.trials,
            question=question,
        )

    def run(self) -> None:
        """Go on until every study has its trials.

        Raises:
            KeyboardInterrupt: Ctrl-C; the same command goes on.
        """
        for study in self.studies:
            left = study.revive()
            if left:
                self.report(f"{study.name}: {left} trials were cut off and are queued again")
        while trials := list(itertools.chain.from_iterable(map(Study.ask, self.studies))):
            self._round(trials)

    def _round(self, trials: Sequence[OpenTrial]) -> None:
        """Measure the first seed of every trial, then the other seeds of trials that are not hopeless."""
        cells: dict[int, list[Cell]] = {}
        for index, trial in enumerate(trials):
            try:
                cells[index] = self._cells(trial)
            except UsageError as error:
                self._fail(trial, str(error))
        firsts, ceilings = [], {}
        for index, cells_of_trial in cells.items():
            first = cells_of_trial[0]
            firsts.append(first)
            ceilings[first.key] = trials[index].study.ceiling()
        records = self._measure(firsts, ceilings)
        others: list[Cell] = []
        for index in list(cells):
            if self._ends_after_one_seed(trials[index], cells[index], records):
                del cells[index]
            else:
                others += cells[index][1:]
        records |= self._measure(others)
        for index, cells_of_trial in cells.items():
            trial = trials[index]
            trouble = _trouble(cells_of_trial, records)
            if trouble:
                self._fail(trial, trouble)
            else:
                trial.finish(self._means(trial, cells_of_trial, records))
                self._show(trial, trial.shown)
        for key in records:
            # The weights of a trial are of no use once it is reported: a winner is retrained on other seeds.
            self.store.weights(key).unlink(missing_ok=True)
            self.store.codes(key).unlink(missing_ok=True)

    def _ends_after_one_seed(self, trial: OpenTrial, cells: Sequence[Cell], records: Mapping[str, Record]) -> bool:
        """Report a trial that failed, was given up or is hopeless after one seed; keep the curve of others."""
        record = records[cells[0].key]
        trouble = _trouble(cells[:1], records)
        if _given_up(record):
            trial.give_up()
            self._show(trial, record["error"]["message"])
        elif trouble:
            self._fail(trial, trouble)
        elif len(cells) > 1 and trial.hopeless(self._means(trial, cells[:1], records)):
            trial.give_up()
            self._show(trial, f"given up after one seed: {trial.shown}")
        else:
            trial.follow(self.store.whole(record)["history"]["validation"])
            return False
        return True

    def _cells(self, trial: OpenTrial) -> list[Cell]:
        subject = self.studies[trial.study]
        name = f"{subject.family.name} #{trial.trial.number}"
        metrics = tuple(self.task.metrics(subject))
        row = Row(name=name, quantizer=subject.family.name, parameters=trial.parameters, metrics=metrics)
        pair = pair_of(row, {}, subject.source, self.task.protocol)
        return [cell_of(pair, seed) for seed in self.task.seeds]

    def _measure(
        self, cells: Iterable[Cell], ceilings: Mapping[str, Sequence[float | None]] | None = None
    ) -> dict[str, Record]:
        unique = {cell.key: cell for cell in cells}
        plan = Plan(protocol=self.task.protocol, cells=tuple(unique.values()))
        return Runner(plan, self.store, self.options, self.environment, _Silent(), self.engine, ceilings).run()

    def _means(self, trial: OpenTrial, cells: Sequence[Cell], records: Mapping[str, Record]) -> dict[str, float]:
        means = {}
        for name in self.task.metrics(self.studies[trial.study]):
            values = []
            for cell in cells:
                value = records[cell.key]["metrics"][name]
                assert value is not None  # a trial with a blank fails before it comes here, see `_trouble`
                values.append(value)
            means[name] = math.fsum(values) / len(values)
        return means

    def _fail(self, trial: OpenTrial, trouble: str) -> None:
        trial.fail(trouble)
        self._show(trial, f"failed: {trouble}")

    def _show(self, trial: OpenTrial, end: str) -> None:
        study = trial.study
        winner = study.winner()
        best = f"; best {shown(winner.values)}" if winner else ""
        self.report(f"[{len(study.finished())}/{study.trials}] {study.name} trial {trial.trial.number}: {end}{best}")

    def write(self, command: Sequence[str]) -> list[str]:
        """Write `tuned.toml`, and return a line for every study."""
        task, lines = self.task, []
        facts = {
            "command": shlex.join(command),
            "protocol": task.protocol.name,
            "seeds": len(task.seeds),
            "datasets": list(dict.fromkeys(subject.source.typed for subject in task.subjects)),
            "objective": task.objective_names,
            "constraint": str(task.constraint or ""),
        }
        tables: dict[str, list[Tuned]] = {WINNER: [], UNCONSTRAINED: [], FRONT: []}
        for study in self.studies:
            winner, free = study.winner(), study.winner(constrained=False)
            tables[WINNER] += [winner] if winner else []
            tables[UNCONSTRAINED] += [free] if free and study.constraint else []
            tables[FRONT] += study.front() if len(task.objectives) > 1 else []
            none = f"no trial keeps {study.constraint}" if free else "no trial has values"
            lines.append(f"{study.name}, {study.counted()}: {shown(winner.values) if winner else none}")
        write_atomically(self.store.root / NAME, dump(facts, tables))
        return lines


def _given_up(record: Record) -> bool:
    """Whether the training was given up, above the learning curves of other trials."""
    return record["status"] == FAILED and record["error"].get("type") == GIVEN_UP


def _trouble(cells: Sequence[Cell], records: Mapping[str, Record]) -> str:
    """Reason why a trial has no values; "" where it has."""
    for cell in cells:
        record = records[cell.key]
        if record["status"] != DONE:
            return f"{record['status']}: {cause(record)}"
        for name, value in record["metrics"].items():
            if value is None:
                return f"{name} has no value"
    return ""


class _Silent:
    """A watcher that shows nothing: trials are shown, not cells."""

    def started(self, cells: list[Cell]) -> None:
        """Show nothing."""

    def finished(self, cell: Cell, record: Record, resumed: bool) -> None:
        """Show nothing."""
