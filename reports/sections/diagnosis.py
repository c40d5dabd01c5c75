"""Findings about cells: what looks wrong in the curves of training and readers."""

import pandas as pd

from reports.document.blocks import Block, Bullets
from reports.document.rows import select, unique
from reports.document.text import code, escape, records


def findings(diagnosis: pd.DataFrame) -> list[Block]:
    """List of findings, one line per row of the tables, dataset and problem; none where nothing is off.

    Args:
        diagnosis: Findings per cell: dataset, quantizer, seed, problem, finding (diagnosis.csv).
    """
    rows = records(diagnosis)
    lines = []
    for dataset in unique(rows, "dataset"):
        for quantizer in unique(select(rows, dataset=dataset), "quantizer"):
            cell_rows = select(rows, dataset=dataset, quantizer=quantizer)
            for problem in unique(cell_rows, "problem"):
                same = select(cell_rows, problem=problem)
                seeds = ", ".join(str(row["seed"]) for row in same)
                where = f"{code(quantizer)} on {code(dataset)}, seed{'s' * (len(same) > 1)} {seeds}"
                of_first = f" (figures of seed {same[0]['seed']})" if len(same) > 1 else ""
                lines.append(f"**{escape(problem)}** ({where}): {escape(same[0]['finding'])}{of_first}.")
    return [Bullets(tuple(lines))] if lines else []
