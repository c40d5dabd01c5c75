"""Two runs side by side: changes of their results, and differences in how they were made."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.results import overlaps
from bench.metrics import METRICS
from bench.planning.cells import Cell
from bench.planning.finished import FinishedRun
from bench.stats.estimates import FEWEST_SEEDS, SIGNIFICANCE, holm, paired
from bench.vocabulary import DONE
from reports.inputs import Results
from reports.pages.comparison import OTHER_DATA, Difference

PAIR = ["dataset", "quantizer"]
COLUMNS = (*PAIR, "metric", "n", "first", "second", "difference", "low", "high", "p", "outcome")
DIRECTIONS = {name: metric.direction for name, metric in METRICS.items()} | {"train_seconds": "lower"}


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """A run that is compared.

    Attributes:
        run: Plan, records and folder of the run.
        results: Tables of the run.
    """

    run: FinishedRun
    results: Results

    def cells(self) -> dict[tuple[str, str, int], Cell]:
        """(dataset, row, seed) -> cell, in the order of the plan."""
        return {(cell.dataset, cell.row, cell.seed): cell for cell in self.run.plan.cells}

    def done_table(self) -> pd.DataFrame:
        """Rows of the results whose cells are done."""
        table = self.results.table
        return table[table["status"] == DONE]

    def making(self) -> dict[tuple[str, str], dict[str, str]]:
        """(dataset, row) -> everything that decides its results, seeds apart, as flat names and texts."""
        return {(cell.dataset, cell.row): dict(_flat(_making(cell))) for cell in self.run.plan.cells}


def changes(first: ComparedRun, second: ComparedRun) -> pd.DataFrame:
    """Second minus first, paired over the seeds on which both ran the same row on the same data.

    A metric with a target is compared by its distance from it. Holm's correction runs over the rows of one (dataset,
    metric).

    Returns:
        One row per (dataset, quantizer, metric) with a value in both: n, means over the shared seeds, the mean
        `difference` with its 95 % t interval, `p`, `p_holm` and `outcome`. The outcome is "better" or "worse" ("higher"
        or "lower" where neither end is better), "not separable", "identical", "untested" (fewer than FEWEST_SEEDS
        shared seeds, or no variance) or OTHER_DATA (nothing is paired, because the two runs drew other data). Blank
        cells are NaN.
    """
    shares = overlaps(first.run) | overlaps(second.run)
    both = first.done_table().merge(second.done_table(), on=[*PAIR, "seed"], suffixes=("_first", "_second"))
    same = pd.Series(_share_data(first, second, both[[*PAIR, "seed"]]), dtype=bool)
    rows = []
    for (dataset, quantizer), group in both.groupby(PAIR, sort=False):
        alike = group[same[group.index]]
        shown = alike if len(alike) else group
        overlap = shares.get(str(dataset), 0.0) if len(alike) else None
        for metric in DIRECTIONS:
            pairs = _finite_pairs(shown, metric)
            if pairs:
                rows.append((dataset, quantizer, metric, *_compared(pairs, overlap)))
    numbers = dict.fromkeys(COLUMNS[4:10], float)
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(numbers | {"n": int})
    return _judged(frame)


def differences(first: ComparedRun, second: ComparedRun) -> list[Difference]:
    """Differences in how the rows that both runs have were made, and in where they ran."""
    first_making, second_making = first.making(), second.making()
    shared = [pair for pair in first_making if pair in second_making]
    rows: dict[tuple[str, str, str], list[str]] = {}
    for dataset, row in shared:
        for difference in _unequal(first_making[dataset, row], second_making[dataset, row]):
            rows.setdefault(difference, []).append(f"{row} on {dataset}")
    listed = []
    for difference, names in rows.items():
        everywhere = len(names) == len(shared)
        listed.append(_difference(difference, () if everywhere else tuple(names)))
    first_place = dict(_flat({"environment": first.results.environments[-1]}))
    second_place = dict(_flat({"environment": second.results.environments[-1]}))
    for difference in _unequal(first_place, second_place):
        listed.append(_difference(difference, ()))
    return listed


def _difference(difference: tuple[str, str, str], rows: tuple[str, ...]) -> Difference:
    name, first, second = difference
    return Difference(what=name, first=first, second=second, rows=rows)


def _share_data(first: ComparedRun, second: ComparedRun, places: pd.DataFrame) -> list[bool]:
    """For each (dataset, row, seed), whether both runs drew the same data there."""
    first_cells, second_cells = first.cells(), second.cells()
    shared = []
    for place in places.itertuples(index=False, name=None):
        first_cell, second_cell = first_cells[place], second_cells[place]
        first_data = first.run.records[first_cell.key]["data"]["sha256"]
        second_data = second.run.records[second_cell.key]["data"]["sha256"]
        shared.append(_have_one_recipe(first_cell, second_cell) or first_data == second_data)
    return shared


def _have_one_recipe(first: Cell, second: Cell) -> bool:
    """Whether two cells draw their data alike, though the content may differ in its last bits between machines."""
    return (first.portable_parameters, first.recipe, first.code["data"]) == (
        second.portable_parameters,
        second.recipe,
        second.code["data"],
    )


def _finite_pairs(table: pd.DataFrame, metric: str) -> list[tuple[float, float]]:
    """Losses of the first and the second run on the seeds where both are finite."""
    pairs = zip(_losses(table[f"{metric}_first"], metric), _losses(table[f"{metric}_second"], metric), strict=True)
    return [pair for pair in pairs if all(map(math.isfinite, pair))]


def _losses(values: pd.Series, metric: str) -> list[float]:
    target = METRICS[metric].target if metric in METRICS else None
    numbers: list[float] = values.astype(float).tolist()
    return numbers if target is None else [abs(number - target) for number in numbers]


def _compared(pairs: Sequence[tuple[float, float]], overlap: float | None) -> tuple[Any, ...]:
    """Values of COLUMNS from `n` on; `overlap=None` means that the seeds are not paired."""
    before, after = np.transpose(pairs).tolist()
    means = math.fsum(before) / len(pairs), math.fsum(after) / len(pairs)
    if overlap is None:
        return (0, *means, None, None, None, None, OTHER_DATA)
    if len(pairs) < FEWEST_SEEDS:
        return (len(pairs), *means, means[1] - means[0], None, None, None, "untested")
    test = paired(after, before, overlap)
    return (len(pairs), *means, test.mean, test.low, test.high, test.p, test.outcome)


def _judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Add p corrected within every (dataset, metric), and the outcome that it means."""
    adjusted = pd.Series(index=frame.index, dtype=float)
    for _, group in frame.groupby(["dataset", "metric"], sort=False):
        corrected = holm(group["p"].astype(object).where(group["p"].notna(), None))
        adjusted[group.index] = pd.Series(corrected, index=group.index, dtype=float)
    words = {"lower": ("better", "worse"), "higher": ("worse", "better"), "target": ("better", "worse")}
    outcomes = []
    for metric, outcome, difference, p in zip(
        frame["metric"], frame["outcome"], frame["difference"], adjusted, strict=True
    ):
        down, up = words.get(DIRECTIONS[metric], ("lower", "higher"))
        if outcome == "tested":
            outcome = "not separable" if p > SIGNIFICANCE else down if difference < 0 else up
        outcomes.append(outcome)
    frame.insert(len(COLUMNS) - 1, "p_holm", adjusted)
    return frame.assign(outcome=outcomes)


def _making(cell: Cell) -> dict[str, Any]:
    """Everything that decides a row's results, seeds apart."""
    return {
        "quantizer": cell.quantizer,
        "parameters": cell.parameters,
        "dataset": cell.portable_parameters | cell.recipe,
        "protocol": cell.protocol,
        "codes": cell.capacity.codebook_size,
        "hidden": cell.capacity.hidden,
        "code": {"training": cell.code["family"], "data": cell.code["data"]},
    }


def _unequal(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str]]:
    unequal = []
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name, "nothing"), second.get(name, "nothing")
        if one != other:
            unequal.append((name, one, other))
    return unequal


def _flat(given: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
