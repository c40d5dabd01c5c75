"""Contract of a dataset, and the split sizes, random streams and checks that datasets share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from datasets.errors import DataError
from datasets.sequences import CONSTANT, SPLITS, Sequences, left_out_line
from datasets.store import file_sha256


class Dataset(ABC):
    """A source of sequences. Final subclasses take keyword-only parameters and check them in `__init__`.

    Attributes:
        stand_in: Name of the dataset to run on where this one's data are absent, or None.
        real: Whether the data are real; False for a stand-in.
        resplit: Whether seeds split one finite source anew, so that their results are not independent.
        located: Whether its name is followed by a colon and a path, which becomes the parameter `path`.
        source: Citation of the source of the data, one line.
        licence: Terms of use; empty where they are not known.
        frame: Meaning of the features of a frame in data units, one line.
        title: Common name of the dataset, where that is not its name here.
        width: Number of features per frame after PCA.
    """

    width: int
    stand_in: ClassVar[str | None] = None
    real: ClassVar[bool] = True
    resplit: ClassVar[bool] = False
    located: ClassVar[bool] = False
    source: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    frame: ClassVar[str] = ""
    title: ClassVar[str] = ""

    @abstractmethod
    def load(self, seed: int) -> Sequences:
        """Draw and split the sequences of one data seed."""

    @property
    @abstractmethod
    def train_frames(self) -> int:
        """Number of frames in the train split, the same for every seed and available without loading."""

    @property
    def test_apart(self) -> bool:
        """Whether no seed trains or validates on frames that another seed tests; tuning needs this."""
        return not self.resplit

    def missing(self) -> str | None:
        """One line on the missing data and the command that gets them; None where `load` would work."""
        return None

    def recipe(self) -> dict[str, Any]:
        """Identity of the source beside code and parameters: SHA-256 of its files; empty for a generator."""
        return {path.name: file_sha256(path) for path in self.files()}

    def settled(self) -> dict[str, Any]:
        """Parameters that the data decide, with the values in effect; reads all of the data, before a run.

        Raises:
            DataError: The data cannot be used.
        """
        return {}

    def files(self) -> list[Path]:
        """Files that `load` reads, in the data directory or where its name locates them; they are sent to workers."""
        return []

    def install(self, path: Path) -> list[str]:
        """Import the files under `path` that a user has fetched, and return lines about the import.

        Raises:
            DataError: There is nothing to import for this dataset, or the files are not what they should be.
        """
        raise DataError(f"There is nothing to import for {type(self).__name__}, so {path} was not looked at.")

    def fetch(self, url: str, tell: Callable[[str], None], watch: Callable[[int, int], None]) -> None:
        """Get the files from the network and import them; no other method touches the network.

        Args:
            url: Address of a copy; that of the original where empty.
            tell: Function that takes lines: licence, size and address before the download, the outcome afterwards.
            watch: Function that takes the bytes at hand and in all, again and again.

        Raises:
            OSError: The network failed; the same call goes on from there.
            DataError: There is nothing to fetch for this dataset, or what came is not what it should be.
        """
        raise DataError(f"There is nothing to fetch for {type(self).__name__}.")

    def check(self) -> list[str]:
        """Load seed 0 and describe the result in lines; datasets kept on disk verify their files first.

        Raises:
            FileNotFoundError: The data are not on this machine; the message says how to get them.
            DataError: The files on this machine are damaged.
        """
        reason = self.missing()
        if reason:
            raise FileNotFoundError(reason)
        sequences = self.load(0)
        shapes = ", ".join(f"{split} {sequences.frames[split].shape}" for split in SPLITS)
        constant = sequences.notes.get(CONSTANT)
        left_out = [f"{left_out_line(constant)} of seed 0"] if constant else []
        return [
            f"{sequences.name}: {'real data' if sequences.real else 'a procedural stand-in, not real data'}",
            *left_out,
            f"frames (sequences, time, width): {shapes}",
            f"variance kept by {sequences.width} principal components: {sequences.notes['pca_variance_kept']:.4%}",
            f"content of seed 0: sha256 {sequences.content_hash()}",
        ]


def split_sizes(sequences: int) -> dict[str, int]:
    """Split sizes: 70 / 15 / 15 % of `sequences`, at least one each.

    >>> split_sizes(400)
    {'train': 280, 'val': 60, 'test': 60}
    """
    if sequences < 3:
        raise ValueError(f"Expected at least 3 sequences (one a split), got {sequences}.")
    held_out = max(1, round(0.15 * sequences))
    return {"train": sequences - 2 * held_out, "val": held_out, "test": held_out}


def require_integer(name: str, value: int, minimum: int, maximum: int | None = None) -> None:
    """Raise ValueError unless `value` is an integer within the bounds."""
    integer = isinstance(value, int) and not isinstance(value, bool)
    if not integer or value < minimum or (maximum is not None and value > maximum):
        bounds = f"of at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ValueError(f"Expected {name} to be an integer {bounds}, got {value!r}.")


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"Expected {name} to be one of {', '.join(choices)}, got {value!r}.")


def stream(seed: int, number: int) -> np.random.Generator:
    """Random stream `number` of a data seed: train and validation draw from 0, test from 1.

    The streams are separate so that tuning can leave the test stream undrawn.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, number]))
