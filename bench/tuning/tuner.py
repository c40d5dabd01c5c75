"""Tuning: every family gets the same trials on the same seeds, measured on validation splits by the runner's own jobs.

Tuning seeds lie above those of any run (`datasets.TUNING`); `datasets.load` gives them no test split.
"""

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
from bench.tuning.study import Asked, Study, open_storage, shown
from bench.vocabulary import DONE, FAILED, REFERENCES
from quantizers.base import Quantizer
from quantizers.checks import suggestion
from quantizers.registry import Family

JOURNAL = "study.journal"
GIVEN_UP = "GivenUpError"  # of bench.execution.job, which a driver need not import


@dataclass(frozen=True)
class Subject:
    """A family on a dataset that is there.

    Attributes:
        family: What is tuned.
        source: On what.
        ordered: Whether its codes have positions.
    """

    family: Family
    source: Source
    ordered: bool


@dataclass(frozen=True)
class Task:
    """What a user asks of the tuner.

    Attributes:
        subjects: Families on datasets.
        protocol: Of all of them.
        objectives: What to make better.
        constraint: What winners keep, where it applies.
        seeds: Of data and training, the same for every trial.
        trials: For every family and dataset.
        remarks: Lines for stderr.
    """

    subjects: tuple[Subject, ...]
    protocol: Protocol
    objectives: tuple[Objective, ...]
    constraint: Constraint | None
    seeds: tuple[int, ...]
    trials: int
    remarks: tuple[str, ...]

    def metrics(self, subject: Subject) -> list[str]:
        """What is measured for a family."""
        own = [self.constraint.metric] if self.constraint and _applies(self.constraint.metric, subject) else []
        return list(dict.fromkeys([*(objective.name for objective in self.objectives), *own]))


def task_of(request: Request, *, objective: str, constraint: str, seeds: int | None, trials: int) -> Task:
    """Resolve what the user typed.

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
    named = {part.strip() for part in request.quantizers.split(",")}
    subjects: list[Subject] = []
    for name, told in datasets_of(request.datasets).items():
        source = source_of(name, protocol, told, request.require_real, remarks)
        if source.dataset is None:
            raise UsageError(f"there is nothing to tune on: {source.reason}")
        if not source.dataset.test_apart:
            raise UsageError(f"on {source.name} a seed may train on what another tests, so nothing can be tuned on it")
        for family in families:
            try:
                pair = pair_of(Row(family.name, family.name), {}, source, protocol)
            except UnsuitableError as error:
                if family.name in named:
                    raise
                remarks.append(f"{family.name} on {source.name} is left out: {error}")
                continue
            subject = Subject(family, source, pair.capacity.ordered)
            for each in objectives:
                if not _applies(each.name, subject):
                    raise UsageError(f"--objective {each.name}: the codes of {family.name} have no places on a grid")
            if all(family is not other.family or source.name != other.source.name for other in subjects):
                subjects.append(subject)
    first = datasets.TUNING
    return Task(
        tuple(subjects), protocol, objectives, bound, tuple(range(first, first + count)), trials, tuple(remarks)
    )


def _families(text: str, remarks: list[str]) -> list[Family]:
    """Families asked for; of those that "all" stands for, the ones that declare a search space."""
    asked = {part.strip() for part in text.split(",")}
    found = []
    for name in names_of(text.split(","), list(quantizers.families()), "quantizer"):
        plain, colon, _ = name.partition(":")
        if name in REFERENCES or not keys.is_family(name):
            plugins.refuse_broken("quantizer", plain)
            raise UsageError(f"unknown quantizer {name!r}; {suggestion(name, quantizers.names())}")
        if colon:
            raise UsageError(f"{name} is a preset, which keeps its published values; tune {plain}")
        family = quantizers.get(name)[0]
        if family.cls.suggest.__func__ is not Quantizer.suggest.__func__:  # type: ignore[attr-defined]
            found.append(family)
        elif name in asked:
            raise UsageError(
                f"{name} declares no search space; give {family.cls.__name__} a classmethod suggest(trial)"
            )
        else:
            remarks.append(f"{name} declares no search space and is left as it is.")
    return found


def _applies(metric: str, subject: Subject) -> bool:
    return subject.ordered or "positions" not in METRICS[metric].needs


class Tuner:
    """Asks, measures and tells until every study has its trials.

    Args:
        task: What to do.
        store: Where records and the journal are kept.
        options: How jobs are run.
        environment: What they run on.
        engine: Where.
        tell: Is given a line for every trial that is finished.

    Raises:
        UsageError: The store holds trials that were asked something else.
    """

    def __init__(
        self,
        task: Task,
        store: Store,
        options: Options,
        environment: dict[str, Any],
        engine: Engine,
        tell: Callable[[str], None],
    ) -> None:
        self.task = task
        self.store = store
        self.options = options
        self.environment = environment
        self.engine = engine
        self.tell = tell
        storage = open_storage(store.root / JOURNAL)
        self.studies = {self._study(storage, subject): subject for subject in task.subjects}

    def _study(self, storage: Any, subject: Subject) -> Study:
        task, source = self.task, subject.source
        metrics = task.metrics(subject)
        question = {
            "objective": [objective.name for objective in task.objectives],
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
                self.tell(f"{study.name}: {left} trials were cut off and are queued again")
        while asked := [each for study in self.studies for each in study.ask()]:
            self._round(asked)

    def _round(self, asked: Sequence[Asked]) -> None:
        """The first seed of every trial, then the others of those that are not hopeless."""
        cells: dict[int, list[Cell]] = {}
        for index, each in enumerate(asked):
            try:
                cells[index] = self._cells(each)
            except UsageError as error:
                self._fail(each, str(error))
        ceilings = {own[0].key: asked[index].study.ceiling() for index, own in cells.items()}
        first = self._measure((own[0] for own in cells.values()), ceilings)
        for index, own in list(cells.items()):
            each = asked[index]
            trouble = _trouble(own[:1], first)
            if _given_up(first[own[0].key]):
                each.give_up()
                self._show(each, first[own[0].key]["error"]["message"])
            elif trouble:
                self._fail(each, trouble)
            elif len(own) > 1 and each.hopeless(self._means(each, own[:1], first)):
                each.give_up()
                self._show(each, f"given up after one seed: {each.shown}")
            else:
                each.follow(self.store.whole(first[own[0].key])["history"]["validation"])
                continue
            del cells[index]
        records = first | self._measure(cell for own in cells.values() for cell in own[1:])
        for index, own in cells.items():
            each = asked[index]
            trouble = _trouble(own, records)
            if trouble:
                self._fail(each, trouble)
            else:
                each.finish(self._means(each, own, records))
                self._show(each, each.shown)
        for key in records:
            # A trial's weights are of no use once it is told: what wins is trained anew on other seeds.
            self.store.weights(key).unlink(missing_ok=True)
            self.store.codes(key).unlink(missing_ok=True)

    def _cells(self, asked: Asked) -> list[Cell]:
        subject = self.studies[asked.study]
        name = f"{subject.family.name} #{asked.trial.number}"
        metrics = tuple(self.task.metrics(subject))
        row = Row(name, subject.family.name, parameters=asked.parameters, metrics=metrics)
        pair = pair_of(row, {}, subject.source, self.task.protocol)
        return [cell_of(pair, seed) for seed in self.task.seeds]

    def _measure(
        self, cells: Iterable[Cell], ceilings: Mapping[str, Sequence[float | None]] | None = None
    ) -> dict[str, Record]:
        unique = {cell.key: cell for cell in cells}
        plan = Plan(protocol=self.task.protocol, cells=tuple(unique.values()))
        return Runner(plan, self.store, self.options, self.environment, _Silent(), self.engine, ceilings).run()

    def _means(self, asked: Asked, cells: Sequence[Cell], records: dict[str, Record]) -> dict[str, float]:
        names = self.task.metrics(self.studies[asked.study])
        means = {}
        for name in names:
            values = [float(records[cell.key]["metrics"][name] or 0.0) for cell in cells]
            means[name] = math.fsum(values) / len(values)
        return means

    def _fail(self, asked: Asked, trouble: str) -> None:
        asked.fail(trouble)
        self._show(asked, f"failed: {trouble}")

    def _show(self, asked: Asked, end: str) -> None:
        study = asked.study
        best = study.winner()
        told = f"; best {shown(best.values)}" if best else ""
        self.tell(f"[{len(study.finished())}/{study.trials}] {study.name} trial {asked.trial.number}: {end}{told}")

    def write(self, command: Sequence[str]) -> list[str]:
        """Write `tuned.toml`; return a line for every study."""
        task, lines = self.task, []
        facts = {"command": shlex.join(command), "protocol": task.protocol.name, "seeds": len(task.seeds)}
        facts |= {"datasets": list(dict.fromkeys(subject.source.typed for subject in task.subjects))}
        facts |= {"objective": [each.name for each in task.objectives], "constraint": str(task.constraint or "")}
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
    """Whether its training ended above the other trials' curves."""
    return bool(record["status"] == FAILED and record["error"]["type"] == GIVEN_UP)


def _trouble(cells: Sequence[Cell], records: dict[str, Record]) -> str:
    """Why a trial has no values; empty where it has."""
    for cell in cells:
        record = records[cell.key]
        if record["status"] != DONE:
            return f"{record['status']}: {cause(record)}"
        blank = [name for name, value in record["metrics"].items() if value is None]
        if blank:
            return f"{blank[0]} has no value"
    return ""


class _Silent:
    """Is told what cells do; trials are what is shown."""

    def started(self, cells: list[Cell]) -> None:
        """Nothing."""

    def finished(self, cell: Cell, record: Record, resumed: bool) -> None:
        """Nothing."""
