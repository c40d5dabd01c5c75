"""Findings about cells: what looks wrong in the curves of training and readers."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Bullets
from reports.document.rows import select, unique
from reports.document.text import code, escape, listed, records


def findings(diagnosis: pd.DataFrame) -> list[Block]:
    """List of findings, one line per dataset and problem; none where nothing is off.

    Args:
        diagnosis: Findings per cell: dataset, quantizer, seed, problem, finding (diagnosis.csv).
    """
    rows = records(diagnosis)
    lines = []
    for dataset in unique(rows, "dataset"):
        on_dataset = select(rows, dataset=dataset)
        for problem in unique(on_dataset, "problem"):
            same = select(on_dataset, problem=problem)
            first = same[0]
            where = [_with_seeds(name, select(same, quantizer=name)) for name in unique(same, "quantizer")]
            of_first = f" (figures of {_with_seeds(first['quantizer'], same[:1])})" if len(same) > 1 else ""
            lines.append(
                f"**{escape(problem)}** on {code(dataset)}, {listed(where)}: {escape(first['finding'])}{of_first}."
            )
    return [Bullets(tuple(lines))] if lines else []


def _with_seeds(quantizer: str, rows: Sequence[Mapping[str, Any]]) -> str:
    return f"{code(quantizer)} seed{'s' * (len(rows) > 1)} {', '.join(str(row['seed']) for row in rows)}"
