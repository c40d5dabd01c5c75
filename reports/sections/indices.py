"""Use of every index, for the rows whose codes have several."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Bullets, Prose
from reports.document.rows import unique
from reports.document.text import code, number, records

MEANING = (
    "For every index, the perplexity of its use by the test frames beside its number of codes. Then, how many "
    "combinations of indices occur, and their perplexity. All are means over seeds. In the tables `active` is the "
    "mean over the indices, and `usage_ppl` that of the combinations. A ≥ marks a perplexity that so few frames put "
    "too low, by more than 5 % (Miller's correction of the entropy)."
)


def indices(uses: pd.DataFrame) -> list[Block]:
    """Sentences about the use of the indices; none where every code is one index.

    Args:
        uses: Per dataset, quantizer and index the number of codes, those used and the perplexity; index 0 stands for
            the combinations (indices.csv).
    """
    rows = records(uses)
    lines = []
    for dataset in unique(rows, "dataset"):
        of_dataset = [row for row in rows if row["dataset"] == dataset]
        for quantizer in unique(of_dataset, "quantizer"):
            lines.append(_sentence(dataset, [row for row in of_dataset if row["quantizer"] == quantizer]))
    return [Prose(MEANING), Bullets(tuple(lines))] if lines else []


def _sentence(dataset: str, rows: list[Mapping[str, Any]]) -> str:
    *single, joint = rows
    of_indices = ", ".join(f"{number(row['usage_ppl'])} of {row['size']:.0f}" for row in single)
    sign = "≥ " if joint["too_few_frames"] else ""
    return (
        f"{code(joint['quantizer'])} on {code(dataset)}: {of_indices}; "
        f"{joint['used']:,.0f} combinations, perplexity {sign}{number(joint['usage_ppl'])}."
    )
