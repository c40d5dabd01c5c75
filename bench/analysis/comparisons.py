"""Table of results -> rankings and claims, with their uncertainty, as tables."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import pandas as pd

from bench.metrics.base import Effect, Metric
from bench.stats.estimates import FEWEST_SEEDS, SIGNIFICANCE, Paired, holm, paired
from bench.stats.standings import standings
from bench.vocabulary import DONE
from reports.studies import Order, studies

RANKED = "family"
CLAIMED = ("family", "published")
RANKINGS = (
    "dataset",
    "metric",
    "quantizer",
    "n",
    "mean",
    "best",
    "difference",
    "low",
    "high",
    "p",
    "p_adjusted",
    "p_equivalence",
    "margin",
    "seeds_needed",
    "standing",
    "primary",
)
CLAIMS = (
    "dataset",
    "claim",
    "metric",
    "quantizer",
    "against",
    "n",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "outcome",
)
NUMBERS = {
    *("mean", "difference", "low", "high", "p", "p_holm"),
    *("p_adjusted", "p_equivalence", "margin", "seeds_needed"),
}
"""Columns of numbers, which may be blank."""
TRAIN_SECONDS = Metric(
    "train_seconds",
    None,
    "lower",
    "seconds of training; (0, inf)",
    scale="log",
    effect=Effect(0.1, relative=True),
)

GAIN, VECTOR_GAIN, SORTED = "topology_gain", "vector_gain", "vq+sorted"
LATTICE_ERROR = "topographic_error"  # 0 on every seed is what a full lattice has by construction: not ranked

Seeds = dict[int, float]
Column = dict[str, Seeds]


def rankings(
    table: pd.DataFrame,
    metrics: Iterable[Metric],
    overlaps: Mapping[str, float],
    significance: float = SIGNIFICANCE,
) -> pd.DataFrame:
    """Compare every family with the best of its column, for every dataset and every metric with a better end.

    The primary metrics of a dataset that two families or more have are judged together. Every other column is
    exploratory and corrected by itself.

    Args:
        table: One row per cell with quantizer, role, dataset, seed, status and a column per metric; blanks are None or
            NaN. Only rows of role "family" whose cell is done count.
        metrics: Metrics of the columns; those with direction "none", or that the table lacks, are left out.
            `train_seconds` is added.
        overlaps: Dataset -> n_test / n_train where its seeds split one finite source (see `paired`); others are 0.
        significance: Level of the corrected tests, see `standings`.

    Returns:
        One row per (dataset, metric, quantizer) with a value on any seed: the fields of `Standing`, its mark as
        `standing`, and `primary`. Blank cells are NaN (`best`: None).

    Raises:
        ValueError: A quantizer has two rows of one dataset and seed.
    """
    ranked: dict[str, Metric] = {}
    for metric in (*metrics, TRAIN_SECONDS):
        if metric.direction != "none" and metric.name in table:
            ranked[metric.name] = metric
    rows = []
    for dataset, columns in _columns(table, (RANKED,), list(ranked)):
        judged = sum(ranked[name].primary and len(column) > 1 for name, column in columns.items())
        for name, column in columns.items():
            metric = ranked[name]
            if name == LATTICE_ERROR:
                column = {quantizer: values for quantizer, values in column.items() if any(values.values())}
            compared = standings(
                column,
                metric.direction,
                metric.target,
                overlaps.get(dataset, 0.0),
                scale=metric.scale,
                effect=metric.effect.of,
                significance=significance,
                columns=max(1, judged) if metric.primary else 1,
            )
            for quantizer, standing in compared.items():
                rows.append((dataset, name, quantizer, *dataclasses.astuple(standing), metric.primary))
    return _frame(rows, RANKINGS)


def claims(table: pd.DataFrame, overlaps: Mapping[str, float]) -> pd.DataFrame:
    """Comparisons fixed beforehand; differences are quantizer - against, in the metric's unit.

    "topology_gain": a row's gain against 0, against its own `vector_gain`, and against the gain of `vq+sorted`.
    Orders: rows against baselines in the metrics that a study compares (`reports.studies.Order`).

    Holm runs over all comparisons of one (dataset, claim, metric), whatever they are against: they are printed side
    by side and any of them may be quoted alone.

    Args:
        table: Table of results, see `rankings`. Rows of role "family" and "published" are compared, and `vq+sorted`
            of any role.
        overlaps: Dataset -> n_test / n_train, see `rankings`.

    Returns:
        One row per comparison. `outcome` is "above", "below", "not separable", "identical", or "untested" (fewer than
        FEWEST_SEEDS shared seeds, or no variance). Blank cells are NaN.

    Raises:
        ValueError: A quantizer has two rows of one dataset and seed.
    """
    orders = [study.order for study in studies() if study.order is not None]
    read = dict.fromkeys([GAIN, VECTOR_GAIN, *chain(*(order.metrics for order in orders))])
    metrics = [name for name in read if name in table]
    controls = dict(_columns(table[table["quantizer"] == SORTED], None, metrics))
    rows = []
    for dataset, columns in _columns(table, CLAIMED, metrics):
        control = controls.get(dataset, {}).get(GAIN, {}).get(SORTED)
        questions = [("topology_gain", GAIN, _gains(columns, control))]
        for order in orders:
            for metric in order.metrics:
                questions.append((order.name, metric, _pairs(order, columns.get(metric, {}))))
        for claim, metric, pairs in questions:
            for comparison in _tested(pairs, overlaps.get(dataset, 0.0)):
                rows.append((dataset, claim, metric, *comparison))
    return _frame(rows, CLAIMS)


Pair = tuple[str, str, Seeds, Seeds]


def _gains(columns: Mapping[str, Column], control: Seeds | None) -> Iterator[Pair]:
    for name, gain in columns.get(GAIN, {}).items():
        yield name, "0", gain, dict.fromkeys(gain, 0.0)
        vector_gain = columns.get(VECTOR_GAIN, {}).get(name)
        if vector_gain:
            yield name, VECTOR_GAIN, gain, vector_gain
        if control and name != SORTED:
            yield name, SORTED, gain, control


def _pairs(order: Order, column: Column) -> Iterator[Pair]:
    for name in order.rows:
        for against in order.baselines:
            if name in column and against in column:
                yield name, against, column[name], column[against]


def _tested(pairs: Iterable[Pair], overlap: float) -> Iterator[tuple[Any, ...]]:
    compared, p_values = [], []
    for name, against, first, second in pairs:
        n, test = _compare(first, second, overlap)
        compared.append((name, against, n, test))
        p_values.append(test.p if test else None)
    for (name, against, n, test), p in zip(compared, holm(p_values), strict=True):
        if test is None:
            yield name, against, n, None, None, None, None, None, "untested"
        else:
            yield name, against, n, test.mean, test.low, test.high, test.p, p, _outcome(test, p)


def _compare(first: Seeds, second: Seeds, overlap: float) -> tuple[int, Paired | None]:
    """Number of shared seeds, and the comparison over them where there are enough."""
    values, other_values = [], []
    for seed, value in first.items():
        if seed in second:
            values.append(value)
            other_values.append(second[seed])
    n = len(values)
    return n, paired(values, other_values, overlap) if n >= FEWEST_SEEDS else None


def _outcome(test: Paired, p: float | None) -> str:
    if test.outcome != "tested" or p is None:
        return test.outcome
    if p > SIGNIFICANCE:
        return "not separable"
    return "above" if test.mean > 0 else "below"


def _columns(
    table: pd.DataFrame, roles: tuple[str, ...] | None, metrics: list[str]
) -> Iterator[tuple[str, dict[str, Column]]]:
    """Dataset -> metric -> quantizer -> seed -> value, of done cells, without blanks, in the table's order."""
    done = table[table["status"] == DONE]
    if roles is not None:
        done = done[done["role"].isin(roles)]
    if done.duplicated(["quantizer", "dataset", "seed"]).any():
        raise ValueError("Expected one row per quantizer, dataset and seed, got two.")
    for dataset, group in done.groupby("dataset", sort=False):
        names, seeds = group["quantizer"].tolist(), group["seed"].tolist()
        columns: dict[str, Column] = {}
        for metric in metrics:
            column: defaultdict[str, Seeds] = defaultdict(dict)
            for name, seed, value in zip(names, seeds, group[metric].astype(float).tolist(), strict=True):
                if math.isfinite(value):
                    column[name][seed] = value
            columns[metric] = dict(column)
        yield str(dataset), columns


def _frame(rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> pd.DataFrame:
    numbers = dict.fromkeys(NUMBERS.intersection(columns), float)
    return pd.DataFrame(rows, columns=list(columns)).astype(numbers | {"n": int})
