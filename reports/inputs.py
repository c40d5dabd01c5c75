"""What a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Results:
    """A run as tables and plain values.

    Attributes:
        table: One row a cell (results.csv).
        summary: One row a (quantizer, dataset) (summary.csv).
        rankings: Per dataset and metric, each family against the best (rankings.csv).
        claims: The tests of the SOM-VQ paper's claims (claims.csv).
        nulls: Grid metrics against their values on shuffled grids (nulls.csv).
        metrics: The catalogue: name, direction, target, summary, needs.
        protocol: Its values.
        capacities: Rows of the capacity table.
        parameters: Row -> the values it was run with.
        sources: Dataset -> the values it was made with.
        notes: Dataset -> facts about its data.
        units: Dataset -> unit of `error_units`.
        stand_ins: Dataset that is not real -> what it stands in for.
        failures: Cells that are not done, with their cause.
        planned: Cells in the plan.
        environments: Versions and machines that the shown cells were made with.
        made: When and in what time.
        command: What was typed.
        folder: Name of the run folder.
        published_tables: Which published tables to set beside the results.
        columns: Of the results' tables; the usual ones unless told.
        title: Of the page.
        profile: One row a cell and part of its work (profile.csv), to be told; None where it is not.
        eager: Rows whose training was not replayed as CUDA graphs: quantizer, dataset, reason.
        unreadable: Files of codes that figures lack, and why they could not be read.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    rankings: pd.DataFrame
    claims: pd.DataFrame
    nulls: pd.DataFrame
    metrics: Sequence[Mapping[str, Any]]
    protocol: Mapping[str, Any]
    capacities: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Mapping[str, Any]]
    sources: Mapping[str, Mapping[str, Any]]
    notes: Mapping[str, Mapping[str, Any]]
    units: Mapping[str, str]
    stand_ins: Mapping[str, str]
    failures: Sequence[Mapping[str, Any]]
    planned: int
    environments: Sequence[Mapping[str, Any]]
    made: str
    command: str
    folder: str
    title: str
    published_tables: Sequence[str] = ()
    columns: Sequence[str] = ()
    profile: pd.DataFrame | None = None
    eager: Sequence[Mapping[str, str]] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
