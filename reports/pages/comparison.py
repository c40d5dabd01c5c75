"""Two runs side by side, as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Bullets, Code, Column, Facts, Page, Prose, Section, Table, TableCell
from reports.document.text import code, escape, file_name, known, listed, number, records, spread
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
        what: Its name.
        first: What it was in the first.
        second: And in the second.
        rows: Which rows it holds for; none for all of them.
    """

    what: str
    first: str
    second: str
    rows: tuple[str, ...]


def page(first: Results, second: Results, changes: pd.DataFrame, differences: Sequence[Difference]) -> Page:
    """The whole page.

    Args:
        first: The run that is compared with.
        second: The other.
        changes: One row a (dataset, quantizer, metric), second against first (`bench.analysis.changes.changes`).
        differences: What differs in how they were made.
    """
    metrics = {metric["name"]: metric for metric in first.metrics}
    stand_ins = {**first.stand_ins, **second.stand_ins}
    columns = first.columns or second.columns or MAIN
    units = {**first.units, **second.units}
    tables: list[Block] = []
    for dataset in dict.fromkeys(changes["dataset"]):
        own = changes[changes["dataset"] == dataset]
        table = _table(own, dataset, columns, metrics, units.get(dataset, ""), dataset in stand_ins)
        tables.append(Section(source_title(dataset, stand_ins), (table,)))
    blocks = (
        Section(
            "What is compared", (Facts((("First", _told(first)), ("Second", _told(second)))), *_alone(first, second))
        ),
        Section("What differs between them", (_differences(differences),)),
        Section("What changed", (*_summary(changes), *tables)),
        Section("Reproduce", (Code(first.command), Code(second.command))),
    )
    return Page(f"quantizer-bench: {escape(second.folder)} against {escape(first.folder)}", blocks)


def _told(run: Results) -> str:
    seeds = ", ".join(map(str, seeds_of(run.table)))
    done = int((run.table["status"] == "done").sum())
    return f"{code(run.folder)}: {escape(run.title)}, {done} of {run.planned} cells done, seeds {seeds}"


def _alone(first: Results, second: Results) -> list[Block]:
    """Rows that only one of the two has."""
    pairs = [dict.fromkeys(zip(run.table["quantizer"], run.table["dataset"], strict=True)) for run in (first, second)]
    blocks: list[Block] = []
    for name, own, other in (("first", pairs[0], pairs[1]), ("second", pairs[1], pairs[0])):
        rows = [f"{code(row)} on {code(dataset)}" for row, dataset in own if (row, dataset) not in other]
        if rows:
            blocks.append(Prose(f"Only in the {name}: {listed(rows)}."))
    return blocks


def _differences(found: Sequence[Difference]) -> Block:
    if not found:
        return Prose("Nothing: the same rows, made in the same way.")
    lines = []
    for each in found:
        rows = f" ({listed([escape(row) for row in each.rows])})" if each.rows else ""
        lines.append(f"{code(each.what)}: {escape(each.first)} against {escape(each.second)}{rows}")
    return Bullets(tuple(lines))


def _summary(changes: pd.DataFrame) -> list[Block]:
    """How many comparisons came out which way, and which were told apart."""
    counts = {str(name): int(count) for name, count in changes["outcome"].value_counts().items()}
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    blocks: list[Block] = [Prose(f"{len(changes)} comparisons: {told}.")]
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
    lines = {(row["quantizer"], row["metric"]): row for row in records(rows)}
    names = [name for name in columns if any(metric == name for _, metric in lines)]
    body = []
    for quantizer in dict.fromkeys(rows["quantizer"]):
        own = [lines.get((quantizer, name)) for name in names]
        n = max((row["n"] for row in own if row), default=0)
        head = TableCell(escape(quantizer), quantizer, tag=STAND_IN if stand_in else "")
        body.append((head, TableCell(str(n), n), *map(_cell, own)))
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
    outcome, difference = row["outcome"], known(row, "difference")
    if outcome == "identical":
        return TableCell("=", 0.0)
    if difference is None:
        return TableCell(f"*{OTHER_DATA}*")
    low, high = known(row, "low"), known(row, "high")
    half = None if low is None or high is None else (high - low) / 2
    word = "" if outcome in BLANK else f" **{outcome}**"
    return TableCell(spread(difference, half) + word, difference)
