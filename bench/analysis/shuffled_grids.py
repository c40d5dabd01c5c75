"""The null line of every grid metric: its value where the positions are dealt to the codes at random."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.metrics import METRICS, Metric
from bench.planning.finished import FinishedRun
from bench.vocabulary import SHUFFLED_GRID

COLUMNS = ("dataset", "quantizer", "metric", "n", "value", "null", "low", "high", "p")


def null_lines(run: FinishedRun) -> pd.DataFrame:
    """True values of the grid metrics beside their values under random permutations of the positions.

    Seeds are averaged, the true values and every draw alike, so that a draw of all seeds stands against the mean of
    all seeds. `null` is the mean of the draws, `low` and `high` are their range. `p` is one-sided, (1 + draws at least
    as good as the true value) / (1 + draws) (Davison and Hinkley 1997, Eq. 4.11): .05 at best with 19 draws.

    Returns:
        One row per (dataset, quantizer, metric) for which `QUANTIZER+shuffled-grid` was run.
    """
    originals = {cell.tokenizer_key: (cell, record) for cell, record in run.done() if not cell.control}
    values: dict[tuple[str, str, str], list[float]] = {}
    draws: dict[tuple[str, str, str], list[list[float]]] = {}
    for cell, record in run.done():
        if cell.control != SHUFFLED_GRID or cell.tokenizer_key not in originals:
            continue
        original, original_record = originals[cell.tokenizer_key]
        for metric, null_values in record.get("null", {}).items():
            value = original_record["metrics"].get(metric)
            if value is not None and null_values and metric in METRICS:
                place = cell.dataset, original.row, metric
                values.setdefault(place, []).append(value)
                draws.setdefault(place, []).append(null_values)
    rows = []
    for place, seeds in values.items():
        rows.append((*place, len(seeds), *_line(METRICS[place[2]], seeds, draws[place])))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _line(
    metric: Metric, values: Sequence[float], draws_of_seeds: Sequence[Sequence[float]]
) -> tuple[float, float, float, float, float]:
    """Mean value, mean, lowest and highest draw, and p."""
    value = float(np.mean(values))
    fewest = min(map(len, draws_of_seeds))
    draws = np.mean([draws[:fewest] for draws in draws_of_seeds], axis=0)
    as_good = int((_loss(metric, draws) <= _loss(metric, np.array(value))).sum())
    return value, float(draws.mean()), float(draws.min()), float(draws.max()), (1 + as_good) / (1 + fewest)


def _loss(metric: Metric, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if metric.target is not None:
        distance: NDArray[np.float64] = np.abs(values - metric.target)
        return distance
    return -values if metric.direction == "higher" else values
