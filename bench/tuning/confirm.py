"""Confirmation of tuned parameters: a comparison with the present defaults, on data that tuning never saw.

Runs use data seeds below `datasets.TUNING` and their test splits, tuning neither: the seeds of any run are held out.
"""

import itertools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.results import overlaps
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning.cells import Cell, Plan
from bench.planning.finished import FinishedRun
from bench.planning.pairs import cell_of, pair_of
from bench.planning.protocol import PROTOCOLS, Protocol
from bench.planning.request import datasets_of, parse_seeds
from bench.planning.rows import Row
from bench.planning.sources import Source, source_of
from bench.planning.tuned import UNCONSTRAINED, WINNER, load, questions
from bench.records.record import Record
from bench.stats.estimates import estimate, paired
from bench.tuning.goals import Constraint
from bench.typing import JSON
from bench.vocabulary import DONE

DEFAULT = "default"

ALSO = ("active",)
"""Metrics that are compared in addition to the objective and the constraint."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Parameters that might become the defaults of a family.

    Attributes:
        quantizer: Name of the family.
        name: Name in the tables; DEFAULT for the defaults themselves.
        parameters: Values that differ from the defaults.
        trials: Number of trials that they cost.
    """

    quantizer: str
    name: str = DEFAULT
    parameters: JSON
    trials: int = 0


@dataclass(frozen=True, kw_only=True)
class Candidate(Proposal):
    """Parameters that might become the defaults of a family, tried on one dataset.

    Attributes:
        dataset: Name of the dataset that they are tried on.
        cells: Cells of the candidate, one per seed.
    """

    dataset: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """A comparison of candidates with defaults.

    Attributes:
        plan: Cells of all candidates; candidates of the same values share their cells.
        candidates: Candidates of every family on every dataset, the defaults first.
        metrics: Names of the metrics to compare, the first objective first.
        constraint: Bound that winners keep, or "".
    """

    plan: Plan
    candidates: tuple[Candidate, ...]
    metrics: tuple[str, ...]
    constraint: str


def make(files: Sequence[Path], seeds: str) -> Confirmation:
    """Plan the comparison for the `tuned.toml` of one or several studies: every candidate on every dataset.

    Args:
        files: Files that `bench tune` wrote.
        seeds: Number of seeds, or a list of seeds.

    Raises:
        UsageError: A file cannot be read, or the files belong to different questions.
    """
    question = questions(files[0])
    names: dict[str, None] = {}
    for other in map(questions, files):
        names |= dict.fromkeys(other["datasets"])
        for name in ("protocol", "objective", "constraint"):
            if other[name] != question[name]:
                raise UsageError(f"{files[0]} and another file differ in their {name}; confirm them one by one")
    protocol = PROTOCOLS[question["protocol"]]
    metrics = list(question["objective"])
    if question["constraint"]:
        metrics.append(Constraint.parse(question["constraint"]).metric)
    metrics = list(dict.fromkeys([*metrics, *ALSO]))
    candidates: list[Candidate] = []
    for dataset, parameters in datasets_of(",".join(names)).items():
        source = source_of(dataset, protocol, parameters, False, [])
        if source.name != dataset:
            raise UsageError(f"{dataset} is not on this machine: {source.reason or 'its stand-in would run instead'}")
        for proposal in _proposals(files):
            candidates.append(_candidate(proposal, source, protocol, tuple(metrics), parse_seeds(seeds)))
    return Confirmation(
        plan=Plan(protocol=protocol, cells=_by_seed(candidates)),
        candidates=tuple(candidates),
        metrics=tuple(metrics),
        constraint=question["constraint"],
    )


def _candidate(
    proposal: Proposal, source: Source, protocol: Protocol, metrics: tuple[str, ...], seeds: Iterable[int]
) -> Candidate:
    row = Row(
        name=f"{proposal.quantizer} {proposal.name}",
        quantizer=proposal.quantizer,
        parameters=proposal.parameters,
        metrics=metrics,
    )
    pair = pair_of(row, {}, source, protocol)
    return Candidate(
        quantizer=proposal.quantizer,
        name=proposal.name,
        parameters=proposal.parameters,
        trials=proposal.trials,
        dataset=source.name,
        cells=tuple(cell_of(pair, seed) for seed in seeds),
    )


def _by_seed(candidates: Sequence[Candidate]) -> tuple[Cell, ...]:
    """Cells of all candidates without repetitions, the first seed of all candidates first."""
    cells: dict[str, Cell] = {}
    for index in range(len(candidates[0].cells)):
        for candidate in candidates:
            cell = candidate.cells[index]
            cells[cell.key] = cell
    return tuple(cells.values())


def commands(files: Sequence[Path]) -> list[str]:
    """Commands that wrote the files."""
    return [questions(path)["command"] for path in files]


def _proposals(files: Sequence[Path]) -> list[Proposal]:
    """For every family its defaults, then the parameters that were tuned on every dataset."""
    proposals: dict[str, list[Proposal]] = {}
    for path in files:
        for table, kind in ((WINNER, "tuned"), (UNCONSTRAINED, "unconstrained")):
            for (quantizer, dataset), entry in load(path, table).items():
                of_family = proposals.setdefault(quantizer, [Proposal(quantizer=quantizer, parameters={})])
                if entry.parameters not in map(operator.attrgetter("parameters"), of_family):
                    name = f"{kind} on {dataset}"
                    of_family.append(
                        Proposal(quantizer=quantizer, name=name, parameters=entry.parameters, trials=entry.trials)
                    )
    return list(itertools.chain.from_iterable(proposals.values()))


def compare(confirmation: Confirmation, run: FinishedRun) -> list[JSON]:
    """Compare the candidates with the defaults of their family, over the seeds of both.

    Returns:
        One row per candidate, dataset and metric: its mean, the defaults' mean, and their difference.
    """
    shares = overlaps(run)
    defaults: dict[tuple[str, str], Candidate] = {}
    for candidate in confirmation.candidates:
        if candidate.name == DEFAULT:
            defaults[candidate.quantizer, candidate.dataset] = candidate
    rows = []
    for candidate in confirmation.candidates:
        if candidate.name == DEFAULT:
            continue
        base = defaults[candidate.quantizer, candidate.dataset]
        for metric in confirmation.metrics:
            ours, theirs = _shared_values(run, candidate, base, metric)
            if ours:
                rows.append(_row(candidate, metric, ours, theirs, shares.get(candidate.dataset, 0.0)))
    return rows


def _shared_values(
    run: FinishedRun, candidate: Candidate, base: Candidate, metric: str
) -> tuple[list[float], list[float]]:
    """Values of a candidate and of the defaults on the seeds where both have one."""
    ours, theirs = [], []
    for cell, base_cell in zip(candidate.cells, base.cells, strict=True):
        value, base_value = _value(run.records, cell, metric), _value(run.records, base_cell, metric)
        if value is not None and base_value is not None:
            ours.append(value)
            theirs.append(base_value)
    return ours, theirs


def _value(records: Mapping[str, Record], cell: Cell, metric: str) -> float | None:
    record = records.get(cell.key)
    return record["metrics"].get(metric) if record is not None and record["status"] == DONE else None


def _row(candidate: Candidate, metric: str, ours: list[float], theirs: list[float], overlap: float) -> JSON:
    test = paired(ours, theirs, overlap)
    return {
        "quantizer": candidate.quantizer,
        "dataset": candidate.dataset,
        "candidate": candidate.name,
        "trials": candidate.trials,
        "parameters": candidate.parameters,
        "metric": metric,
        "n": test.n,
        "default": estimate(theirs),
        "value": estimate(ours),
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "outcome": _outcome(metric, ours, theirs, overlap),
    }


def _outcome(metric: str, ours: list[float], theirs: list[float], overlap: float) -> str:
    """Outcome by the interval of the losses' difference; "" for a metric without a better end."""
    direction, target = METRICS[metric].direction, METRICS[metric].target
    if direction == "none":
        return ""
    if direction == "target" and target is not None:
        ours, theirs = _distances(ours, target), _distances(theirs, target)
    sign = -1 if direction == "higher" else 1
    test = paired(ours, theirs, overlap)
    if test.outcome != "tested" or test.low is None or test.high is None:
        return test.outcome
    if test.low <= 0 <= test.high:
        return "not separable"
    return "better" if sign * math.copysign(1, test.mean) < 0 else "worse"


def _distances(values: list[float], target: float) -> list[float]:
    return [abs(value - target) for value in values]


def beaten(confirmation: Confirmation, rows: Sequence[JSON]) -> list[tuple[str, str]]:
    """(quantizer, candidate) of candidates that beat the defaults.

    A candidate beats the defaults where it is better in the first objective on some dataset, worse on none, and keeps
    the constraint by its mean on every dataset.
    """
    objective = confirmation.metrics[0]
    groups: dict[tuple[str, str], list[JSON]] = {}
    for row in rows:
        groups.setdefault((row["quantizer"], row["candidate"]), []).append(row)
    winners = []
    for candidate, rows_of_candidate in groups.items():
        outcomes = set()
        keeps = True
        for row in rows_of_candidate:
            keeps = keeps and _keeps(confirmation, row)
            if row["metric"] == objective:
                outcomes.add(row["outcome"])
        if keeps and "better" in outcomes and "worse" not in outcomes:
            winners.append(candidate)
    return winners


def _keeps(confirmation: Confirmation, row: JSON) -> bool:
    """Whether a row keeps the constraint, or is of another metric."""
    if not confirmation.constraint:
        return True
    bound = Constraint.parse(confirmation.constraint)
    return row["metric"] != bound.metric or bound.violation({bound.metric: row["value"].mean}) <= 0
