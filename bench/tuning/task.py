"""Task of a tuning: the families, datasets, objectives and seeds of a request."""

from collections.abc import Sequence
from dataclasses import dataclass

import datasets
import quantizers
from bench import plugins
from bench.errors import UnsuitableError, UsageError
from bench.metrics import METRICS
from bench.planning import keys
from bench.planning.pairs import pair_of
from bench.planning.protocol import Protocol
from bench.planning.request import Request, datasets_of, names_of, protocol_of
from bench.planning.rows import Row
from bench.planning.sources import Source, source_of
from bench.tuning.goals import Constraint, Objective
from bench.vocabulary import REFERENCES
from quantizers.base import Quantizer
from quantizers.checks import suggestion
from quantizers.registry import Family


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
    for name in names_of(text.split(","), quantizers.group, quantizers.GROUPS, "quantizer"):
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
