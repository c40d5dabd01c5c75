"""False alarms and detected losses of the gate: the figures of docs/ci.md.

python tests/benchmarks/gate_figures.py BASELINE

The trainings of BASELINE are a pool from which each trial draws a baseline and a run. "normal" trials draw noise with
the pool's covariance over rows and metrics, and PAIRS null pairs; "real" ones draw trainings without replacement, the
same of every row, and have as many null pairs as the pool then holds, PAIRS at most. Every trial judges the whole table
of comparisons. A loss is planted in one metric of one row; where too few trials show it, the loss that the trial's own
baseline calls the smallest it can see is planted, too.
"""

import argparse
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from bench.gate.baseline import Measured, Pair, Series, read
from bench.gate.check import Comparison, compare
from bench.gate.effects import watched
from bench.metrics import METRICS
from bench.stats.noise import POWER

PAIRS = 10
FEWEST = 3  # trainings a seed: one of the baseline, one of the run, and one for a null pair
PLANTED = {"mse": 0.1, "bits_per_frame": 0.2, "active": 15.0}  # of mse a share
Table = dict[Pair, Measured]
Values = dict[Pair, NDArray[np.float64]]  # (seeds, trainings a seed, metrics); NaN for a blank
Draw = Callable[[Values, int, np.random.Generator], Values]


def pool(rows: Table) -> Values:
    """Every row's trainings by seed; all rows have the same seeds."""
    collected = {}
    for pair, row in rows.items():
        series = (row.trainings, row.null)
        of = [list(zip(*(item.values[name] for name in row.trainings.values), strict=True)) for item in series]
        seeds = [seed for item in series for seed in item.data_seeds]
        values = np.array([*of[0], *of[1]], dtype=float)
        blocks = [values[np.array(seeds) == seed] for seed in row.trainings.data_seeds]
        collected[pair] = np.array([block[: min(map(len, blocks))] for block in blocks])
    return collected


def real(values: Values, needed: int, rng: np.random.Generator) -> Values:
    """Trainings of the pool, without replacement."""
    seeds, trainings, _ = next(iter(values.values())).shape
    order = np.array([rng.permutation(trainings)[:needed] for _ in range(seeds)])
    return {pair: block[np.arange(seeds)[:, None], order] for pair, block in values.items()}


def normal(values: Values, needed: int, rng: np.random.Generator) -> Values:
    """Around every seed's mean, random sums of the pool's residuals: normal, with their covariance."""
    seeds, trainings, _ = next(iter(values.values())).shape
    weights = rng.normal(size=(seeds * needed, seeds * trainings)) / math.sqrt(seeds * (trainings - 1))
    drawn = {}
    for pair, block in values.items():
        mean = block.mean(axis=1, keepdims=True)
        drawn[pair] = mean + (weights @ (block - mean).reshape(seeds * trainings, -1)).reshape(seeds, needed, -1)
    return drawn


def trial(rows: Table, drawn: Values) -> tuple[Table, Table]:
    """A baseline and a run: of every seed one training each, and the others for null pairs."""
    before, after = {}, {}
    for pair, block in drawn.items():
        parts = [_series(rows[pair].trainings, block[:, part]) for part in (slice(0, 1), slice(1, 2), slice(2, None))]
        before[pair] = replace(rows[pair], trainings=parts[0], null=parts[2])
        after[pair] = replace(rows[pair], trainings=parts[1], null=Series())
    return before, after


def _series(like: Series, block: NDArray[np.float64]) -> Series:
    columns = block.reshape(-1, len(like.values)).T.tolist()
    values = [tuple(None if math.isnan(value) else value for value in column) for column in columns]
    return Series(
        tuple(np.repeat(like.data_seeds, block.shape[1]).tolist()), dict(zip(like.values, values, strict=True))
    )


def planted(after: Table, pair: Pair, metric: str, size: float, *, share: bool) -> Table:
    """The run with a loss in one metric of one row, which is a share of its value or in its unit."""
    sign = -1 if watched(METRICS[metric]) == "higher" else 1
    row = after[pair]
    column = [None if x is None else x + sign * size * (x if share else 1) for x in row.trainings.values[metric]]
    values = row.trainings.values | {metric: tuple(column)}
    return after | {pair: replace(row, trainings=replace(row.trainings, values=values))}


def caught(before: Table, after: Table, pair: Pair, metric: str) -> bool:
    """Whether the gate calls this metric of this row fallen."""
    return (*pair, metric) in {
        (comparison.row, comparison.dataset, comparison.metric) for comparison in fell(before, after)
    }


def reach(before: Table, pair: Pair, metric: str) -> float:
    """The smallest loss that a baseline says that it can see."""
    comparisons = compare(before, before, {})[0]
    return next(
        comparison.reach
        for comparison in comparisons
        if (comparison.row, comparison.dataset, comparison.metric) == (*pair, metric)
    )


def fell(before: Table, after: Table) -> list[Comparison]:
    """What the gate calls fallen."""
    return [comparison for comparison in compare(before, after, {})[0] if comparison.outcome == "regressed"]


def at_reach(rows: Table, values: Values, draw: Draw, needed: int, pair: Pair, metric: str, trials: int) -> str:
    """The median loss that the trials' baselines say they can see, and how often it is seen."""
    rng = np.random.default_rng(1)
    sizes, shown = [], []
    for _ in range(trials):
        before, after = trial(rows, draw(values, needed, rng))
        sizes.append(reach(before, pair, metric))
        shown.append(caught(before, planted(after, pair, metric, sizes[-1], share=False), pair, metric))
    middle = float(np.median(sizes))
    if metric == "mse":
        middle /= float(np.nanmean(rows[pair].trainings.values[metric]))
    return f"{middle:.1%}; {sum(shown) / trials:.1%}" if metric == "mse" else f"{middle:.3g}; {sum(shown) / trials:.1%}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("baseline", type=Path)
    parser.add_argument("--trials", type=int, default=500)
    done = parser.parse_args()
    rows = read(done.baseline).rows
    values = pool(rows)
    seeds, trainings, _ = next(iter(values.values())).shape
    if trainings < FEWEST:
        parser.error(f"expected {FEWEST} trainings a seed, got {trainings}: bench baseline --null-pairs makes them")
    whole = 2 + math.ceil(PAIRS / seeds)
    print(f"{len(rows)} rows over {seeds} seeds, drawn from {trainings} trainings a seed; {done.trials} trials a line")
    lines = []
    for draw, needed in ((normal, whole), (real, min(whole, trainings))):
        name = f"{draw.__name__}, {(needed - 2) * seeds} null pairs"
        rng = np.random.default_rng(0)
        alarms = [fell(*trial(rows, draw(values, needed, rng))) for _ in range(done.trials)]
        false = sum(map(bool, alarms))
        lines.append([name, "nothing", "", f"{false / done.trials:.1%}", ""])
        for metric, pair in itertools.product(PLANTED, rows):
            shown = []
            for _ in range(done.trials):
                before, after = trial(rows, draw(values, needed, rng))
                broken = planted(after, pair, metric, PLANTED[metric], share=metric == "mse")
                shown.append(caught(before, broken, pair, metric))
            size = f"{PLANTED[metric]:.0%}" if metric == "mse" else f"{PLANTED[metric]:g}"
            share = sum(shown) / done.trials
            smallest = "" if share >= POWER else at_reach(rows, values, draw, needed, pair, metric, done.trials)
            lines.append([name, f"{metric} {size}", " on ".join(pair), f"{share:.1%}", smallest])
    head = ["trials", "planted", "in", "called fallen", "smallest loss seen; called fallen"]
    print(tabulate(lines, headers=head, tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
