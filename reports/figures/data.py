"""Inputs of figures: plain values, without models and without matplotlib."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.document.text import is_family, records
from reports.figures.drawing.palette import Look, looks

Row = Mapping[str, Any]
Key = tuple[str, str, int]
Curve = Sequence[tuple[float, float | None]]
Arrays = Mapping[str, NDArray[Any]]

ROWS = 40  # of a dataset in one figure: more cannot be told apart
TURN = math.radians(25.0)  # about the vertical, so that limbs that reach forwards show


@dataclass(frozen=True, kw_only=True)
class SourceData:
    """A dataset with one data seed, reduced to what figures show.

    Attributes:
        frames: (n, time, F) test frames in data units, as they were before PCA.
        points: (P, c) indices of the features that form one spatial point each.
        unit: Unit of the points, "" where there is none.
        joints: Name of each point where the points are the joints of a body with y up, else empty.
        edges: Pairs of joints that a bone joins.
        rate: Frames per second, None where unknown.
    """

    frames: NDArray[Any]
    points: NDArray[Any]
    unit: str = ""
    joints: tuple[str, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    rate: float | None = None

    def from_front(self, frames: NDArray[Any]) -> NDArray[np.float64]:
        """A body's frames (n, F) -> (n, joints, 2): seen from the front and a little from one side, y up."""
        joints = frames[:, self.points].astype(np.float64)
        across = joints[..., 0] * math.cos(TURN) + joints[..., 2] * math.sin(TURN)
        return np.stack([across, joints[..., 1]], axis=-1)


@dataclass(frozen=True, kw_only=True)
class RunData:
    """A run, reduced to what figures show.

    Attributes:
        summary: Table with one row per (quantizer, dataset): summary.csv.
        table: Table with one row per cell: results.csv.
        rankings: Standing of each row per metric: rankings.csv.
        metrics: Catalogue of metrics: name, direction, target.
        families: Row -> its family; rows of one family share a colour.
        units: Dataset -> unit of `error_units`.
        curves: (dataset, row, seed) -> name -> (x, value) at each point. "epochs" or "updates" is the tokenizer's error
            on the validation split; any other name is the metric whose reader's validation perplexity it is, by
            updates. A value that was not finite is None.
        codes: (dataset, row, seed) -> tokens of each split as "codes.SPLIT" (n, time), "prototypes" (K, F) in data
            units and, where there are any, "positions" (K, g); None where nothing is stored.
        source: (dataset, seed) -> its data, or None where they are not on this machine.
    """

    summary: pd.DataFrame
    table: pd.DataFrame
    rankings: pd.DataFrame
    metrics: Sequence[Mapping[str, Any]]
    families: Mapping[str, str]
    units: Mapping[str, str]
    curves: Mapping[Key, Mapping[str, Curve]]
    codes: Callable[[str, str, int], Arrays | None]
    source: Callable[[str, int], SourceData | None]

    @cached_property
    def rows(self) -> dict[str, list[Row]]:
        """Dataset -> its rows of the summary, the ranked ones first."""
        rows: dict[str, list[Row]] = {}
        for row in records(self.summary):
            rows.setdefault(row["dataset"], []).append(row)
        for of_dataset in rows.values():
            of_dataset.sort(key=lambda row: not is_family(row))
        return rows

    @cached_property
    def looks(self) -> dict[str, Look]:
        """Row -> its colour, marker and line."""
        roles = {}
        for row in chain(*self.rows.values()):
            roles[row["quantizer"]] = str(row.get("role"))
        return looks(self.families, roles)

    @cached_property
    def done(self) -> dict[tuple[str, str], pd.DataFrame]:
        """(dataset, row) -> its cells that are done, by seed."""
        cells = self.table[self.table["status"] == "done"].sort_values("seed", kind="stable")
        return {(str(dataset), str(row)): group for (dataset, row), group in cells.groupby(["dataset", "quantizer"])}


def plain(text: object) -> str:
    """Text without the characters that XML cannot hold."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", str(text))
