"""Inputs of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Results:
    """A run as tables and plain values.

    Attributes:
        table: Table with one row per cell (results.csv).
        summary: Table with one row per (quantizer, dataset) (summary.csv).
        rankings: Per dataset and metric, each family against the best (rankings.csv).
        claims: Tests of the SOM-VQ paper's claims (claims.csv).
        nulls: Grid metrics against their values on shuffled grids (nulls.csv).
        spread: Shares of the variance over seeds by their source (spread.csv).
        rates: Rate of every family against plain VQ's at equal quality (rates.csv).
        indices: Use of every index of the codes that have several (indices.csv).
        diagnosis: Findings per cell, from the curves of training and readers (diagnosis.csv).
        metrics: Catalogue of metrics: name, direction, target, summary, needs.
        protocol: Values of the protocol, by name.
        capacities: Rows of the capacity table.
        parameters: Row -> parameters that it was run with.
        sources: Dataset -> parameters that it was made with.
        notes: Dataset -> facts about its data.
        units: Dataset -> unit of `error_units`.
        stand_ins: Dataset that is not real -> the dataset that it stands in for.
        failures: Cells that are not done, with their cause.
        planned: Number of cells in the plan.
        environments: Versions and machines that the shown cells were made with.
        made: Date and duration of the run, as a sentence.
        command: Command that was typed.
        folder: Name of the run folder.
        published_tables: Names of the published tables to set beside the results.
        columns: Metrics in the tables of results; `selection.MAIN` where empty.
        title: Title of the page.
        profile: Table with one row per cell and part of its work (profile.csv); None where it is not shown.
        eager: Rows whose training was not replayed as CUDA graphs: quantizer, dataset, reason.
        significance: Level of the tests; below 0.05 for one of several looks.
        unreadable: File of codes that figures lack -> reason why it could not be read.
    """

    table: pd.DataFrame
    summary: pd.DataFrame
    rankings: pd.DataFrame
    claims: pd.DataFrame
    nulls: pd.DataFrame
    spread: pd.DataFrame
    diagnosis: pd.DataFrame
    rates: pd.DataFrame
    indices: pd.DataFrame
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
    significance: float = 0.05
    unreadable: Mapping[str, str] = field(default_factory=dict)
