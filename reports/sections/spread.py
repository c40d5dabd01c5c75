"""Spread over seeds, in one line per dataset."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.document.rows import select, unique
from reports.document.text import code, listed, number_in, records


def spread_lines(spread: pd.DataFrame) -> list[str]:
    """Sentences about the sources of the variance over seeds, one per dataset.

    Args:
        spread: Shares of the variance per dataset and metric: data, training (blank where it was not measured), rest.
    """
    rows = records(spread)
    lines = []
    for dataset in unique(rows, "dataset"):
        lines.append(f"**Spread over seeds** on {code(dataset)}: {_sources(select(rows, dataset=dataset))}.")
    return lines


def _sources(rows: list[dict[str, Any]]) -> str:
    return "; ".join(f"of {code(row['metric'])} {_shares(row)}" for row in rows)


def _shares(row: Mapping[str, Any]) -> str:
    training = number_in(row, "training")
    shares = [f"{_percent(row['data'])} is the draw of the data"]
    if training is None:
        shares.append(f"{_percent(row['rest'])} training seed, reader and the reaction of a row to the data")
    else:
        shares.append(f"{_percent(training)} training seed and reader")
        shares.append(f"{_percent(row['rest'])} the reaction of a row to the data")
    return listed(shares)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
