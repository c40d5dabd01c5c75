"""Spread of the primary metrics over seeds, told apart by data, training and the rest."""

import itertools
import math
from dataclasses import dataclass

import pandas as pd

from bench.metrics import METRICS, Metric
from bench.planning.finished import FinishedRun
from bench.records.store import Store
from bench.stats.components import components, pooled_variance
from bench.stats.scales import holds, to_scale
from bench.vocabulary import FAMILY, Scale

COLUMNS = ("dataset", "metric", "seeds", "rows", "data", "training", "rest")
NULL_FOLDER = "null"
"""Folder of the null pairs within that of their run, which `bench baseline` makes."""


def spread(run: FinishedRun) -> pd.DataFrame:
    """Shares of the variance over seeds of every primary metric, on the metric's scale.

    `data` is the draw of the data, which all rows share. `training` is the training seed with that of the reader,
    measured by trainings on the same data where the run has null pairs; NaN elsewhere. `rest` is what is left: the
    reaction of a row to the data, and without null pairs training seed and reader as well.

    Returns:
        One row per (dataset, metric) with three seeds or more of two families or more.
    """
    rows = []
    primary = [metric for metric in METRICS.values() if metric.primary]
    families = {cell.row for cell in run.plan.cells if cell.role == FAMILY}
    for dataset, metric in itertools.product(dict.fromkeys(cell.dataset for cell in run.plan.cells), primary):
        values = [value for value in _values(run, dataset, metric) if value.row in families]
        linear = not holds((value.value for value in values), metric.scale)
        scale: Scale = "linear" if linear else metric.scale
        column: dict[str, dict[int, float]] = {}
        for value in values:
            column.setdefault(value.row, {})[value.seed] = to_scale(value.value, scale)
        parts = components(column)
        if parts is None or not parts.total:
            continue
        training = _training_variance(run, dataset, metric, scale)
        share = math.nan if training is None else min(training, parts.rest) / parts.total
        rest = parts.rest / parts.total - (0.0 if training is None else share)
        seeds = len(set().union(*column.values()))
        rows.append((dataset, metric.name, seeds, len(column), parts.shared / parts.total, share, rest))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True, kw_only=True)
class _Value:
    row: str
    seed: int
    data_seed: int
    value: float


def _values(run: FinishedRun, dataset: str, metric: Metric) -> list[_Value]:
    """Finite values of the done cells on a dataset."""
    values = []
    for cell, record in run.done():
        value = record["metrics"].get(metric.name)
        if cell.dataset == dataset and value is not None and math.isfinite(value):
            values.append(_Value(row=cell.row, seed=cell.seed, data_seed=cell.data_seed, value=value))
    return values


def _training_variance(run: FinishedRun, dataset: str, metric: Metric, scale: Scale) -> float | None:
    """Variance of trainings of one row on the same data; None without null pairs."""
    folder = run.store.root / NULL_FOLDER
    if not (folder / "plan.json").exists():
        return None
    null, _ = FinishedRun.read(Store(folder, writable=False))
    groups: dict[tuple[str, int], list[float]] = {}
    for value in (*_values(run, dataset, metric), *_values(null, dataset, metric)):
        if holds([value.value], scale):
            groups.setdefault((value.row, value.data_seed), []).append(to_scale(value.value, scale))
    return pooled_variance(groups.values())
