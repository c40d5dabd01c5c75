"""Contract of a dataset: sequences of standardised, PCA-reduced frames, split by sequence."""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DataError
from datasets.store import file_sha256

Array = NDArray[np.float32]
Float = NDArray[np.float64]
SPLITS = ("train", "val", "test")
TIED = 1e-5  # relative difference of an eigenvector's entries that counts as none
CONSTANT = "features_constant_in_training"
"""Note of `Sequences` that lists the features that are left out."""


@dataclass(frozen=True)
class Transform:
    """Data units -> z-scores -> principal components, fitted on the training split alone; every array float64.

    Computed in float64 and rounded once, so that a frame's result does not depend on the frames beside it.

    Attributes:
        mean: (F,) mean of each feature in data units.
        scale: (F,) standard deviation of each feature; 0 for one that does not vary, whose z-score is 0.
        centre: (F,) mean of the z-scored training frames.
        components: (width, F) orthonormal principal directions, not whitened.
    """

    mean: Float
    scale: Float
    centre: Float
    components: Float

    @classmethod
    def fit(cls, standardised: Array, mean: NDArray[Any], scale: NDArray[Any], width: int) -> "Transform":
        """Fit the principal components on z-scored training frames (n, time, F)."""
        frames = standardised.reshape(-1, standardised.shape[-1]).astype(np.float64)
        centre = frames.mean(axis=0)
        frames -= centre
        _, directions = np.linalg.eigh(frames.T @ frames)
        components = directions[:, ::-1][:, :width].T
        # The sign of an eigenvector is arbitrary: make its largest entry positive, so that machines agree. Of those as
        # large but for rounding, which left and right of a body have, the first counts.
        sizes = np.abs(components)
        largest = (sizes >= (1 - TIED) * sizes.max(axis=1, keepdims=True)).argmax(axis=1)
        components *= np.sign(components[np.arange(len(components)), largest])[:, None]
        # Seven digits of the principal components are enough, whatever the data's origin; mean and scale need all.
        centre, components = centre.astype(np.float32), components.astype(np.float32)
        return cls(*(np.ascontiguousarray(part, np.float64) for part in (mean, scale, centre, components)))

    def project(self, standardised: NDArray[Any]) -> Array:
        """z-scores (..., F) -> principal components (..., width)."""
        projected: Float = np.matmul(standardised.astype(np.float64) - self.centre, self.components.T)
        return projected.astype(np.float32)

    def expand(self, projected: NDArray[Any]) -> Float:
        """Principal components (..., width) -> z-scores (..., F), without what the projection dropped."""
        expanded: Float = np.matmul(projected.astype(np.float64), self.components) + self.centre
        return expanded

    def inverse(self, projected: NDArray[Any]) -> Float:
        """Principal components (..., width) -> data units (..., F)."""
        return self.expand(projected) * self.scale + self.mean


@dataclass(frozen=True)
class Skeleton:
    """A body whose joints are the points of a dataset; figures draw its frames as poses.

    Attributes:
        joints: Names of the joints, in the order of the points; those of the left side begin with "left".
        bones: Pairs of indices of the joints that a bone joins.
    """

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """A loaded dataset; frames and z-scores are float32.

    Attributes:
        name: Name of the dataset; a stand-in never carries the name of the dataset that it stands in for.
        real: Whether the data are real; False for a stand-in.
        frames: Split -> (n_sequences, time, width) frames after PCA, the input of the tokenizer.
        standardised: Split -> (n_sequences, time, F) z-scored features before PCA, on which `mse` is measured.
        transform: Transform between frames and data units.
        points: (P, c) indices of the F features that form one spatial point each; `error_units` is the mean
            Euclidean distance over points.
        unit: Unit of those points, such as "cm"; "" where there is none.
        notes: Facts for the report: counts, options, variance kept by the PCA.
        skeleton: Body whose P joints the points are, in three coordinates with y up; None where they are no body.

    Raises:
        ValueError: The skeleton has another number of joints than there are points.
    """

    name: str
    real: bool
    frames: Mapping[str, Array]
    standardised: Mapping[str, Array]
    transform: Transform
    points: NDArray[np.int64]
    unit: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    skeleton: Skeleton | None = None

    def __post_init__(self) -> None:
        """Check the skeleton against the points."""
        if self.skeleton is not None and len(self.skeleton.joints) != len(self.points):
            raise ValueError(
                f"Expected a skeleton with a joint per point, got {len(self.skeleton.joints)} joints and "
                f"{len(self.points)} points."
            )

    @classmethod
    def build(
        cls,
        name: str,
        *,
        real: bool,
        standardised: Mapping[str, Array],
        mean: NDArray[Any],
        scale: NDArray[Any],
        width: int,
        points: NDArray[np.int64],
        unit: str = "",
        notes: Mapping[str, Any] | None = None,
        skeleton: Skeleton | None = None,
    ) -> "Sequences":
        """Fit the PCA on the train split of z-scored features and project every split.

        A feature that does not vary in training is left out: its z-score is 0 in every split, because a deviation of 0
        gives no unit in which its changes elsewhere could be measured. The notes name it.

        Args:
            name: Name of the dataset.
            real: Whether the data are real.
            standardised: Split -> (n_sequences, time, F) z-scored features.
            mean: (F,) mean of each feature in data units.
            scale: (F,) standard deviation of each feature in data units.
            width: Number of principal components to keep.
            points: (P, c) indices of features, see the attributes.
            unit: Unit of the points.
            notes: Facts for the report, to which those of the PCA are added.
            skeleton: Body whose joints the points are.

        Raises:
            DataError: No feature varies in the training frames.
        """
        flat = standardised["train"].reshape(-1, mean.size)
        constant = np.ptp(flat, axis=0) == 0
        if constant.all():
            raise DataError(
                f"Expected features that vary among the training frames of {name}, got {constant.size} that do not "
                "vary: a tokenizer has nothing to learn there."
            )
        if constant.any():
            standardised = {split: np.where(constant, np.float32(0), standardised[split]) for split in SPLITS}
            scale = np.where(constant, 0.0, scale)
        transform = Transform.fit(standardised["train"], mean, scale, width)
        frames = {split: np.ascontiguousarray(transform.project(standardised[split])) for split in SPLITS}
        variance = standardised["train"].reshape(-1, mean.size).var(axis=0).sum()
        kept = float(frames["train"].var(axis=(0, 1)).sum() / variance)
        notes = dict(notes or {}) | {"pca_variance_kept": kept}
        if constant.any():
            notes[CONSTANT] = np.flatnonzero(constant).tolist()
        return cls(
            name=name,
            real=real,
            frames=frames,
            standardised=standardised,
            transform=transform,
            points=points,
            unit=unit,
            notes=notes,
            skeleton=skeleton,
        )

    def without_test(self) -> "Sequences":
        """Copy with the validation split in the place of the test split, which is dropped."""
        frames = {**self.frames, "test": self.frames["val"]}
        standardised = {**self.standardised, "test": self.standardised["val"]}
        notes = {**self.notes, "measured": "the validation split"}
        return replace(self, frames=frames, standardised=standardised, notes=notes)

    @property
    def width(self) -> int:
        """Number of features per frame after PCA."""
        return int(self.frames["train"].shape[-1])

    def inverse(self, projected: NDArray[Any]) -> Float:
        """Principal components (..., width) -> data units (..., F)."""
        return self.transform.inverse(projected)

    def content_hash(self) -> str:
        """SHA-256 over all frames: recorded with a result, never compared (BLAS kernels differ in the last bit)."""
        digest = hashlib.sha256()
        for split in SPLITS:
            digest.update(np.ascontiguousarray(self.frames[split]).tobytes())
        return digest.hexdigest()


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


def left_out_line(features: Sequence[int]) -> str:
    """Sentence about features that do not vary in training.

    >>> left_out_line([0, 3])
    'left out, because they do not vary in training: features 0, 3'
    """
    names = ", ".join(map(str, features[:10])) + ", ..." * (len(features) > 10)
    return f"left out, because they do not vary in training: features {names}"


def split_sizes(sequences: int) -> dict[str, int]:
    """Split sizes: 70 / 15 / 15 % of `sequences`, at least one each.

    >>> split_sizes(400)
    {'train': 280, 'val': 60, 'test': 60}
    """
    if sequences < 3:
        raise ValueError(f"Expected at least 3 sequences (one a split), got {sequences}.")
    held_out = max(1, round(0.15 * sequences))
    return {"train": sequences - 2 * held_out, "val": held_out, "test": held_out}


def short_name(path: str) -> str:
    """Name of a file without its endings, safe in tables, file names and on the command line.

    >>> short_name("data/my walk.v2.npz")
    'my-walk'
    """
    return re.sub(r"[^\w-]+", "-", _decoded(Path(path).name).partition(".")[0]).strip("-") or "file"


def _decoded(name: str) -> str:
    """Decode the bytes of a file name as UTF-8 where Python could not, so that it is the same under every locale."""
    try:
        content = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        content = name.encode("utf-8", "backslashreplace")
    return content.decode("utf-8", "backslashreplace")


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
