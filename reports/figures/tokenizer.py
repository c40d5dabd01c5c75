"""Stored tokenizer of a row on one dataset, as the figures of that row use it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from reports.document.rows import pluck
from reports.figures.data import RunData, SourceData
from reports.figures.drawing.lattice import Lattice, neighbour_means
from reports.figures.drawing.palette import Look

SHOWN = 12  # tokenizers per dataset: more would make the page too long to send
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class TokenizerView:
    """Tokenizer of the first seed of a row that is done and whose codes are stored.

    Attributes:
        dataset: Name of the dataset.
        row: Name of the row.
        seed: Seed of the cell.
        look: Colour, marker and line of the row.
        tokens: (n, time) codes of the test split.
        hits: (K,) number of test frames per code.
        seen: (K,) whether any frame of any split has the code.
        prototypes: (K, F) frame that each code decodes to, in data units.
        lattice: Lattice that the codes lie on, None where they have none.
        source: Data of the cell, None where they are not on this machine.
    """

    dataset: str
    row: str
    seed: int
    look: Look
    tokens: NDArray[np.int64]
    hits: NDArray[np.int64]
    seen: NDArray[np.bool_]
    prototypes: NDArray[np.float64]
    lattice: Lattice | None
    source: SourceData | None

    @property
    def section(self) -> str:
        """Place of its figures in the report."""
        return f"row:{self.dataset}:{self.row}"

    @property
    def what(self) -> str:
        """Name in titles and descriptions."""
        return f"{self.row} on {self.dataset}"

    @property
    def unit(self) -> str:
        """Unit of its points, with a space before it; blank where there is none."""
        return f" {self.source.unit}" if self.source and self.source.unit else ""

    def distances(self, pairs: NDArray[np.integer]) -> NDArray[np.float64]:
        """(n, 2) codes -> (n,) mean Euclidean distance over the spatial points that two codes decode to."""
        features = self.prototypes.shape[1]
        points = np.arange(features)[None] if self.source is None else self.source.points
        difference = (self.prototypes[pairs[:, 0]] - self.prototypes[pairs[:, 1]])[:, points]
        means: NDArray[np.float64] = np.sqrt((difference**2).sum(axis=-1)).mean(axis=-1)
        return means

    def u_matrix(self, lattice: Lattice) -> NDArray[np.float64]:
        """(K,) mean distance in data units between the frames that a code and its lattice neighbours decode to.

        NaN for a code without neighbours. Ultsch and Siemon (1990) take distances of code vectors. On a lattice such
        as FSQ's these are equal by construction, and only the decoded frames differ.
        """
        return neighbour_means(lattice, self.distances(lattice.pairs()))


def tokenizers(run: RunData, dataset: str) -> Iterator[TokenizerView]:
    """Tokenizers of a dataset, ranked rows first, at most SHOWN."""
    first_of_rows = (_first(run, dataset, name) for name in pluck(run.rows[dataset], "quantizer"))
    return islice(filter(None, first_of_rows), SHOWN)


def _first(run: RunData, dataset: str, row: str) -> TokenizerView | None:
    for seed in run.done[dataset, row]["seed"].tolist() if (dataset, row) in run.done else ():
        stored = run.codes(dataset, row, seed)
        if stored is not None:
            count = len(stored["prototypes"])
            splits = [np.asarray(stored[f"codes.{split}"], dtype=np.int64) for split in SPLITS]
            hits = [np.bincount(tokens.ravel(), minlength=count) for tokens in splits]
            return TokenizerView(
                dataset=dataset,
                row=row,
                seed=seed,
                look=run.looks[row],
                tokens=splits[-1],
                hits=hits[-1],
                seen=np.sum(hits, axis=0) > 0,
                prototypes=stored["prototypes"].astype(np.float64),
                lattice=Lattice.of(stored.get("positions")),
                source=run.source(dataset, seed),
            )
    return None
