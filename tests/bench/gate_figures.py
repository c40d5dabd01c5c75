"""How often the gate cries wolf, and what it sees: the figures of docs/ci.md.

python tests/bench/gate_figures.py BASELINE

The trainings of BASELINE are a pool from which each trial draws a baseline and a run. "normal" trials draw noise with
the pool's covariance over rows and metrics, and PAIRS null pairs; "real" ones draw trainings without replacement, the
same of every row, and have as many null pairs as the pool then holds, PAIRS at most. Every trial judges the whole table
of comparisons. A loss is planted in one metric of one row, in one row of the dataset after the other.
"""

import argparse
import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from bench.baseline import Measured, Pair, Series, read
from bench.check import Comparison, compare
from bench.metrics import METRICS
from bench.metrics.effects import watched

PAIRS = 10
FEWEST = 3  # trainings a seed: one of the baseline, one of the run, and one for a null pair
PLANTED = {"mse": 0.1, "bits_per_frame": 0.2, "active": 15.0}  # of mse a share
Table = dict[Pair, Measured]
Values = dict[Pair, NDArray[np.float64]]  # (seeds, trainings a seed, metrics); NaN for a blank


def pool(rows: Table) -> Values:
    """Every row's trainings by seed; all rows have the same seeds."""
    found = {}
    for pair, row in rows.items():
        series = (row.trainings, row.null)
        of = [list(zip(*(each.values[name] for name in row.trainings.values), strict=True)) for each in series]
        seeds = [seed for each in series for seed in each.data_seeds]
        values = np.array([*of[0], *of[1]], dtype=float)
        blocks = [values[np.array(seeds) == seed] for seed in row.trainings.data_seeds]
        found[pair] = np.array([block[: min(map(len, blocks))] for block in blocks])
    return found


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


def planted(after: Table, pair: Pair, metric: str) -> Table:
    """The run with a loss in one metric of one row."""
    sign = -1 if watched(METRICS[metric]) == "higher" else 1
    row = after[pair]
    column = [
        None if x is None else x + sign * PLANTED[metric] * (x if metric == "mse" else 1)
        for x in row.trainings.values[metric]
    ]
    values = row.trainings.values | {metric: tuple(column)}
    return after | {pair: replace(row, trainings=replace(row.trainings, values=values))}


def fell(before: Table, after: Table) -> list[Comparison]:
    """What the gate calls fallen."""
    return [each for each in compare(before, after, {})[0] if each.outcome == "regressed"]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("baseline", type=Path)
    parser.add_argument("--trials", type=int, default=500)
    told = parser.parse_args()
    rows = read(told.baseline).rows
    values = pool(rows)
    seeds, trainings, _ = next(iter(values.values())).shape
    if trainings < FEWEST:
        parser.error(f"expected {FEWEST} trainings a seed, got {trainings}: bench baseline --null-pairs makes them")
    whole = 2 + math.ceil(PAIRS / seeds)
    print(f"{len(rows)} rows over {seeds} seeds, drawn from {trainings} trainings a seed")
    datasets = list(dict.fromkeys(dataset for _, dataset in rows))
    lines = []
    for draw, needed in ((normal, whole), (real, min(whole, trainings))):
        name = f"{draw.__name__}, {(needed - 2) * seeds} null pairs"
        rng = np.random.default_rng(0)
        alarms = [fell(*trial(rows, draw(values, needed, rng))) for _ in range(told.trials)]
        false = sum(map(bool, alarms))
        lines.append([name, "nothing", "", f"{false / told.trials:.1%}", ""])
        for metric, dataset in itertools.product(PLANTED, datasets):
            caught: dict[str, list[bool]] = {}
            pairs = itertools.cycle(pair for pair in rows if pair[1] == dataset)
            for pair, _ in zip(pairs, range(told.trials), strict=False):
                before, after = trial(rows, draw(values, needed, rng))
                found = {(each.row, each.dataset, each.metric) for each in fell(before, planted(after, pair, metric))}
                caught.setdefault(pair[0], []).append((*pair, metric) in found)
            total = sum(map(sum, caught.values())) / told.trials
            weak = {row: sum(each) / len(each) for row, each in caught.items()}
            named = ", ".join(f"{row} {share:.0%}" for row, share in weak.items() if share < 0.95)
            size = f"{PLANTED[metric]:.0%}" if metric == "mse" else f"{PLANTED[metric]:g}"
            lines.append([name, f"{metric} {size}", dataset, f"{total:.1%}", named])
    head = ["trials", "planted", "dataset", "called fallen", "rows below 95 %"]
    print(tabulate(lines, headers=head, tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
