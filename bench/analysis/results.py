"""Records -> tables of results."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

import datasets
import quantizers
from bench.metrics import METRICS, rate_excess
from bench.planning.cells import Plan
from bench.records.columns import LEADING, PARTS, SUMMARY, TRAILING
from bench.records.record import Record
from bench.stats.estimates import estimate
from bench.vocabulary import CONTROL, DONE, UNAVAILABLE


def results(plan: Plan, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row a cell, in the order of quantizers, datasets and seeds; a cell without a record is not in it."""
    rows = []
    for cell in plan.cells:
        record = records.get(cell.key)
        if record is None:
            continue
        capacity = cell.capacity
        measured = record.get("metrics", {}) if record["status"] == DONE else {}
        rows.append(
            {
                "quantizer": cell.row,
                "dataset": cell.dataset,
                "real": cell.real,
                "seed": cell.seed,
                "protocol": plan.protocol.name,
                "status": record["status"],
                **{name: getattr(capacity, name) if capacity.built else None for name in LEADING[6:]},
                **{name: measured.get(name) for name in METRICS},
                **{name: record.get(name) for name in TRAILING},
                "role": cell.role,
            }
        )
    for label, name, seed, _ in plan.absent:
        rows.append(
            {"quantizer": label, "dataset": name, "seed": seed, "protocol": plan.protocol.name, "status": UNAVAILABLE}
        )
    pairs = list(dict.fromkeys([cell.pair for cell in plan.cells] + [row[:2] for row in plan.absent]))
    sources = list(dict.fromkeys(dataset for _, dataset in pairs))
    order = {pair: (sources.index(pair[1]), index) for index, pair in enumerate(pairs)}
    rows.sort(key=lambda row: (order[row["quantizer"], row["dataset"]], row["seed"]))
    table = pd.DataFrame(rows, columns=[*LEADING, *METRICS, *TRAILING])
    _add_rate_excess(table, plan, records)
    return table


def _add_rate_excess(table: pd.DataFrame, plan: Plan, records: Mapping[str, Record]) -> None:
    """Fill in the metric that compares cells: the curve of every dataset and seed is plain VQ at its codebook sizes."""
    curves: dict[tuple[str, int], list[tuple[float, float]]] = {}
    plain, schedule = quantizers.get("vq")[1], plan.protocol.values()["schedule"]
    for cell in plan.cells:
        found = records.get(cell.key, {}).get("metrics", {})
        point = (found.get("explained"), found.get("bits_per_frame"))
        own = cell.quantizer == "vq" and cell.parameters == plain and cell.protocol["schedule"] == schedule
        if own and not cell.control and None not in point:
            curves.setdefault((cell.dataset, cell.seed), []).append(point)
    table["rate_excess"] = [
        rate_excess(explained, bits, curves.get((dataset, seed), ()))
        if status == DONE and role != CONTROL and pd.notna(explained) and pd.notna(bits)
        else None
        for dataset, seed, status, role, explained, bits in zip(
            *(table[name] for name in ("dataset", "seed", "status", "role", "explained", "bits_per_frame")), strict=True
        )
    ]


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row a (quantizer, dataset): for each metric its mean, `_std`, `_low` and `_high` (95 % t interval), `_n`."""
    measured = (*METRICS, "train_seconds", "eval_seconds")
    columns: dict[str, list[Any]] = {name: [] for name in SUMMARY}
    columns |= {name if part == "mean" else f"{name}_{part}": [] for name in measured for part in PARTS}
    estimates = list(zip(*[iter([*columns.values()][len(SUMMARY) :])] * len(PARTS), strict=True))
    leading = [(columns[name], table[name].tolist()) for name in SUMMARY[:6]]
    done = (table["status"] == DONE).to_numpy()
    values = table[[*measured]].astype(float).to_numpy()
    groups: dict[tuple[str, str], list[int]] = {}
    for index, pair in enumerate(zip(table["quantizer"], table["dataset"], strict=True)):
        groups.setdefault(pair, []).append(index)
    for group in groups.values():  # lists and not tables: a table of one group costs more than its estimates
        finished = [index for index in group if done[index]]
        for column, first in leading:
            column.append(first[group[0]])
        columns["cells"].append(len(group))
        columns["done"].append(len(finished))
        for parts, column in zip(estimates, values[finished].T.tolist(), strict=True):
            known = [value for value in column if value == value]
            found = estimate(known) if known else None
            for part, name in zip(parts, PARTS, strict=True):
                part.append(getattr(found, name, None))
    return pd.DataFrame(columns, dtype=None if groups else object)


def overlaps(plan: Plan, records: Mapping[str, Record]) -> dict[str, float]:
    """Dataset -> n_test / n_train where its seeds split one finite source, so that they are not independent."""
    shares = {}
    for cell in plan.cells:
        sizes = records.get(cell.key, {}).get("data", {}).get("sequences")
        if sizes and datasets.get(cell.dataset).resplit:
            shares[cell.dataset] = sizes["test"] / sizes["train"]
    return shares
