"""Records -> tables of results."""

from typing import Any

import numpy as np
import pandas as pd

import quantizers
from bench.analysis.map_agreements import map_agreements
from bench.metrics import METRICS, rate_excess
from bench.planning.cells import Cell, Plan
from bench.planning.finished import FinishedRun
from bench.records.columns import CAPACITY, LEADING, PARTS, SUMMARY, TRAILING
from bench.records.record import Record
from bench.stats.estimates import estimate
from bench.typing import JSON
from bench.vocabulary import CONTROL, DONE, UNAVAILABLE


def results(run: FinishedRun) -> pd.DataFrame:
    """One row per cell, in the order of quantizers, datasets and seeds; a cell without a record is not in it."""
    rows = [_row(run, cell, record) for cell, record in run.recorded()]
    for absent in run.plan.unavailable:
        rows.append(
            {
                "quantizer": absent.row,
                "dataset": absent.dataset,
                "seed": absent.seed,
                "protocol": run.plan.protocol.name,
                "status": UNAVAILABLE,
            }
        )
    order = _order(run.plan)
    rows.sort(key=lambda row: (order[row["quantizer"], row["dataset"]], row["seed"]))
    table = pd.DataFrame(rows, columns=[*LEADING, *METRICS, *TRAILING])
    _add_rate_excess(table, run)
    for name, values in map_agreements(run).items():
        table[name] = [values.get(key) for key in table["key"]]
    return table


def _order(plan: Plan) -> dict[tuple[str, str], tuple[int, int]]:
    """(row, dataset) -> its place in the table: by the first appearance of the dataset, then by that of the pair."""
    pairs = [cell.pair for cell in plan.cells]
    for absent in plan.unavailable:
        pairs.append((absent.row, absent.dataset))
    datasets: dict[str, int] = {}
    order = {}
    for index, pair in enumerate(dict.fromkeys(pairs)):
        order[pair] = datasets.setdefault(pair[1], len(datasets)), index
    return order


def _row(run: FinishedRun, cell: Cell, record: Record) -> JSON:
    row: JSON = {
        "quantizer": cell.row,
        "dataset": cell.dataset,
        "real": cell.real,
        "seed": cell.seed,
        "protocol": run.plan.protocol.name,
        "status": record["status"],
    }
    for name in CAPACITY:
        row[name] = getattr(cell.capacity, name) if cell.capacity.built else None
    if record["status"] == DONE:
        for name, value in record["metrics"].items():
            if name in METRICS:
                row[name] = value
    row["train_seconds"] = record.get("train_seconds")
    row["eval_seconds"] = record.get("eval_seconds")
    row["device"] = record.get("device")
    row["key"] = record["key"]
    row["role"] = cell.role
    return row


def _add_rate_excess(table: pd.DataFrame, run: FinishedRun) -> None:
    """Fill in the metric that compares cells of one seed.

    The curve of every dataset and seed is plain VQ at the codebook sizes that were run.
    """
    curves: dict[tuple[str, int], list[tuple[float, float]]] = {}
    plain, schedule = quantizers.get("vq")[1], run.plan.protocol.values()["schedule"]
    for cell, record in run.recorded():
        metrics = record.get("metrics", {})
        explained, bits = metrics.get("explained"), metrics.get("bits_per_frame")
        is_plain_vq = cell.quantizer == "vq" and cell.parameters == plain and not cell.control
        if is_plain_vq and cell.protocol["schedule"] == schedule and explained is not None and bits is not None:
            curves.setdefault((cell.dataset, cell.seed), []).append((explained, bits))
    values = []
    columns = ("dataset", "seed", "status", "role", "explained", "bits_per_frame")
    for dataset, seed, status, role, explained, bits in table[[*columns]].itertuples(index=False, name=None):
        comparable = status == DONE and role != CONTROL and pd.notna(explained) and pd.notna(bits)
        values.append(rate_excess(explained, bits, curves.get((dataset, seed), ())) if comparable else None)
    table["rate_excess"] = values


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the seeds of every (quantizer, dataset).

    Args:
        table: Results, one row per cell.

    Returns:
        One row per (quantizer, dataset): for every metric its mean, and `_std`, `_low`, `_high` (ends of the 95 % t
        interval) and `_n` (number of values).
    """
    measured = (*METRICS, "train_seconds", "eval_seconds")
    done = (table["status"] == DONE).to_numpy()
    values = table[[*measured]].astype(float).to_numpy()
    groups: dict[tuple[str, str], list[int]] = {}
    for index, pair in enumerate(zip(table["quantizer"], table["dataset"], strict=True)):
        groups.setdefault(pair, []).append(index)
    columns: dict[str, list[Any]] = {name: [] for name in SUMMARY}
    for metric in measured:
        for part in PARTS:
            columns[_column(metric, part)] = []
    facts = {name: table[name].tolist() for name in SUMMARY if name in table}
    for indices in groups.values():  # lists and not tables: a table of one group costs more than its estimates
        finished = [index for index in indices if done[index]]
        for name, cells in facts.items():
            columns[name].append(cells[indices[0]])
        columns["cells"].append(len(indices))
        columns["done"].append(len(finished))
        for metric, column in zip(measured, values[finished].T, strict=True):
            present = column[~np.isnan(column)].tolist()
            estimated = estimate(present) if present else None
            for part in PARTS:
                columns[_column(metric, part)].append(getattr(estimated, part, None))
    return pd.DataFrame(columns, dtype=None if groups else object)


def _column(metric: str, part: str) -> str:
    return metric if part == "mean" else f"{metric}_{part}"


def overlaps(run: FinishedRun) -> dict[str, float]:
    """Dataset -> n_test / n_train where its seeds split one finite source, so that they are not independent."""
    shares = {}
    for cell, record in run.recorded():
        sizes = record["data"].get("sequences") if "data" in record else None
        if sizes and cell.resplit:
            shares[cell.dataset] = sizes["test"] / sizes["train"]
    return shares
