"""Canonical poses from 17 keypoints in centimetres, shared by the datasets of motion."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.scaling import Scaling
from datasets.sequences import SPLITS, Sequences, Skeleton

# COCO's order; bones one limb after the other.
BODY = Skeleton(
    joints=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
        *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
        *("left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    bones=(
        *((9, 7), (7, 5), (5, 6), (6, 8), (8, 10)),
        *((15, 13), (13, 11), (11, 12), (12, 14), (14, 16)),
        *((5, 11), (6, 12)),
        *((5, 3), (3, 1), (1, 0), (0, 2), (2, 4), (4, 6), (1, 2)),
    ),
)
JOINTS = len(BODY.joints)
FEATURES = 3 * JOINTS
LEFT_SHOULDER, RIGHT_SHOULDER = 5, 6
LEFT_HIP, RIGHT_HIP = 11, 12
ALIGNMENTS = ("frame", "window")
FRAME = "x, y, z in cm of 17 joints in COCO's order, y up, the hips' midpoint at the origin, the shoulders facing +z"

FRAMES_PER_SECOND = 60
# Shoulders steeper than this (share of their distance that is horizontal; 0.2 is 78 degrees) have no heading.
LEAST_HORIZONTAL = 0.2
# A feature that varies by less than a micrometre is constant: dividing by its deviation would blow up noise.
LEAST_DEVIATION_CM = 1e-4

Float = NDArray[np.float64]


def headings(keypoints: NDArray[Any]) -> Float:
    """Cosine and sine of the yaw angle that makes the shoulders face +z.

    The facing direction is cross(left shoulder - right shoulder, +y). Where the shoulders are (nearly) vertical or
    coincide it is undefined: the last defined one is held, the first defined one stands before it, and a sequence
    without any is left as it is.

    Args:
        keypoints: (..., time, 17, 3) in cm, y up.

    Returns:
        (..., time, 2) cosine and sine.
    """
    across = keypoints[..., LEFT_SHOULDER, :].astype(np.float64) - keypoints[..., RIGHT_SHOULDER, :]
    flat = across[..., [0, 2]]
    horizontal = np.linalg.norm(flat, axis=-1)
    length = np.linalg.norm(across, axis=-1)
    defined = (horizontal > LEAST_HORIZONTAL * length) & (length > 0)

    time = np.arange(defined.shape[-1])
    held = np.maximum.accumulate(np.where(defined, time, -1), axis=-1)
    held = np.where(held < 0, defined.argmax(axis=-1)[..., None], held)
    flat = np.where(defined.any(axis=-1)[..., None, None], flat, np.array([1.0, 0.0]))
    flat = np.take_along_axis(flat, held[..., None], axis=-2)
    turn: Float = flat / np.linalg.norm(flat, axis=-1, keepdims=True)
    return turn


def canonical(keypoints: NDArray[Any], *, window: int, align: str) -> NDArray[np.float32]:
    """Cut into non-overlapping windows, centre on the hips' midpoint and turn the shoulders to face +z.

    Args:
        keypoints: (..., time, 17, 3) in cm, y up.
        window: Number of frames in a window; the rest at the end is dropped.
        align: "frame" turns every frame by its own heading, "window" all frames by their window's first.

    Returns:
        (..., time // window, window, 51) features, joint by joint x, y, z.
    """
    count = keypoints.shape[-3] // window
    lead = keypoints.shape[:-3]
    turns = headings(keypoints)[..., : count * window, :].reshape(*lead, count, window, 1, 2)
    if align == "window":
        turns = turns[..., :1, :, :]
    cosine, sine = turns[..., 0], turns[..., 1]

    poses = keypoints[..., : count * window, :, :].reshape(*lead, count, window, JOINTS, 3)
    hips = 0.5 * (poses[..., LEFT_HIP, :] + poses[..., RIGHT_HIP, :])
    poses = poses - hips[..., None, :]
    x, z = poses[..., 0], poses[..., 2]
    turned = np.empty(poses.shape, dtype=np.float32)
    turned[..., 0] = cosine * x + sine * z
    turned[..., 1] = poses[..., 1]
    turned[..., 2] = cosine * z - sine * x
    return turned.reshape(*lead, count, window, FEATURES)


def build(
    name: str,
    *,
    real: bool,
    poses: Mapping[str, NDArray[np.float32]],
    width: int,
    notes: Mapping[str, Any],
    labels: Mapping[str, Sequence[str]] | None = None,
) -> Sequences:
    """Standardise canonical poses (n, window, 51) on train, fit the PCA, and name the 17 joints as points.

    Args:
        name: Name of the dataset.
        real: Whether the motion was recorded.
        poses: Split -> (n, window, 51) features in cm, see `canonical`.
        width: Number of principal components to keep.
        notes: Facts for the report.
        labels: Split -> name of the class of every window.
    """
    scaling = Scaling.fit(poses["train"], LEAST_DEVIATION_CM)
    return Sequences.build(
        name,
        real=real,
        standardised={split: scaling.apply(poses[split]) for split in SPLITS},
        mean=scaling.mean,
        scale=scaling.scale,
        width=width,
        points=np.arange(FEATURES, dtype=np.int64).reshape(JOINTS, 3),
        unit="cm",
        skeleton=BODY,
        notes={"frames_per_second": FRAMES_PER_SECOND} | dict(notes),
        labels=labels,
    )
