"""Body of 17 joints: bone lengths, and keypoints from joint angles and places of the feet."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

SIDES = ("left", "right")
# Offsets from the middle of the head in cm: nose, eyes, ears.
FACE = np.array([[0.0, -2.0, 11.0], [3.2, 1.5, 9.0], [-3.2, 1.5, 9.0], [7.2, 0.0, 0.0], [-7.2, 0.0, 0.0]])


@dataclass(frozen=True)
class Body:
    """Lengths in cm, (n,) each: constant within a dance, different between dances."""

    hip: Float
    thigh: Float
    shin: Float
    spine: Float
    shoulder: Float
    upper_arm: Float
    forearm: Float
    neck: Float
    head: Float

    @classmethod
    def draw(cls, count: int, generator: np.random.Generator) -> "Body":
        """Draw body heights, and proportions around them."""
        typical = np.array([11.0, 40.0, 40.0, 47.0, 17.0, 28.0, 25.0, 19.0, 1.0])
        height = generator.normal(1.0, 0.04, (count, 1)).clip(0.88, 1.12)
        proportions = generator.normal(1.0, 0.025, (count, typical.size)).clip(0.92, 1.08)
        return cls(*(typical * height * proportions).T)


def _rotation(yaw: Float, pitch: Float, roll: Float) -> Float:
    """(..., 3, 3): roll about z, then pitch about x (forward), then yaw about y."""
    cy, sy, cp, sp, cr, sr = (f(angle) for angle in (yaw, pitch, roll) for f in (np.cos, np.sin))
    rows = [
        [cy * cr + sy * sp * sr, sy * sp * cr - cy * sr, sy * cp],
        [cp * sr, cp * cr, -sp],
        [cy * sp * sr - sy * cr, sy * sr + cy * sp * cr, cy * cp],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _turn(rotation: Float, vectors: Float) -> Float:
    """Rotate (..., m, 3) vectors by (..., 3, 3)."""
    turned: Float = np.matmul(vectors, rotation.swapaxes(-1, -2))
    return turned


def _unit(vector: Float) -> Float:
    length: Float = np.sqrt((vector * vector).sum(axis=-1, keepdims=True))
    return vector / length


def _squash(value: Float, low: float, high: float) -> Float:
    """Keep an angle within a joint's range, smoothly."""
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    return middle + half * np.tanh((value - middle) / half)


def skeleton(channels: Mapping[str, Float], feet: Float, pelvis: Float, yaw: Float, body: Body) -> Float:
    """Forward kinematics above the hips, inverse below them.

    Args:
        channels: Name -> (n, frames) angles in radians, for torso, head and arms.
        feet: (n, frames, 2, 3) wanted places of left and right ankle in cm.
        pelvis: (n, frames, 3) midpoint of the hips in cm.
        yaw: (n, frames) yaw of the pelvis in radians.
        body: Bone lengths of the n bodies.

    Returns:
        (n, frames, 17, 3) keypoints, cm.
    """
    joints = np.empty((*yaw.shape, 17, 3))
    base = _rotation(yaw, channels["pelvis_pitch"], channels["pelvis_roll"])
    chest = base @ _rotation(channels["torso_twist"], channels["torso_pitch"], channels["torso_roll"])
    head = chest @ _rotation(
        _squash(channels["head_yaw"], -1.2, 1.2),
        channels["head_pitch"] - 0.6 * channels["torso_pitch"],
        channels["head_roll"],
    )
    neck = pelvis + chest[..., 1] * body.spine[:, None, None]
    middle = neck + (0.5 * chest[..., 1] + 0.5 * head[..., 1]) * body.neck[:, None, None]
    joints[..., :5, :] = middle[..., None, :] + _turn(head, FACE * body.head[:, None, None, None])

    for foot, (side, sign) in enumerate(zip(SIDES, (1.0, -1.0), strict=True)):
        shrug = channels[f"{side}_shrug"]
        collar = np.stack([sign * np.cos(shrug), np.sin(shrug), np.zeros_like(shrug)], axis=-1)
        shoulder = neck + _turn(chest, collar[..., None, :])[..., 0, :] * body.shoulder[:, None, None]
        upper, lower = _arm(
            sign,
            _squash(channels[f"{side}_raise"], 0.08, 2.75),
            _squash(channels[f"{side}_front"], -0.6, 1.7),
            _squash(channels[f"{side}_roll"], -0.6, 1.7),
            _squash(channels[f"{side}_elbow"], 0.08, 2.4),
        )
        arm = _turn(chest, np.stack([upper, lower], axis=-2))
        elbow = shoulder + arm[..., 0, :] * body.upper_arm[:, None, None]
        joints[..., 5 + foot, :] = shoulder
        joints[..., 7 + foot, :] = elbow
        joints[..., 9 + foot, :] = elbow + arm[..., 1, :] * body.forearm[:, None, None]

        hip = pelvis + sign * base[..., 0] * body.hip[:, None, None]
        outwards = sign * _squash(channels[f"{side}_knee_out"], -0.2, 0.9)
        pole = np.stack([np.sin(yaw + outwards), np.zeros_like(yaw), np.cos(yaw + outwards)], axis=-1)
        knee, ankle = _leg(hip, feet[..., foot, :], pole, body.thigh[:, None, None], body.shin[:, None, None])
        joints[..., 11 + foot, :] = hip
        joints[..., 13 + foot, :] = knee
        joints[..., 15 + foot, :] = ankle
    return joints


def _arm(sign: float, lift: Float, front: Float, roll: Float, flexion: Float) -> tuple[Float, Float]:
    """Directions of upper arm and forearm in the chest's frame; `sign` is 1 on the left, where x points."""
    raised, lowered = np.sin(lift), np.cos(lift)
    fronted, sideways = np.sin(front), np.cos(front)
    upper = np.stack([sign * raised * sideways, -lowered, raised * fronted], axis=-1)
    # The two directions across the upper arm, never degenerate: forwards in the plane of the floor, and upwards.
    forwards = np.stack([-sign * fronted, np.zeros_like(front), sideways], axis=-1)
    upwards = np.stack([sign * lowered * sideways, raised, lowered * fronted], axis=-1)
    bend = np.cos(roll)[..., None] * forwards + np.sin(roll)[..., None] * upwards
    return upper, np.cos(flexion)[..., None] * upper + np.sin(flexion)[..., None] * bend


def _leg(hip: Float, foot: Float, pole: Float, thigh: Float, shin: Float) -> tuple[Float, Float]:
    """Knee and ankle by two-bone inverse kinematics; a foot out of reach is drawn in along the leg."""
    leg = foot - hip
    distance = np.sqrt((leg * leg).sum(axis=-1, keepdims=True))
    towards = leg / distance
    distance = distance.clip(0.35 * (thigh + shin), 0.998 * (thigh + shin))
    along = (thigh * thigh - shin * shin + distance * distance) / (2.0 * distance)
    bend = _unit(pole - (pole * towards).sum(axis=-1, keepdims=True) * towards)
    knee = hip + along * towards + np.sqrt((thigh * thigh - along * along).clip(0.0)) * bend
    return knee, hip + distance * towards
