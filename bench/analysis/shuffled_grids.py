"""The null line of every grid metric: what it reads where the positions are dealt to the codes at random."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bench.metrics import METRICS, Metric
from bench.planning.cells import Plan
from bench.records.record import Record
from bench.vocabulary import DONE, SHUFFLED_GRID

COLUMNS = ("dataset", "quantizer", "metric", "n", "value", "null", "low", "high", "p")


def null_lines(plan: Plan, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row a (dataset, quantizer, metric) for which `QUANTIZER+shuffled-grid` was run.

    Seeds are averaged, the true values and each of the draws alike, so that a draw of all seeds stands against the mean
    of all seeds: `null` is the mean of the draws, `low` and `high` their range. `p` is one-sided, (1 + draws at least
    as good as the true value) / (1 + draws) (Davison and Hinkley 1997, Eq. 4.11): .05 at best with 19 draws.
    """
    originals = {(cell.tokenizer, cell.row): cell for cell in plan.cells if not cell.control}
    shown = {tokenizer: row for tokenizer, row in originals}
    found: dict[tuple[str, str, str], list[tuple[float, list[float]]]] = {}
    for cell in plan.cells:
        original = records.get(cell.tokenizer, {})
        record = records.get(cell.key, {})
        if cell.control != SHUFFLED_GRID or {original.get("status"), record.get("status")} != {DONE}:
            continue
        for metric, draws in record.get("null", {}).items():
            value = original["metrics"].get(metric)
            if value is not None and draws:
                row = shown.get(cell.tokenizer, cell.quantizer)
                found.setdefault((cell.dataset, row, metric), []).append((value, draws))
    rows = [(*key, len(pairs), *_line(METRICS[key[2]], pairs)) for key, pairs in found.items() if key[2] in METRICS]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _line(metric: Metric, pairs: list[tuple[float, list[float]]]) -> tuple[float, float, float, float, float]:
    value = float(np.mean([value for value, _ in pairs]))
    fewest = min(len(draws) for _, draws in pairs)
    draws = np.mean([draws[:fewest] for _, draws in pairs], axis=0)
    as_good = int((_loss(metric, draws) <= _loss(metric, np.array(value))).sum())
    p = (1 + as_good) / (1 + fewest)
    return value, float(draws.mean()), float(draws.min()), float(draws.max()), p


def _loss(metric: Metric, values: np.ndarray) -> np.ndarray:
    if metric.target is not None:
        distance: np.ndarray = np.abs(values - metric.target)
        return distance
    return -values if metric.direction == "higher" else values
