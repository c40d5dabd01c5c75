"""Tables of results: ranked rows with their marks, and rows that are never ranked."""

from collections.abc import Mapping, Sequence
from itertools import filterfalse
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Column, Prose, Table, TableCell, table_of
from reports.document.rows import having, quantizers, select, unique
from reports.document.text import escape, file_name, interval, is_family, listed, number, number_in, records
from reports.selection import MAIN

LETTERS = {
    "best": "a",
    "equivalent": "a",
    "identical": "a",
    "behind": "b",
    "undecided": "?",
    "untested": "?",
}
KEY = (
    "**a**: the best mean of its column, and rows that differ from it by less than matters; **b**: significantly worse "
    "than the best; **?**: neither is shown. The tests are paired over seeds with a moderated variance, and corrected "
    "for the choice of the best and for the comparisons of the column. Only the best was compared with the others: "
    "rows that share **b** were not compared with each other. A column without letters was not ranked."
)
STAND_IN = "stand-in"
ROLES = {
    "reference": "are bounds, no tokenizers of this benchmark (`none`: the autoencoder without a quantizer; `kmeans`: "
    "clusters of the data, no encoder)",
    "control": "share the trained tokenizer that they are named after (`sorted`: its codes laid on a grid afterwards; "
    "`shuffled`: its tokens out of their order in time; `shuffled-grid`: means over random permutations of its "
    "positions)",
    "published": "are presets that hold the values of a publication",
    "curve": "have other numbers of codes, so that they cannot be ranked with the others",
}


def results(
    rows: pd.DataFrame,
    rankings: pd.DataFrame | None,
    metrics: Mapping[str, Mapping[str, Any]],
    unit: str,
    columns: Sequence[str] = (),
    *,
    missing: Mapping[str, Sequence[str]],
    stand_in: bool,
) -> list[Block]:
    """Tables of one dataset: one of ranked rows, and one of rows that are never ranked.

    Args:
        rows: Rows of the summary, of this dataset.
        rankings: Standing of each family per metric; None where nothing was ranked.
        metrics: Name of a metric -> its catalogue entry.
        unit: Unit of the metric `error_units`.
        columns: Names of the metrics to show; `MAIN` by default.
        missing: Name of a row -> statuses of its cells that are not done.
        stand_in: Whether generated data stand in for the dataset.
    """
    lines = records(rows)
    if not lines:
        return []
    dataset = lines[0]["dataset"]
    names = [name for name in columns or MAIN if having(lines, name)]
    letters = standing_letters(rankings, dataset)
    ranked = list(filter(is_family, lines))
    apart = sorted(filterfalse(is_family, lines), key=lambda line: _place(line["role"]))

    def table(
        name: str, kind: str, shown: Sequence[Mapping[str, Any]], letters: Mapping[tuple[str, str], str]
    ) -> Table:
        has_roles = shown is apart
        heads = [Column("quantizer", numeric=False)]
        if has_roles:
            heads.append(Column("role", numeric=False))
        heads += [Column("n"), *(heading(metric, metrics, unit) for metric in names)]
        body = []
        for row in shown:
            first = [TableCell(escape(row["quantizer"]), row["quantizer"], tag=STAND_IN if stand_in else "")]
            if has_roles:
                first.append(TableCell(escape(row["role"]), row["role"]))
            body.append((*first, *_line(row, names, letters, missing.get(row["quantizer"], ()))))
        caption = f"{kind} on {escape(dataset)}{f' ({STAND_IN} data)' if stand_in else ''}"
        notes = (KEY,) if letters else ()
        return Table(
            name=f"{name}-{file_name(dataset)}", caption=caption, columns=tuple(heads), rows=tuple(body), notes=notes
        )

    blocks: list[Block] = [table("results", "Results", ranked, letters)]
    if apart:
        blocks += [Prose(_roles(apart)), table("references", "References and controls", apart, {})]
    return blocks


def null_lines(rows: pd.DataFrame, dataset: str, *, stand_in: bool) -> list[Block]:
    """Table of grid metrics against shuffled grids; nothing where there are none."""
    shown: list[dict[str, TableCell | str]] = []
    for row in records(rows):
        shown.append(
            {
                "quantizer": TableCell(escape(row["quantizer"]), row["quantizer"], tag=STAND_IN if stand_in else ""),
                "metric": escape(row["metric"]),
                "n": TableCell(str(row["n"]), row["n"]),
                "its grid": TableCell(number(row["value"]), row["value"]),
                "shuffled, mean": TableCell(number(row["null"]), row["null"]),
                "shuffled, range": TableCell(f"{number(row['low'])} to {number(row['high'])}", row["low"]),
                "p": TableCell(f"{row['p']:.2f}", row["p"]),
            }
        )
    if not shown:
        return []
    explanation = (
        "**Shuffled grids**: the same codes with the positions of the used ones permuted, means over seeds. p is "
        "one-sided, .05 at best with 19 permutations."
    )
    return [
        Prose(explanation),
        table_of(f"shuffled-grids-{file_name(dataset)}", f"Shuffled grids on {escape(dataset)}", shown),
    ]


def standing_letters(rankings: pd.DataFrame | None, dataset: str) -> dict[tuple[str, str], str]:
    """(quantizer, metric) -> letter, for the metrics in which at least one family was tested against the best."""
    letters: dict[tuple[str, str], str] = {}
    tested = set()
    for row in select(records(rankings), dataset=dataset):
        standing = "best" if row["quantizer"] == row["best"] else row["standing"]
        letters[row["quantizer"], row["metric"]] = LETTERS[standing]
        if row["standing"] not in ("best", "untested"):
            tested.add(row["metric"])
    return {place: letter for place, letter in letters.items() if place[1] in tested}


def measured(row: Mapping[str, Any], name: str, letter: str = "") -> TableCell:
    """Mean and interval of a metric, with n where it has fewer values than the row; blank without a value."""
    n = number_in(row, f"{name}_n")
    fewer = f" (n = {n:.0f})" if n and n < row["done"] else ""
    return TableCell(interval(row, name) + fewer, number_in(row, name), letter)


def heading(name: str, metrics: Mapping[str, Mapping[str, Any]], unit: str = "") -> Column:
    """Column of a metric: its name, an arrow to its better end, and its summary as a hint."""
    metric = metrics.get(name, {"direction": "none"})
    direction = metric["direction"]
    arrow = f" → {metric['target']:g}" if direction == "target" else {"lower": " ↓", "higher": " ↑"}.get(direction, "")
    in_units = f" ({escape(unit)})" if unit and name == "error_units" else ""
    return Column(escape(name) + in_units + arrow, hint=escape(metric.get("summary", "")))


def _place(role: str) -> int:
    return list(ROLES).index(role) if role in ROLES else len(ROLES)


def _roles(rows: Sequence[Mapping[str, Any]]) -> str:
    sentences = []
    for role in unique(rows, "role"):
        names = listed(quantizers(select(rows, role=role)))
        sentences.append(f"{names}: {escape(role)} rows, which {ROLES[role]}." if role in ROLES else f"{names}.")
    return f"**Reference rows and controls: never ranked.** {' '.join(sentences)}"


def _line(
    row: Mapping[str, Any],
    names: Sequence[str],
    letters: Mapping[tuple[str, str], str],
    missing: Sequence[str],
) -> list[TableCell]:
    """Number of done cells and the metrics' means; where nothing is done, the causes."""
    done = f"{row['done']} of {row['cells']}"
    causes = ", ".join(map(escape, dict.fromkeys(missing)))
    if not row["done"] and names:
        return [TableCell(done, 0, failed=True), TableCell(causes, span=len(names), failed=True)]
    count = TableCell(done, int(row["done"]), tag=causes, failed=bool(causes))
    return [count, *(measured(row, name, letters.get((row["quantizer"], name), "")) for name in names)]
