"""A row's stored tokenizer on one dataset, as the figures of that row look at it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from reports.figures.data import RunData, SourceData
from reports.figures.drawing.lattice import Lattice, neighbour_means
from reports.figures.drawing.palette import Look

SHOWN = 12  # of a dataset: more would make the page too long to send
SPLITS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class TokenizerView:
    """The first seed of a row that is done and whose codes are stored.

    Attributes:
        dataset: Its name.
        row: Its name.
        seed: The cell's.
        look: Of the row.
        tokens: (n, time) of the test split.
        hits: (K,) test frames that have each code.
        seen: (K,) whether any frame of any split has it.
        prototypes: (K, F) what each code decodes to, in data units.
        lattice: Where the codes lie, or None.
        source: The data, or None.
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
        """Of its figures."""
        return f"row:{self.dataset}:{self.row}"

    @property
    def what(self) -> str:
        """How titles and descriptions name it."""
        return f"{self.row} on {self.dataset}"

    @property
    def unit(self) -> str:
        """Of its points, with a space before it."""
        return f" {self.source.unit}" if self.source and self.source.unit else ""

    def distances(self, pairs: NDArray[np.integer]) -> NDArray[np.float64]:
        """(n, 2) codes -> (n,) mean Euclidean distance over the spatial points that two codes decode to."""
        features = self.prototypes.shape[1]
        points = np.arange(features)[None] if self.source is None else self.source.points
        difference = (self.prototypes[pairs[:, 0]] - self.prototypes[pairs[:, 1]])[:, points]
        found: NDArray[np.float64] = np.sqrt((difference**2).sum(axis=-1)).mean(axis=-1)
        return found

    def u_matrix(self, lattice: Lattice) -> NDArray[np.float64]:
        """(K,) mean distance in data units between what a code and its neighbours on the lattice decode to; or NaN.

        Ultsch and Siemon's (1990) distances are of code vectors; of a lattice such as FSQ's those are equal by
        construction, and what differs is what the decoder makes of them.
        """
        return neighbour_means(lattice, self.distances(lattice.pairs()))


def tokenizers(run: RunData, dataset: str) -> Iterator[TokenizerView]:
    """Those of a dataset, ranked rows first, at most SHOWN."""
    found = (_first(run, dataset, row["quantizer"]) for row in run.rows[dataset])
    return islice((tokenizer for tokenizer in found if tokenizer is not None), SHOWN)


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
