"""Two runs side by side, as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Bullets, Code, Column, Facts, Page, Prose, Section, Table, TableCell
from reports.document.rows import by_name
from reports.document.text import code, escape, file_name, listed, number, number_in, records, spread
from reports.inputs import Results
from reports.sections.facts import seeds_of, source_title
from reports.sections.tables import STAND_IN, heading
from reports.selection import MAIN

OTHER_DATA = "other data"
BLANK = ("not separable", "untested")
CHANGED = ("better", "worse")
KEY = (
    "Second minus first, mean ± half the 95 % t interval of the paired difference over the seeds that both have; where "
    "a target is nearest to best (→), the difference of the distances from it. **better**, **worse** (**higher**, "
    "**lower** where neither end is better): told from 0 by a paired t test, Holm within the column, so that of twenty "
    "columns without any change one may show a word; without a word: not told from 0, or fewer than 3 shared seeds; "
    "**=**: identical on every seed; *other data*: the two drew different data, so nothing is paired."
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A value in which two runs differ.

    Attributes:
        what: Name of the value.
        first: Value in the first run.
        second: Value in the second run.
        rows: Names of the rows that it holds for; none for all of them.
    """

    what: str
    first: str
    second: str
    rows: tuple[str, ...]


def page(first: Results, second: Results, changes: pd.DataFrame, differences: Sequence[Difference]) -> Page:
    """Page that sets two runs side by side.

    Args:
        first: Run that is compared with.
        second: Run that is compared.
        changes: Table with one row per (dataset, quantizer, metric), second against first
            (`bench.analysis.changes.changes`).
        differences: Values in which the making of the two differs.
    """
    metrics = by_name(first.metrics, "name")
    stand_ins = {**first.stand_ins, **second.stand_ins}
    columns = first.columns or second.columns or MAIN
    units = {**first.units, **second.units}
    tables: list[Block] = []
    for dataset in dict.fromkeys(changes["dataset"]):
        compared = changes[changes["dataset"] == dataset]
        table = _table(compared, dataset, columns, metrics, units.get(dataset, ""), dataset in stand_ins)
        tables.append(Section(source_title(dataset, stand_ins), (table,)))
    pair = (("First", _described(first)), ("Second", _described(second)))
    blocks = (
        Section("What is compared", (Facts(pair), *_alone(first, second))),
        Section("What differs between them", (_differences(differences),)),
        Section("What changed", (*_summary(changes), *tables)),
        Section("Reproduce", (Code(first.command), Code(second.command))),
    )
    return Page(f"quantizer-bench: {escape(second.folder)} against {escape(first.folder)}", blocks)


def _described(run: Results) -> str:
    seeds = ", ".join(map(str, seeds_of(run.table)))
    done = int((run.table["status"] == "done").sum())
    return f"{code(run.folder)}: {escape(run.title)}, {done} of {run.planned} cells done, seeds {seeds}"


def _alone(first: Results, second: Results) -> list[Block]:
    """Rows that only one of the two has."""
    blocks: list[Block] = []
    for name, run, other in (("first", first, second), ("second", second, first)):
        others = _places(other)
        rows = [f"{code(row)} on {code(dataset)}" for row, dataset in _places(run) if (row, dataset) not in others]
        if rows:
            blocks.append(Prose(f"Only in the {name}: {listed(rows)}."))
    return blocks


def _places(run: Results) -> dict[tuple[str, str], None]:
    """Pairs (row, dataset) of a run, in their order."""
    return dict.fromkeys(zip(run.table["quantizer"], run.table["dataset"], strict=True))


def _differences(differences: Sequence[Difference]) -> Block:
    if not differences:
        return Prose("Nothing: the same rows, made in the same way.")
    lines = []
    for difference in differences:
        rows = f" ({listed(list(map(escape, difference.rows)))})" if difference.rows else ""
        values = f"{escape(difference.first)} against {escape(difference.second)}"
        lines.append(f"{code(difference.what)}: {values}{rows}")
    return Bullets(tuple(lines))


def _summary(changes: pd.DataFrame) -> list[Block]:
    """Number of comparisons per outcome, and those that are statistically significant."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in changes["outcome"].value_counts().items())
    blocks: list[Block] = [Prose(f"{len(changes)} comparisons: {counts}.")]
    for outcome in CHANGED:
        rows = records(changes[changes["outcome"] == outcome])
        if rows:
            blocks += [Prose(f"**{outcome.capitalize()}**:"), Bullets(tuple(map(_change, rows)))]
    return blocks


def _change(row: Mapping[str, Any]) -> str:
    half, p = (row["high"] - row["low"]) / 2, row["p_holm"]
    return (
        f"{code(row['metric'])} of {code(row['quantizer'])} on {code(row['dataset'])}: {number(row['first'])} to "
        f"{number(row['second'])} (difference {spread(row['difference'], half)}, n = {row['n']}, "
        f"{'p < 0.001' if p < 0.001 else f'p = {p:.3f}'})"
    )


def _table(
    rows: pd.DataFrame,
    dataset: str,
    columns: Sequence[str],
    metrics: Mapping[str, Mapping[str, Any]],
    unit: str,
    stand_in: bool,
) -> Table:
    compared = set(rows["metric"])
    names = [name for name in columns if name in compared]
    body = []
    for quantizer, group in rows[rows["metric"].isin(names)].groupby("quantizer", sort=False):
        lines = by_name(records(group), "metric")
        n = int(group["n"].max())
        head = TableCell(escape(quantizer), str(quantizer), tag=STAND_IN if stand_in else "")
        body.append((head, TableCell(str(n), n), *map(_cell, map(lines.get, names))))
    heads = (Column("quantizer", numeric=False), Column("n"), *(heading(name, metrics, unit) for name in names))
    return Table(
        name=f"compare-{file_name(dataset)}",
        caption=f"Differences on {escape(dataset)}",
        columns=heads,
        rows=tuple(body),
        notes=(KEY,),
    )


def _cell(row: Mapping[str, Any] | None) -> TableCell:
    if row is None:
        return TableCell()
    outcome, difference = row["outcome"], number_in(row, "difference")
    if outcome == "identical":
        return TableCell("=", 0.0)
    if difference is None:
        return TableCell(f"*{OTHER_DATA}*")
    low, high = number_in(row, "low"), number_in(row, "high")
    half = None if low is None or high is None else (high - low) / 2
    word = "" if outcome in BLANK else f" **{outcome}**"
    return TableCell(spread(difference, half) + word, difference)
