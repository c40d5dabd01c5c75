"""Tuning: every family gets the same number of trials on the same seeds.

The runner's own jobs measure the trials on validation splits. Tuning seeds lie above those of any run
(`datasets.TUNING`); `datasets.load` gives them no test split.
"""

import itertools
import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import quantizers
from bench import plugins
from bench.errors import UnsuitableError, UsageError
from bench.execution.engine import Engine
from bench.execution.runner import Options, Runner
from bench.metrics import METRICS
from bench.planning import keys
from bench.planning.cells import Cell, Plan
from bench.planning.pairs import cell_of, pair_of
from bench.planning.protocol import Protocol
from bench.planning.request import Request, datasets_of, names_of, protocol_of
from bench.planning.rows import Row
from bench.planning.sources import Source, source_of
from bench.planning.tuned import FRONT, NAME, UNCONSTRAINED, WINNER, Tuned, dump
from bench.records.files import write_atomically
from bench.records.record import Record, cause
from bench.records.store import Store
from bench.tuning.goals import Constraint, Objective
from bench.tuning.study import OpenTrial, Study, open_storage, shown
from bench.typing import JSON
from bench.vocabulary import DONE, FAILED, REFERENCES
from quantizers.base import Quantizer
from quantizers.checks import suggestion
from quantizers.registry import Family

JOURNAL = "study.journal"
GIVEN_UP = "GivenUpError"
"""Name of the error of a training that was given up."""


@dataclass(frozen=True)
class Subject:
    """A family on a dataset that is there.

    Attributes:
        family: Family that is tuned.
        source: Dataset that it is tuned on.
        ordered: Whether the codes of the family have lattice positions.
    """

    family: Family
    source: Source
    ordered: bool


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task for the tuner.

    Attributes:
        subjects: Families on datasets, one study each.
        protocol: Protocol of all studies.
        objectives: Metrics that the trials improve.
        constraint: Bound that winners keep, where it applies.
        seeds: Seeds of data and training, the same for every trial.
        trials: Number of trials of every family on every dataset.
        remarks: Lines to print before the study.
    """

    subjects: tuple[Subject, ...]
    protocol: Protocol
    objectives: tuple[Objective, ...]
    constraint: Constraint | None
    seeds: tuple[int, ...]
    trials: int
    remarks: tuple[str, ...]

    @property
    def objective_names(self) -> list[str]:
        """Names of the objectives, the first one first."""
        return [objective.name for objective in self.objectives]

    def metrics(self, subject: Subject) -> list[str]:
        """Names of the metrics to measure for a family."""
        names = self.objective_names
        if self.constraint and _applies(self.constraint.metric, subject):
            names.append(self.constraint.metric)
        return list(dict.fromkeys(names))


def task_of(request: Request, *, objective: str, constraint: str, seeds: int | None, trials: int) -> Task:
    """Resolve the request of a user.

    Args:
        request: Names of families, datasets and protocol.
        objective: Names of metrics, separated by commas.
        constraint: Bound such as "topographic_error<=0.1"; "" for none.
        seeds: Number of seeds per trial; None for the protocol's.
        trials: Number of trials of every family on every dataset.

    Raises:
        UsageError: A name is not known, a family declares no search space, or nothing can be tuned on a dataset.
    """
    if trials < 1:
        raise UsageError(f"expected --trials of at least 1, got {trials}")
    objectives = Objective.parse(objective)
    bound = Constraint.parse(constraint) if constraint else None
    protocol = protocol_of(request)
    count = protocol.seeds if seeds is None else seeds
    if not 1 <= count <= 1_000:
        raise UsageError(f"expected --seeds between 1 and 1000, got {count}")
    remarks: list[str] = []
    families = _families(request.quantizers, remarks)
    subjects: dict[tuple[str, str], Subject] = {}
    for name, parameters in datasets_of(request.datasets).items():
        source = source_of(name, protocol, parameters, request.require_real, remarks)
        if source.dataset is None:
            raise UsageError(f"there is nothing to tune on: {source.reason}")
        if not source.dataset.test_apart:
            raise UsageError(f"on {source.name} a seed may train on what another tests, so nothing can be tuned on it")
        for family in families:
            subject = _subject(family, source, request, protocol, remarks)
            if subject is not None:
                _check_objectives(objectives, subject)
                subjects.setdefault((family.name, source.name), subject)
    first = datasets.TUNING
    return Task(
        subjects=tuple(subjects.values()),
        protocol=protocol,
        objectives=objectives,
        constraint=bound,
        seeds=tuple(range(first, first + count)),
        trials=trials,
        remarks=tuple(remarks),
    )


def _subject(
    family: Family, source: Source, request: Request, protocol: Protocol, remarks: list[str]
) -> Subject | None:
    """Put a family on a dataset; None where it cannot be there and the user did not name it."""
    try:
        pair = pair_of(Row(name=family.name, quantizer=family.name), {}, source, protocol)
    except UnsuitableError as error:
        if family.name in _parts(request.quantizers):
            raise
        remarks.append(f"{family.name} on {source.name} is left out: {error}")
        return None
    return Subject(family, source, pair.capacity.ordered)


def _check_objectives(objectives: Sequence[Objective], subject: Subject) -> None:
    for objective in objectives:
        if not _applies(objective.name, subject):
            raise UsageError(
                f"--objective {objective.name}: the codes of {subject.family.name} have no places on a grid"
            )


def _parts(text: str) -> set[str]:
    """Names between commas."""
    return set(map(str.strip, text.split(",")))


def _families(text: str, remarks: list[str]) -> list[Family]:
    """Families that were named; "all" stands for those that declare a search space."""
    families = []
    for name in names_of(text.split(","), list(quantizers.families()), "quantizer"):
        plain, colon, _ = name.partition(":")
        if name in REFERENCES or not keys.is_family(name):
            plugins.refuse_broken("quantizer", plain)
            raise UsageError(f"unknown quantizer {name!r}; {suggestion(name, quantizers.names())}")
        if colon:
            raise UsageError(f"{name} is a preset, which keeps its published values; tune {plain}")
        family = quantizers.get(name)[0]
        if family.cls.suggest.__func__ is not Quantizer.suggest.__func__:  # type: ignore[attr-defined]
            families.append(family)
        elif name in _parts(text):
            raise UsageError(
                f"{name} declares no search space; give {family.cls.__name__} a classmethod suggest(trial)"
            )
        else:
            remarks.append(f"{name} declares no search space and is left as it is.")
    return families


def _applies(metric: str, subject: Subject) -> bool:
    return subject.ordered or "positions" not in METRICS[metric].needs


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
