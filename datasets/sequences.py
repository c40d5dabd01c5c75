"""Sequences of standardised, PCA-reduced frames, split by sequence."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DataError

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

    def standardise(self, values: NDArray[Any]) -> Float:
        """Data units (..., F) -> z-scores (..., F); 0 for a feature that does not vary."""
        varies = self.scale > 0
        scores: Float = np.where(varies, (values - self.mean) / np.where(varies, self.scale, 1.0), 0.0)
        return scores

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
        labels: Split -> (n_sequences,) int64 numbers of the classes of its sequences; empty where there are none.

    Raises:
        ValueError: The skeleton has another number of joints than there are points, or a split has another number of
            labels than of sequences.
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
    labels: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the skeleton against the points, and the labels against the sequences."""
        for split in SPLITS if self.labels else ():
            labels = self.labels.get(split, np.empty(0, dtype=np.int64))
            if labels.shape != (len(self.frames[split]),):
                raise ValueError(
                    f"Expected a label per sequence of {split} ({len(self.frames[split])},), got {labels.shape}."
                )
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
        labels: Mapping[str, Sequence[str]] | None = None,
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
            labels: Split -> name of the class of every sequence; the notes say which number a name has.

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
        numbers: dict[str, NDArray[np.int64]] = {}
        if labels:
            notes["labels"] = sorted(set(itertools.chain.from_iterable(labels.values())))
            for split in SPLITS:
                numbers[split] = np.array([notes["labels"].index(name) for name in labels[split]], dtype=np.int64)
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
            labels=numbers,
        )

    def without_test(self) -> "Sequences":
        """Copy with the validation split in the place of the test split, which is dropped."""
        frames = {**self.frames, "test": self.frames["val"]}
        standardised = {**self.standardised, "test": self.standardised["val"]}
        notes = {**self.notes, "measured": "the validation split"}
        labels = {**self.labels, "test": self.labels["val"]} if self.labels else {}
        return replace(self, frames=frames, standardised=standardised, notes=notes, labels=labels)

    @property
    def width(self) -> int:
        """Number of features per frame after PCA."""
        return int(self.frames["train"].shape[-1])

    def inverse(self, projected: NDArray[Any]) -> Float:
        """Principal components (..., width) -> data units (..., F)."""
        return self.transform.inverse(projected)

    def in_units(self, split: str) -> Float:
        """Features (n_sequences, time, F) of a split in data units, before any projection."""
        units: Float = self.standardised[split].astype(np.float64) * self.transform.scale + self.transform.mean
        return units

    def content_hash(self) -> str:
        """SHA-256 over all frames: recorded with a result, never compared (BLAS kernels differ in the last bit)."""
        digest = hashlib.sha256()
        for split in SPLITS:
            digest.update(np.ascontiguousarray(self.frames[split]).tobytes())
        return digest.hexdigest()


def left_out_line(features: Sequence[int]) -> str:
    """Sentence about features that do not vary in training.

    >>> left_out_line([0, 3])
    'left out, because they do not vary in training: features 0, 3'
    """
    names = ", ".join(map(str, features[:10])) + ", ..." * (len(features) > 10)
    return f"left out, because they do not vary in training: features {names}"
