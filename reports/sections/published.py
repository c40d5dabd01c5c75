"""The SOM-VQ paper's published figures (arXiv 2602.21133) beside a run's."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Prose, Section, TableCell, table_of
from reports.document.text import FEW_SEEDS, code, escape, file_name, known, records, spread
from reports.sections.tables import STAND_IN as STAND_IN_TAG

TITLES = {
    "main": "Tables 1 and 2, the main comparison (32 x 32)",
    "capacity": "Table 3, matched capacity (32 x 32)",
    "grid": "Tables 4 and 5, sizes of the grid",
}
SEQUENCES = 400
AGREES = "agrees"
DIFFERS = "differs"
NOT_COMPARABLE = "not comparable: "
STAND_IN = NOT_COMPARABLE + "stand-in data"
PROTOCOL = NOT_COMPARABLE + "another protocol"
SEEDS = NOT_COMPARABLE + f"fewer than {FEW_SEEDS} seeds"
ABSENT = NOT_COMPARABLE + "no value"
DEFINITION = NOT_COMPARABLE + "ambiguous definition, "
FROM_DATA = "read against the data, where the paper reads against the quantizer's input"
# The first reading is the one that reproduces; the others say why they are no comparison.
READINGS: dict[str, dict[str, str]] = {
    "active": {"active": ""},
    "trust": {"trust_latent": "", "trust": FROM_DATA},
    "cont": {"cont_latent": "", "cont": FROM_DATA},
    "mse": {"mse": ""},
    "seq_ppl": {
        "seq_ppl_17": "",
        "seq_ppl": "the 50 updates of the paper's text, where its figures are read off near 17",
    },
    "distortion": {
        "distortion_max": "",
        "distortion": "over the mean pair of codes, where this table is reproduced over the largest",
    },
}
ORDER_LOST = "this table is reproduced only with the order of the tokens destroyed"
CAPACITY_READINGS = READINGS | {
    "seq_ppl": {"seq_ppl_17": ORDER_LOST, "seq_ppl": ORDER_LOST},
    "distortion": {
        "distortion": "",
        "distortion_max": "over the largest pair of codes, where this table is reproduced over the mean",
    },
}
COLUMNS = [
    *("table", "dataset", "method", "grid", "metric", "theirs", "theirs_std", "decimals"),
    *("ours", "quantizer", "reading", "mean", "half", "std", "n", "mark"),
]
KEY = (
    "Rows named *published* are the paper's, mean ± standard deviation over its five seeds; the rows below each are "
    "ours, mean ± standard deviation over n seeds (a `:paper` row holds the published values of that family, the plain "
    "name this benchmark's own setting). Where a figure can be read in several ways, each reading has its column and "
    "the published figure stands in the first. *Agrees*: the means lie within twice the root of the summed variances, "
    "which wide spreads reach easily. The published deviation counts as at least half of the last printed digit (.000 "
    "is rounded, not 0), and as ours where none is printed. The published continuity of Tables 1, 2, 4 and 5 "
    "is reproduced by no reading that was tried."
)


def published() -> pd.DataFrame:
    """The published figures: table, dataset, method, grid, metric, mean, std and the decimals of the printed mean."""
    path = Path(__file__).parents[1] / "studies" / "som_vq" / "tables.csv"
    figures = pd.read_csv(path, dtype={"mean": str})
    figures["decimals"] = [len(text.partition(".")[2]) for text in figures["mean"]]
    figures["mean"] = figures["mean"].astype(float)
    return figures


def beside(
    summary: pd.DataFrame, protocol: Mapping[str, Any], stand_ins: Mapping[str, str], table_name: str
) -> pd.DataFrame:
    """Each published figure of one table with our values of each of its readings.

    A published method stands beside its `:paper` preset and beside our own setting, as far as they were run.

    Args:
        summary: One row a (quantizer, dataset).
        protocol: Its values.
        stand_ins: Dataset that is not real -> what it stands in for.
        table_name: "main", "capacity" or "grid".

    Returns:
        One row a (figure, row of ours, reading): the figure's `theirs`, `theirs_std` and `decimals`; our dataset
        (`ours`), `quantizer`, `reading`, `mean`, `half` (of the 95 % interval), `std`, `n`; and `mark`.
    """
    figures = published()
    ours = records(summary)
    readings = CAPACITY_READINGS if table_name == "capacity" else READINGS
    found = []
    for figure in records(figures[figures["table"] == table_name]):
        for row in _counterparts(figure, ours):
            refusal = _refusal(figure, row, protocol, stand_ins)
            for reading, other in readings[figure["metric"]].items():
                if reading in row:
                    found.append(_compare(figure, row, reading, refusal or (DEFINITION + other if other else "")))
    return pd.DataFrame(found, columns=COLUMNS)


def section(
    summary: pd.DataFrame, protocol: Mapping[str, Any], stand_ins: Mapping[str, str], names: Sequence[str]
) -> list[Block]:
    """Published tables of these names beside ours; nothing where no row of ours has a counterpart."""
    sections: list[Block] = []
    for name in names:
        rows = beside(summary, protocol, stand_ins, name)
        rows = rows[rows["mark"] != ABSENT]
        sections += [
            _section(name, dataset, records(rows[rows["ours"] == dataset])) for dataset in rows["ours"].unique()
        ]
    return [Prose(KEY), *sections] if sections else []


def _counterparts(figure: Mapping[str, Any], ours: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Our rows of a published method, the preset first. Other sizes of grid only stand beside their own."""
    method, size = figure["method"], figure["grid"] ** 2
    found = []
    for dataset in (figure["dataset"], f"{figure['dataset']}-standin"):
        rows = {row["quantizer"]: row for row in ours if row["dataset"] == dataset}
        for name, start in ((f"{method}:paper", " cold"), (f"{method}:paper", ""), (method, "")):
            row = rows.get(f"{name}@{size}{start}", rows.get(f"{name}{start}"))
            if row is not None and (figure["table"] != "grid" or row.get("codebook_size") == size):
                found.append(row)
    return found


def _refusal(
    figure: Mapping[str, Any], row: Mapping[str, Any], protocol: Mapping[str, Any], stand_ins: Mapping[str, str]
) -> str:
    if row["dataset"] in stand_ins or row["dataset"] != figure["dataset"]:
        return STAND_IN
    sizes = protocol.get("sequences", SEQUENCES) == SEQUENCES and row.get("codebook_size") == figure["grid"] ** 2
    return "" if sizes and str(protocol["name"]).startswith("paper") else PROTOCOL


def _compare(figure: Mapping[str, Any], row: Mapping[str, Any], reading: str, refusal: str) -> dict[str, Any]:
    mean, high, std = known(row, reading), known(row, f"{reading}_high"), known(row, f"{reading}_std")
    n = int(known(row, f"{reading}_n") or 0)
    if mean is None:
        mark = ABSENT
    elif refusal:
        mark = refusal
    elif n < FEW_SEEDS or std is None:
        mark = SEEDS
    else:
        near = abs(mean - figure["mean"]) <= _tolerance(std, known(figure, "std"), figure["decimals"])
        mark = AGREES if near else DIFFERS
    names = ("table", "dataset", "method", "grid", "metric", "decimals")
    return {name: figure[name] for name in names} | {
        "theirs": figure["mean"],
        "theirs_std": figure["std"],
        "ours": row["dataset"],
        "quantizer": row["quantizer"],
        "reading": reading,
        "mean": mean,
        "half": None if mean is None or high is None else high - mean,
        "std": std,
        "n": n,
        "mark": mark,
    }


def _tolerance(ours: float, theirs: float | None, decimals: int) -> float:
    """Twice the combined deviation. A missing one is not 0: the same experiment's is the best guess of it."""
    rounding = 0.5 * 10.0**-decimals
    return 2 * math.hypot(ours, max(ours if theirs is None else theirs, rounding))


def _section(name: str, dataset: str, rows: list[dict[str, Any]]) -> Section:
    marks = list(dict.fromkeys(row["mark"] for row in rows))
    alone = marks[0] if len(marks) == 1 and marks[0].startswith(NOT_COMPARABLE) else ""
    reasons = [] if alone else [mark for mark in marks if mark.startswith(NOT_COMPARABLE)]
    signs = {reason: f"({chr(ord('a') + index)})" for index, reason in enumerate(reasons)}
    signs |= {AGREES: AGREES, DIFFERS: f"**{DIFFERS}**"}
    lines: list[dict[str, TableCell | str]] = []
    for method, side in dict.fromkeys((row["method"], row["grid"]) for row in rows):
        own = [row for row in rows if (row["method"], row["grid"]) == (method, side)]
        readings = [row["reading"] for row in rows]
        lines.append(_theirs(f"{method} {side} x {side}", own, readings))
        lines += [
            _ours(quantizer, own, readings, signs) for quantizer in dict.fromkeys(row["quantizer"] for row in own)
        ]
    told = "; ".join(f"{sign} {escape(reason)}" for reason, sign in signs.items() if sign.startswith("("))
    table = table_of(
        f"published-{name}-{file_name(dataset)}",
        f"{TITLES[name]}: published figures beside ours on {escape(dataset)}",
        lines,
        (told,) if told else (),
        sortable=False,
    )
    remark = [Prose(f"All of it {escape(alone)}.")] if alone else []
    return Section(f"{TITLES[name]}: {code(dataset)}", (*remark, table))


def _theirs(label: str, rows: list[dict[str, Any]], readings: list[str]) -> dict[str, TableCell | str]:
    line: dict[str, TableCell | str] = {"row": f"*published* {escape(label)}", "n": "5"}
    line |= {escape(reading): "" for reading in readings}
    shown = set()
    for row in rows:
        if row["metric"] not in shown:
            std = "" if pd.isna(row["theirs_std"]) else f" ± {row['theirs_std']:.{row['decimals']}f}"
            text = f"{row['theirs']:.{row['decimals']}f}{std}"
            line[escape(row["reading"])] = TableCell(text, row["theirs"])
        shown.add(row["metric"])
    return line


def _ours(
    quantizer: str, rows: list[dict[str, Any]], readings: list[str], signs: Mapping[str, str]
) -> dict[str, TableCell | str]:
    own = [row for row in rows if row["quantizer"] == quantizer]
    tag = STAND_IN_TAG if any(row["mark"] == STAND_IN for row in own) else ""
    n = max(row["n"] for row in own)
    line: dict[str, TableCell | str] = {
        "row": TableCell(escape(quantizer), quantizer, tag=tag),
        "n": TableCell(str(n), n),
    }
    line |= {escape(reading): "" for reading in readings}
    for row in own:
        value = spread(row["mean"], known(row, "std"))
        line[escape(row["reading"])] = TableCell(f"{value} {signs.get(row['mark'], '')}".strip(), row["mean"])
    return line
