"""Two runs side by side: what changed in their results, and what differs in how they were made."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.results import overlaps
from bench.metrics import METRICS
from bench.planning.cells import Cell, Plan
from bench.records.record import Record
from bench.stats.estimates import FEWEST_SEEDS, SIGNIFICANCE, holm, paired
from bench.vocabulary import DONE
from reports.inputs import Results
from reports.pages.comparison import OTHER_DATA, Difference

PAIR = ["dataset", "quantizer"]
COLUMNS = (*PAIR, "metric", "n", "first", "second", "difference", "low", "high", "p", "outcome")
DIRECTIONS = {name: metric.direction for name, metric in METRICS.items()} | {"train_seconds": "lower"}


@dataclass(frozen=True)
class Run:
    """A run that is compared.

    Attributes:
        results: Its tables.
        plan: What was to be run.
        records: What was.
    """

    results: Results
    plan: Plan
    records: Mapping[str, Record]

    def cells(self) -> dict[tuple[str, str, int], Cell]:
        """(dataset, row, seed) -> cell, in the order of the plan."""
        return {(cell.dataset, cell.row, cell.seed): cell for cell in self.plan.cells}


def changes(first: Run, second: Run) -> pd.DataFrame:
    """Second minus first, paired over the seeds on which both ran the same row on the same data.

    A metric with a target is compared by its distance from it. Holm runs over the rows of one (dataset, metric).

    Returns:
        One row a (dataset, quantizer, metric) with a value in both: n, means over the shared seeds, the mean
        `difference` with its 95 % t interval, `p`, `p_holm` and `outcome`: "better" or "worse" ("higher" or "lower"
        where neither end is better), "not separable", "identical", "untested" (fewer than FEWEST_SEEDS shared seeds,
        or no variance) or OTHER_DATA (nothing is paired, because the two drew other data). Blank cells are NaN.
    """
    shares = {**overlaps(first.plan, first.records), **overlaps(second.plan, second.records)}
    cells = first.cells(), second.cells()
    tables = [run.results.table[run.results.table["status"] == DONE] for run in (first, second)]
    both = tables[0].merge(tables[1], on=[*PAIR, "seed"], suffixes=("_first", "_second"))
    places = list(both[[*PAIR, "seed"]].itertuples(index=False, name=None))
    same = pd.Series([_same_data(first, second, cells[0][place], cells[1][place]) for place in places], dtype=bool)
    rows = []
    for (dataset, quantizer), group in both.groupby(PAIR, sort=False):
        alike = group[same[group.index]]
        for metric in DIRECTIONS:
            shown = alike if len(alike) else group
            values = [_losses(shown[f"{metric}_{side}"], metric) for side in ("first", "second")]
            known = [pair for pair in zip(*values, strict=True) if all(map(math.isfinite, pair))]
            if known:
                found = _compared(known, shares.get(str(dataset), 0.0) if len(alike) else None)
                rows.append((dataset, quantizer, metric, *found))
    numbers = dict.fromkeys(COLUMNS[4:10], float)
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(numbers | {"n": int})
    return _judged(frame)


def differences(first: Run, second: Run) -> list[Difference]:
    """What differs in how the rows that both have were made, and where they ran."""
    made = [{key[:2]: dict(_flat(_making(cell))) for key, cell in run.cells().items()} for run in (first, second)]
    shared = [pair for pair in made[0] if pair in made[1]]
    told: dict[tuple[str, str, str], list[str]] = {}
    for dataset, row in shared:
        for each in _unequal(made[0][dataset, row], made[1][dataset, row]):
            told.setdefault(each, []).append(f"{row} on {dataset}")
    found = [Difference(*each, () if len(rows) == len(shared) else tuple(rows)) for each, rows in told.items()]
    places = [dict(_flat({"environment": run.results.environments[-1]})) for run in (first, second)]
    return found + [Difference(*each, ()) for each in _unequal(*places)]


def _same_data(first: Run, second: Run, one: Cell, other: Cell) -> bool:
    """By recipe, whose content may differ in its last bits between machines; else by content."""
    if (one.telling, one.recipe, one.code["data"]) == (other.telling, other.recipe, other.code["data"]):
        return True
    contents = [run.records[cell.key]["data"]["sha256"] for run, cell in ((first, one), (second, other))]
    return bool(contents[0] == contents[1])


def _losses(values: pd.Series, metric: str) -> list[float]:
    target = METRICS[metric].target if metric in METRICS else None
    numbers: list[float] = values.astype(float).tolist()
    return numbers if target is None else [abs(number - target) for number in numbers]


def _compared(pairs: Sequence[tuple[float, float]], overlap: float | None) -> tuple[Any, ...]:
    """COLUMNS from n on; no overlap where the pairs are none."""
    before, after = zip(*pairs, strict=True)
    means = math.fsum(before) / len(pairs), math.fsum(after) / len(pairs)
    if overlap is None:
        return (0, *means, None, None, None, None, OTHER_DATA)
    if len(pairs) < FEWEST_SEEDS:
        return (len(pairs), *means, means[1] - means[0], None, None, None, "untested")
    test = paired(after, before, overlap)
    return (len(pairs), *means, test.mean, test.low, test.high, test.p, test.outcome)


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """With p corrected within each (dataset, metric), and what it says."""
    adjusted = pd.Series(index=frame.index, dtype=float)
    for _, group in frame.groupby(["dataset", "metric"], sort=False):
        adjusted[group.index] = [
            math.nan if p is None else p for p in holm(None if math.isnan(p) else p for p in group["p"])
        ]
    words = {"lower": ("better", "worse"), "higher": ("worse", "better"), "target": ("better", "worse")}
    outcomes = []
    for metric, outcome, difference, p in zip(
        frame["metric"], frame["outcome"], frame["difference"], adjusted, strict=True
    ):
        down, up = words.get(DIRECTIONS[metric], ("lower", "higher"))
        told = (down if difference < 0 else up) if p <= SIGNIFICANCE else "not separable"
        outcomes.append(told if outcome == "tested" else outcome)
    frame.insert(len(COLUMNS) - 1, "p_holm", adjusted)
    return frame.assign(outcome=outcomes)


def _making(cell: Cell) -> dict[str, Any]:
    """What decides a row's results, seeds apart."""
    return {
        "quantizer": cell.quantizer,
        "parameters": cell.parameters,
        "dataset": cell.telling | cell.recipe,
        "protocol": cell.protocol,
        "codes": cell.capacity.codebook_size,
        "hidden": cell.capacity.hidden,
        "code": {"training": cell.code["family"], "data": cell.code["data"]},
    }


def _unequal(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys([*first, *second])
    pairs = [(name, first.get(name, "nothing"), second.get(name, "nothing")) for name in names]
    return [(name, one, other) for name, one, other in pairs if one != other]


def _flat(given: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
