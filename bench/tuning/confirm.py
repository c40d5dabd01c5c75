"""Whether tuning was worth it: what it found against the present defaults, on data that it never saw.

Runs use data seeds below `datasets.TUNING` and their test splits, tuning neither: the seeds of any run are held out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis.results import overlaps
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning.cells import Cell, Plan
from bench.planning.finished import FinishedRun
from bench.planning.pairs import cell_of, pair_of
from bench.planning.protocol import PROTOCOLS
from bench.planning.request import datasets_of, parse_seeds
from bench.planning.rows import Row
from bench.planning.sources import source_of
from bench.planning.tuned import UNCONSTRAINED, WINNER, load, questions
from bench.records.record import Record
from bench.stats.estimates import estimate, paired
from bench.tuning.goals import Constraint
from bench.vocabulary import DONE

DEFAULT = "default"
ALSO = ("active",)  # measured beside what was tuned for


@dataclass(frozen=True)
class Candidate:
    """Parameters that might become a family's defaults, on one dataset.

    Attributes:
        quantizer: Family.
        dataset: Where they are tried.
        name: In the tables; DEFAULT for the defaults themselves.
        parameters: What differs from the defaults.
        trials: How many they cost.
        cells: One a seed.
    """

    quantizer: str
    dataset: str
    name: str
    parameters: dict[str, Any]
    trials: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Confirmation:
    """A comparison to run.

    Attributes:
        plan: The cells of all candidates; those of the same values share theirs.
        candidates: Of every family on every dataset, the defaults first.
        metrics: What is compared, what was tuned for first.
        constraint: What winners were to keep, or "".
    """

    plan: Plan
    candidates: tuple[Candidate, ...]
    metrics: tuple[str, ...]
    constraint: str


def make(files: Sequence[Path], seeds: str) -> Confirmation:
    """What to run for the `tuned.toml` of one or several studies: every candidate on every dataset of theirs.

    Raises:
        UsageError: A file cannot be read, or they are not of one question.
    """
    told = [questions(path) for path in files]
    for name in ("protocol", "objective", "constraint"):
        if any(each[name] != told[0][name] for each in told):
            raise UsageError(f"{files[0]} and another file differ in their {name}; confirm them one by one")
    protocol, constraint = PROTOCOLS[told[0]["protocol"]], told[0]["constraint"]
    bound = constraint.replace(">", "<").partition("<")[0]
    metrics = tuple(dict.fromkeys([*told[0]["objective"], *filter(None, [bound]), *ALSO]))
    candidates = []
    for dataset, place in datasets_of(",".join(name for each in told for name in each["datasets"])).items():
        source = source_of(dataset, protocol, place, False, [])
        if source.name != dataset:
            raise UsageError(f"{dataset} is not on this machine: {source.reason or 'its stand-in would run instead'}")
        for quantizer, name, parameters, trials in _named(files):
            row = Row(f"{quantizer} {name}", quantizer, parameters=parameters, metrics=metrics)
            pair = pair_of(row, {}, source, protocol)
            cells = tuple(cell_of(pair, seed) for seed in parse_seeds(seeds))
            candidates.append(Candidate(quantizer, dataset, name, parameters, trials, cells))
    unique = {cell.key: cell for each in zip(*(c.cells for c in candidates), strict=True) for cell in each}
    return Confirmation(Plan(protocol=protocol, cells=tuple(unique.values())), tuple(candidates), metrics, constraint)


def commands(files: Sequence[Path]) -> list[str]:
    """What was typed to tune."""
    return [str(questions(path)["command"]) for path in files]


def _named(files: Sequence[Path]) -> list[tuple[str, str, dict[str, Any], int]]:
    """(quantizer, name, parameters, trials): of each family the defaults, then what was found on each dataset."""
    found: dict[str, list[tuple[str, str, dict[str, Any], int]]] = {}
    for path in files:
        for table, kind in ((WINNER, "tuned"), (UNCONSTRAINED, "unconstrained")):
            for (quantizer, dataset), entry in load(path, table).items():
                own = found.setdefault(quantizer, [(quantizer, DEFAULT, {}, 0)])
                if all(entry.parameters != parameters for _, _, parameters, _ in own):
                    own.append((quantizer, f"{kind} on {dataset}", entry.parameters, entry.trials))
    return [each for own in found.values() for each in own]


def compare(confirmation: Confirmation, run: FinishedRun) -> list[dict[str, Any]]:
    """One row a candidate, dataset and metric: its mean, the defaults', and their difference over the seeds of both."""
    shares = overlaps(run)
    defaults = {(each.quantizer, each.dataset): each for each in confirmation.candidates if each.name == DEFAULT}
    rows = []
    for candidate in confirmation.candidates:
        if candidate.name == DEFAULT:
            continue
        base = defaults[candidate.quantizer, candidate.dataset]
        for metric in confirmation.metrics:
            both = [
                (_value(run.records, ours, metric), _value(run.records, theirs, metric))
                for ours, theirs in zip(candidate.cells, base.cells, strict=True)
            ]
            pairs = [(ours, theirs) for ours, theirs in both if ours is not None and theirs is not None]
            if pairs:
                rows.append(_row(candidate, metric, pairs, shares.get(candidate.dataset, 0.0)))
    return rows


def _value(records: Mapping[str, Record], cell: Cell, metric: str) -> float | None:
    record = records.get(cell.key)
    return record["metrics"].get(metric) if record is not None and record["status"] == DONE else None


def _row(candidate: Candidate, metric: str, pairs: list[tuple[float, float]], overlap: float) -> dict[str, Any]:
    ours, theirs = ([each[index] for each in pairs] for index in (0, 1))
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
    """Whether the interval of the losses' difference lies on one side of 0; "" for a metric without a better end."""
    direction, target = METRICS[metric].direction, METRICS[metric].target
    if direction == "none":
        return ""
    if direction == "target" and target is not None:
        ours, theirs = [abs(value - target) for value in ours], [abs(value - target) for value in theirs]
    sign = -1 if direction == "higher" else 1
    test = paired(ours, theirs, overlap)
    if test.outcome != "tested" or test.low is None or test.high is None:
        return test.outcome
    if test.low <= 0 <= test.high:
        return "not separable"
    return "better" if sign * math.copysign(1, test.mean) < 0 else "worse"


def beaten(confirmation: Confirmation, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(quantizer, candidate) that are better than the defaults in what was tuned for on some dataset, worse on none.

    A candidate that breaks the constraint, by its mean on any dataset, is none.
    """
    objective = confirmation.metrics[0]
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["quantizer"], row["candidate"]), []).append(row)
    found = []
    for key, own in groups.items():
        outcomes = {row["outcome"] for row in own if row["metric"] == objective}
        if "better" in outcomes and "worse" not in outcomes and all(_keeps(confirmation, row) for row in own):
            found.append(key)
    return found


def _keeps(confirmation: Confirmation, row: Mapping[str, Any]) -> bool:
    if not confirmation.constraint:
        return True
    bound = Constraint.parse(confirmation.constraint)
    return row["metric"] != bound.metric or bound.violation({bound.metric: row["value"].mean}) <= 0
