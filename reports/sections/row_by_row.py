"""Row by row: parameters, all metrics, figures and grid."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Column, Grid, Prose, Section, Table, TableCell
from reports.document.figure import Figure
from reports.document.rows import by_name, having, select
from reports.document.text import code, escape, file_name, records
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
    """One section per row of the tables, in their order.

    Args:
        summary: Table with one row per (quantizer, dataset).
        metrics: Name of a metric -> its catalogue entry.
        parameters: Row -> parameters that it was run with; a control has those of its quantizer.
        stand_ins: Dataset that is not real -> the dataset that it stands in for.
        figures: Figures of the run, of which those of rows are shown.
        grids: Contents of the interactive grids.
    """
    sections: list[Block] = []
    for name in dict.fromkeys(summary["quantizer"]):
        of_datasets = by_name(records(summary[summary["quantizer"] == name]), "dataset")
        blocks: list[Block] = []
        if parameters.get(name):
            blocks += [Prose("Run with:"), values(parameters[name])]
        blocks.append(_metrics(name, of_datasets, metrics, stand_ins))
        for dataset in of_datasets:
            drawn: list[Block] = [figure for figure in figures if figure.section == f"row:{dataset}:{name}"]
            drawn += map(Grid, select(grids, dataset=dataset, row=name))
            if drawn:
                blocks.append(Section(source_title(dataset, stand_ins), tuple(drawn)))
        sections.append(Section(code(name), tuple(blocks), detail=True))
    return sections


def _metrics(
    name: str,
    of_datasets: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, Mapping[str, Any]],
    stand_ins: Mapping[str, str],
) -> Table:
    """Table of the metrics that have a value, one per line."""
    columns = [Column("metric", numeric=False)]
    count = [TableCell("n")]
    for dataset, row in of_datasets.items():
        columns.append(Column(escape(dataset) + (f" ({STAND_IN})" if dataset in stand_ins else "")))
        count.append(TableCell(f"{row['done']} of {row['cells']}", failed=not row["done"]))
    body = [tuple(count)]
    for metric in (*metrics, "train_seconds", "eval_seconds"):
        if having(of_datasets.values(), metric):
            body.append(
                (TableCell(heading(metric, metrics).title), *(measured(row, metric) for row in of_datasets.values()))
            )
    return Table(
        name=f"row-{file_name(name)}",
        caption=f"Every metric of {escape(name)}",
        columns=tuple(columns),
        rows=tuple(body),
        sortable=False,
    )
