"""Rate at equal quality: the curves of families over their sizes, in one sentence each."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Bullets, Prose
from reports.document.text import code, number_in, records

MEANING = (
    "Mean difference of `bits_per_frame` from plain `vq` at equal explained variance, over the range of quality that "
    "both curves have (Bjontegaard's difference), with its 95 % interval over seeds."
)


def rates(differences: pd.DataFrame) -> list[Block]:
    """Sentences about the rate of every family against plain VQ's; none where no curve was run.

    Args:
        differences: Per dataset and quantizer the difference as a share, its interval, and the numbers of sizes and
            seeds (rates.csv).
    """
    rows = records(differences)
    return [Prose(MEANING), Bullets(tuple(map(_sentence, rows)))] if rows else []


def _sentence(row: Mapping[str, Any]) -> str:
    low, high = number_in(row, "low"), number_in(row, "high")
    interval = "" if low is None or high is None else f"{100 * low:+.0f} to {100 * high:+.0f} %; "
    seeds = f"{row['n']} seed{'s' * (row['n'] > 1)}"
    return (
        f"{code(row['quantizer'])} on {code(row['dataset'])}: {100 * row['difference']:+.0f} % "
        f"({interval}{row['sizes']} sizes, {seeds})."
    )
