"""Published figures of studies beside those of a run."""

import itertools
import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from string import ascii_lowercase
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Prose, Section, TableCell, table_of
from reports.document.rows import by_name, pluck, select, unique
from reports.document.text import FEW_SEEDS, code, escape, file_name, number_in, records, spread
from reports.sections.tables import STAND_IN as STAND_IN_TAG
from reports.studies import PublishedTable, Study, study_of

AGREES = "agrees"
DIFFERS = "differs"
NOT_COMPARABLE = "not comparable: "
STAND_IN = NOT_COMPARABLE + "stand-in data"
PROTOCOL = NOT_COMPARABLE + "another protocol"
SEEDS = NOT_COMPARABLE + f"fewer than {FEW_SEEDS} seeds"
ABSENT = NOT_COMPARABLE + "no value"
DEFINITION = NOT_COMPARABLE + "ambiguous definition, "
COLUMNS = [
    *("table", "dataset", "method", "grid", "metric", "theirs", "theirs_std", "decimals"),
    *("ours", "quantizer", "reading", "mean", "half", "std", "n", "mark"),
]
KEY = (
    "Rows named *published* are the paper's, mean ± standard deviation over its {seeds} seeds; the rows below each are "
    "ours, mean ± standard deviation over n seeds (a `:paper` row holds the published values of that family, the plain "
    "name this benchmark's own setting). Where a figure can be read in several ways, each reading has its column and "
    "the published figure stands in the first. *Agrees*: the means lie within twice the root of the summed variances, "
    "which wide spreads reach easily. The published deviation counts as at least half of the last printed digit (.000 "
    "is rounded, not 0), and as ours where none is printed."
)


def beside(
    summary: pd.DataFrame, protocol: Mapping[str, Any], stand_ins: Mapping[str, str], table_name: str
) -> pd.DataFrame:
    """Published figures of one table, each with our values of its readings.

    A published method stands beside its `:paper` preset and beside our own setting, as far as they were run.

    Args:
        summary: Table with one row per (quantizer, dataset).
        protocol: Values of the protocol, by name.
        stand_ins: Dataset that is not real -> the dataset that it stands in for.
        table_name: Name of a published table.

    Returns:
        One row per (figure, row of ours, reading): the figure's `theirs`, `theirs_std` and `decimals`; our dataset
        (`ours`), `quantizer`, `reading`, `mean`, `half` (of the 95 % interval), `std`, `n`; and `mark`.
    """
    ours = records(summary)
    study = study_of(table_name)
    table = study.tables[table_name]
    compared = []
    for figure in select(records(study.figures), table=table_name):
        for row in _counterparts(figure, ours, table):
            refusal = _refusal(figure, row, protocol, stand_ins, study)
            for reading, reason in table.readings[figure["metric"]].items():
                if reading in row:
                    compared.append(_compare(figure, row, reading, refusal or (reason and DEFINITION + reason)))
    return pd.DataFrame(compared, columns=COLUMNS)


def section(
    summary: pd.DataFrame, protocol: Mapping[str, Any], stand_ins: Mapping[str, str], names: Sequence[str]
) -> list[Block]:
    """Published tables of these names beside ours; nothing where no row of ours has a counterpart."""
    blocks: list[Block] = []
    for study, group in itertools.groupby(names, study_of):
        sections: list[Block] = []
        for name in group:
            rows = beside(summary, protocol, stand_ins, name)
            for dataset, compared in rows[rows["mark"] != ABSENT].groupby("ours", sort=False):
                sections.append(_section(study, name, str(dataset), records(compared)))
        if sections:
            key = KEY.format(seeds=study.seeds)
            blocks += [Prose(f"{key} {study.note}".rstrip()), *sections]
    return blocks


def _counterparts(figure: Mapping[str, Any], ours: list[dict[str, Any]], table: PublishedTable) -> list[dict[str, Any]]:
    """Our rows of a published method, the preset first."""
    method, size = figure["method"], figure["grid"] ** 2
    counterparts = []
    for dataset in (figure["dataset"], f"{figure['dataset']}-standin"):
        rows = by_name(select(ours, dataset=dataset))
        for name, start in ((f"{method}:paper", " cold"), (f"{method}:paper", ""), (method, "")):
            row = rows.get(f"{name}@{size}{start}", rows.get(f"{name}{start}"))
            if row is not None and (not table.own_sizes or row.get("codebook_size") == size):
                counterparts.append(row)
    return counterparts


def _refusal(
    figure: Mapping[str, Any],
    row: Mapping[str, Any],
    protocol: Mapping[str, Any],
    stand_ins: Mapping[str, str],
    study: Study,
) -> str:
    """Reason why a row cannot be compared with a figure; blank where it can."""
    if row["dataset"] in stand_ins or row["dataset"] != figure["dataset"]:
        return STAND_IN
    sequences = protocol.get("sequences", study.sequences)
    sizes = sequences == study.sequences and row.get("codebook_size") == figure["grid"] ** 2
    return "" if sizes and str(protocol["name"]).startswith("paper") else PROTOCOL


def _compare(figure: Mapping[str, Any], row: Mapping[str, Any], reading: str, refusal: str) -> dict[str, Any]:
    mean, high, std = number_in(row, reading), number_in(row, f"{reading}_high"), number_in(row, f"{reading}_std")
    n = int(number_in(row, f"{reading}_n") or 0)
    if mean is None:
        mark = ABSENT
    elif refusal:
        mark = refusal
    elif n < FEW_SEEDS or std is None:
        mark = SEEDS
    else:
        near = abs(mean - figure["mean"]) <= _tolerance(std, number_in(figure, "std"), figure["decimals"])
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
    """Twice the combined deviation; a missing one is guessed to be that of the same experiment here."""
    rounding = 0.5 * 10.0**-decimals
    return 2 * math.hypot(ours, max(ours if theirs is None else theirs, rounding))


def _section(study: Study, name: str, dataset: str, rows: list[dict[str, Any]]) -> Section:
    title = study.tables[name].title
    marks = unique(rows, "mark")
    shared = marks[0] if len(marks) == 1 and marks[0].startswith(NOT_COMPARABLE) else ""
    signs = {AGREES: AGREES, DIFFERS: f"**{DIFFERS}**"}
    reasons: list[str] = []
    for mark in marks:
        if mark.startswith(NOT_COMPARABLE) and not shared:
            signs[mark] = f"({ascii_lowercase[len(reasons)]})"
            reasons.append(f"{signs[mark]} {escape(mark)}")
    lines: list[dict[str, TableCell | str]] = []
    readings = pluck(rows, "reading")
    for method, side in dict.fromkeys(map(itemgetter("method", "grid"), rows)):
        of_method = select(rows, method=method, grid=side)
        lines.append(_theirs(f"{method} {side} x {side}", of_method, readings, study.seeds))
        for quantizer in unique(of_method, "quantizer"):
            lines.append(_ours(quantizer, select(of_method, quantizer=quantizer), readings, signs))
    table = table_of(
        f"published-{name}-{file_name(dataset)}",
        f"{title}: published figures beside ours on {escape(dataset)}",
        lines,
        ("; ".join(reasons),) if reasons else (),
        sortable=False,
    )
    remark = [Prose(f"All of it {escape(shared)}.")] if shared else []
    return Section(f"{title}: {code(dataset)}", (*remark, table))


def _theirs(label: str, rows: list[dict[str, Any]], readings: list[str], seeds: int) -> dict[str, TableCell | str]:
    line: dict[str, TableCell | str] = {"row": f"*published* {escape(label)}", "n": str(seeds)}
    line |= dict.fromkeys(map(escape, readings), "")
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
    tag = STAND_IN_TAG if STAND_IN in pluck(rows, "mark") else ""
    n = max(pluck(rows, "n"))
    line: dict[str, TableCell | str] = {
        "row": TableCell(escape(quantizer), quantizer, tag=tag),
        "n": TableCell(str(n), n),
    }
    line |= dict.fromkeys(map(escape, readings), "")
    for row in rows:
        value = spread(row["mean"], number_in(row, "std"))
        line[escape(row["reading"])] = TableCell(f"{value} {signs.get(row['mark'], '')}".strip(), row["mean"])
    return line
