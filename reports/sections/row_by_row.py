"""Row by row: what each was run with, all of its metrics, its figures and its grid."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Column, Grid, Prose, Section, Table, TableCell
from reports.document.figure import Figure
from reports.document.text import code, escape, file_name, known, records
from reports.sections.facts import source_title, values
from reports.sections.tables import STAND_IN, heading, measured


def row_by_row(
    summary: pd.DataFrame,
    metrics: Mapping[str, Mapping[str, Any]],
    parameters: Mapping[str, Mapping[str, Any]],
    stand_ins: Mapping[str, str],
    figures: Sequence[Figure],
    grids: Sequence[Mapping[str, Any]],
) -> list[Block]:
    """One section a row of the tables, in their order.

    Args:
        summary: One row a (quantizer, dataset).
        metrics: Metric -> its catalogue entry.
        parameters: Row -> what it was run with; a control has those of its quantizer.
        stand_ins: Dataset that is not real -> what it stands in for.
        figures: Those of rows among them are shown.
        grids: What interactive grids show.
    """
    sections: list[Block] = []
    for name in dict.fromkeys(summary["quantizer"]):
        own = {row["dataset"]: row for row in records(summary[summary["quantizer"] == name])}
        blocks: list[Block] = []
        if parameters.get(name):
            blocks += [Prose("Run with:"), values(parameters[name])]
        blocks.append(_metrics(name, own, metrics, stand_ins))
        for dataset in own:
            drawn: list[Block] = [figure for figure in figures if figure.section == f"row:{dataset}:{name}"]
            drawn += [Grid(grid) for grid in grids if (grid["dataset"], grid["row"]) == (dataset, name)]
            if drawn:
                blocks.append(Section(source_title(dataset, stand_ins), tuple(drawn)))
        sections.append(Section(code(name), tuple(blocks), detail=True))
    return sections


def _metrics(
    name: str,
    own: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, Mapping[str, Any]],
    stand_ins: Mapping[str, str],
) -> Table:
    """Every metric that has a value, one a line."""
    columns = [Column("metric", numeric=False)]
    columns += [Column(escape(dataset) + (f" ({STAND_IN})" if dataset in stand_ins else "")) for dataset in own]
    body = [
        (
            TableCell("n"),
            *(TableCell(f"{row['done']} of {row['cells']}", failed=not row["done"]) for row in own.values()),
        )
    ]
    body += [
        (TableCell(heading(metric, metrics).title), *(measured(row, metric) for row in own.values()))
        for metric in (*metrics, "train_seconds", "eval_seconds")
        if any(known(row, metric) is not None for row in own.values())
    ]
    return Table(
        name=f"row-{file_name(name)}",
        caption=f"Every metric of {escape(name)}",
        columns=tuple(columns),
        rows=tuple(body),
        sortable=False,
    )
