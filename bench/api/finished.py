"""A run as notebooks see it."""

import html
from functools import cached_property
from pathlib import Path

import pandas as pd

from bench.planning.finished import FinishedRun
from bench.publishing import finished_runs, run_report
from bench.vocabulary import DONE
from reports.inputs import Results

SHOWN = ("mse", "active", "trust", "topographic_error", "bits_per_frame", "topology_gain")
"""Metrics that the HTML representation of a run shows."""


class Run:
    """A run that was made or opened, with its tables.

    Args:
        finished: Plan, records and folder of the run.
    """

    def __init__(self, finished: FinishedRun) -> None:
        self.finished = finished

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.finished.store.root

    @cached_property
    def _gathered(self) -> Results:
        return run_report.gather(self.finished)

    @property
    def results(self) -> pd.DataFrame:
        """One row per cell, with a column per metric, as in results.csv."""
        return self._gathered.table

    @property
    def summary(self) -> pd.DataFrame:
        """One row per (quantizer, dataset), with means and 95 % t intervals over seeds, as in summary.csv."""
        return self._gathered.summary

    @property
    def rankings(self) -> pd.DataFrame:
        """One row per (dataset, metric, quantizer): the family against the best of its column, as in rankings.csv."""
        return self._gathered.rankings

    @property
    def complete(self) -> bool:
        """Whether every cell of the plan is done."""
        return self._done == self.finished.plan.size

    @property
    def _done(self) -> int:
        return sum(record["status"] == DONE for record in self.finished.records.values())

    def report(self, out: Path | str | None = None, formats: str = "") -> list[Path]:
        """Write the report again and return its files.

        Args:
            out: Folder that takes the files; by default the run's folder.
            formats: Formats among html, md, tex and csv, separated by commas; by default all.

        Raises:
            UsageError: A format is unknown, or the folder cannot be written.
        """
        return finished_runs.again(self.folder, formats, None if out is None else Path(out))

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {self._done} of {self.finished.plan.size} cells done)"

    def _repr_html_(self) -> str:
        """Short table for notebooks: the mean of the main metrics per quantizer and dataset."""
        columns = ["dataset", "quantizer", "done", *(name for name in SHOWN if self.summary[name].notna().any())]
        table = self.summary[columns].to_html(index=False, na_rep="", float_format="{:.3g}".format, border=0)
        title = f"{self._done} of {self.finished.plan.size} cells done in {self.folder}"
        return f"<p><strong>{html.escape(title)}</strong></p>\n{table}"
