"""Conversion of BVH motion to the 17 keypoints of `cmu.npz`, which was made of Debian's files.

apt-get download assimp-testmodels && dpkg-deb -x assimp-testmodels_*.deb unpacked
python -m datasets.motion.cmu_convert unpacked/usr/share/assimp/models/BVH cmu.npz
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DataError

Float = NDArray[np.float64]

CLIPS = ("01_01", "01_03")
# The database has lengths in inches over 0.45.
CENTIMETRES = 2.54 / 0.45
# The first frame is a T-pose that was put before the motion; of 120 frames a second every other one is kept.
FIRST, STEP = 1, 2
# COCO's order; the face has no joints of its own, but places in the head's frame (cm, z forward).
FACE = np.array([[0.0, 4.0, 11.0], [3.2, 7.0, 9.0], [-3.2, 7.0, 9.0], [7.2, 5.0, 0.0], [-7.2, 5.0, 0.0]])
LIMBS = [f"{side}{part}" for part in ("Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot") for side in ("Left", "Right")]


@dataclass(frozen=True, kw_only=True)
class Joint:
    """One joint of a skeleton.

    Attributes:
        name: Name in the file; "" for the end of a limb.
        parent: Number of its parent joint, or -1.
        offset: (3,) vector from its parent, in the parent's frame.
        channels: Kinds of its columns of the motion, in order ("Xposition", "Zrotation").
    """

    name: str
    parent: int
    offset: Float
    channels: tuple[str, ...]


def parse(text: str) -> tuple[list[Joint], Float]:
    """Read a BVH file.

    Returns:
        The joints, parents first, and the motion (frames, channels).

    Raises:
        DataError: The text is no BVH file.
    """
    skeleton, separator, motion = text.partition("MOTION")
    if not separator:
        raise DataError("Expected a BVH file with the word MOTION in it.")
    joints: list[Joint] = []
    open_joints: list[int] = []
    name, offset, channels = "", np.zeros(3), tuple[str, ...]()
    for line in skeleton.splitlines():
        word, *rest = line.split() or [""]
        if word in ("ROOT", "JOINT", "End"):
            name, channels = ("" if word == "End" else rest[0]), ()
        elif word == "{":
            joints.append(
                Joint(name=name, parent=open_joints[-1] if open_joints else -1, offset=np.zeros(3), channels=())
            )
            open_joints.append(len(joints) - 1)
        elif word == "}":
            open_joints.pop()
        elif word in ("OFFSET", "CHANNELS"):
            former = joints[open_joints[-1]]
            offset = np.array(rest, dtype=float) if word == "OFFSET" else former.offset
            channels = tuple(rest[1:]) if word == "CHANNELS" else ()
            joints[open_joints[-1]] = Joint(name=former.name, parent=former.parent, offset=offset, channels=channels)
    rows = motion.split("Frame Time:")[1].split("\n", 1)[1]
    count = sum(len(joint.channels) for joint in joints)
    return joints, np.array(rows.split(), dtype=float).reshape(-1, count)


def kinematics(joints: list[Joint], motion: Float) -> tuple[Float, Float]:
    """Forward kinematics; the rotation of a joint is the product of those of its channels, in the file's order.

    Returns:
        Positions (frames, joints, 3) and rotations (frames, joints, 3, 3), in the file's unit.
    """
    positions = np.zeros((len(motion), len(joints), 3))
    rotations = np.tile(np.eye(3), (len(motion), len(joints), 1, 1))
    column = 0
    for number, joint in enumerate(joints):
        place = np.tile(joint.offset, (len(motion), 1))
        turn = np.tile(np.eye(3), (len(motion), 1, 1))
        for channel in joint.channels:
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                place[:, axis] += motion[:, column]
            else:
                turn = turn @ _about(axis, np.radians(motion[:, column]))
            column += 1
        if joint.parent < 0:
            positions[:, number], rotations[:, number] = place, turn
        else:
            above = rotations[:, joint.parent]
            positions[:, number] = positions[:, joint.parent] + np.einsum("fij,fj->fi", above, place)
            rotations[:, number] = above @ turn
    return positions, rotations


def keypoints(joints: list[Joint], motion: Float) -> NDArray[np.float32]:
    """(frames, 17, 3) keypoints in cm, y up, in COCO's order.

    Raises:
        DataError: The skeleton lacks a joint.
    """
    numbers = {joint.name: number for number, joint in enumerate(joints)}
    lacking = [name for name in ("Head", *LIMBS) if name not in numbers]
    if lacking:
        raise DataError(f"Expected a skeleton with the joints {', '.join(lacking)}, got {', '.join(numbers)}.")
    positions, rotations = kinematics(joints, motion)
    head = numbers["Head"]
    face = CENTIMETRES * positions[:, head, None] + np.einsum("fij,pj->fpi", rotations[:, head], FACE)
    limbs = CENTIMETRES * positions[:, [numbers[name] for name in LIMBS]]
    return np.concatenate([face, limbs], axis=1).astype(np.float32)


def convert(folder: Path, target: Path) -> None:
    """Write the clips of `folder` as keypoints to `target`."""
    clips = {}
    for clip in CLIPS:
        joints, motion = parse((folder / f"{clip}.bvh").read_text(encoding="ascii"))
        clips[clip] = keypoints(joints, motion[FIRST::STEP])
    np.savez_compressed(target, allow_pickle=False, **clips)


def _about(axis: int, angle: Float) -> Float:
    """(frames, 3, 3) right-handed rotations about a coordinate axis."""
    after, last = (axis + 1) % 3, (axis + 2) % 3
    turn = np.tile(np.eye(3), (len(angle), 1, 1))
    turn[:, after, after] = turn[:, last, last] = np.cos(angle)
    turn[:, last, after] = np.sin(angle)
    turn[:, after, last] = -turn[:, last, after]
    return turn


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
