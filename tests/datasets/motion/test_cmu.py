from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datasets
from datasets.errors import DataError
from datasets.motion import cmu_convert
from datasets.motion.aist_import import JOINT_NAMES
from datasets.motion.cmu import FILE, GAP, PIECE, Cmu
from datasets.motion.poses import canonical
from datasets.store import file_sha256

# A hip that turns, a leg of two bones: lengths are told, so that positions can be worked out by hand.
BVH = """HIERARCHY
ROOT Hips
{
    OFFSET 1 0 0
    CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
    JOINT Leg
    {
        OFFSET 0 -2 0
        CHANNELS 3 Zrotation Yrotation Xrotation
        End Site
        {
            OFFSET 0 -3 0
        }
    }
}
MOTION
Frames: 3
Frame Time: .0083333
0 0 0  0 0 0  0 0 0
4 5 6  90 0 0  0 0 0
0 0 0  90 0 90  0 0 90
"""


def test_forward_kinematics_by_hand() -> None:
    joints, motion = cmu_convert.parse(BVH)
    assert [(joint.name, joint.parent) for joint in joints] == [("Hips", -1), ("Leg", 0), ("", 1)]
    positions, rotations = cmu_convert.kinematics(joints, motion)
    expected = [
        [[1, 0, 0], [1, -2, 0], [1, -5, 0]],
        # A quarter turn about z takes -y to +x.
        [[5, 5, 6], [7, 5, 6], [10, 5, 6]],
        # Rz Rx, the last named first: Rx takes -y to -z, which Rz leaves; the leg's own Rx takes -y to -z, which the
        # hip's Rx takes to +y and its Rz to -x.
        [[1, 0, 0], [1, 0, -2], [-2, 0, -2]],
    ]
    np.testing.assert_allclose(positions, expected, atol=1e-12)
    np.testing.assert_allclose(rotations[1, 0] @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_another_file_or_skeleton_is_refused() -> None:
    with pytest.raises(DataError, match="word MOTION"):
        cmu_convert.parse("not motion capture")
    with pytest.raises(DataError, match="with the joints Head, LeftArm"):
        cmu_convert.keypoints(*cmu_convert.parse(BVH))


def test_the_clips_are_what_is_known_of_them() -> None:
    """Frames: 2,752 and 4,511 less the T-pose, every other one; bones do not stretch; a person's measures in cm."""
    with np.load(FILE, allow_pickle=False) as clips:
        assert {name: clips[name].shape for name in clips.files} == {"01_01": (1376, 17, 3), "01_03": (2255, 17, 3)}
        motion = np.concatenate([clips[name] for name in clips.files])
    joint = {name: motion[:, number] for number, name in enumerate(JOINT_NAMES)}
    for side in ("left", "right"):
        for upper, lower in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            lengths = np.linalg.norm(joint[f"{side} {upper}"] - joint[f"{side} {lower}"], axis=1)
            assert lengths.std() < 1e-3
            assert 15 < lengths.mean() < 45
    assert np.median(joint["nose"][:, 1] - joint["left ankle"][:, 1]) > 100
    facing = np.cross(joint["left shoulder"] - joint["right shoulder"], [0.0, 1.0, 0.0])
    ahead = joint["nose"] - (joint["left ear"] + joint["right ear"]) / 2
    assert ((facing * ahead).sum(axis=1) > 0).mean() > 0.9
    assert FILE.stat().st_size < 1_000_000
    assert "no restrictions" in FILE.with_name("cmu.rights.txt").read_text()


def test_it_loads_without_any_download(data_directory: Path) -> None:
    sequences = datasets.load("cmu", seed=0)
    assert {split: frames.shape for split, frames in sequences.frames.items()} == {
        "train": (36, 60, 32),
        "val": (8, 60, 32),
        "test": (8, 60, 32),
    }
    assert (sequences.name, sequences.real, sequences.unit) == ("cmu", True, "cm")
    assert not data_directory.exists()
    assert Cmu().recipe() == {"sha256": file_sha256(FILE)}
    assert "AIST" not in "\n".join(Cmu().check())


def test_pieces_lie_apart_and_test_pieces_are_the_same_for_every_seed() -> None:
    with np.load(FILE, allow_pickle=False) as clips:
        pieces = {
            (name, start): canonical(clips[name][start : start + PIECE], window=60, align="frame")
            for name in clips.files
            for start in range(0, len(clips[name]) - PIECE + 1, PIECE + GAP)
        }
    assert len(pieces) == 13

    def origins(seed: int) -> dict[str, set[tuple[str, int]]]:
        sequences = datasets.load("cmu", seed=seed)
        collected = {}
        for split in datasets.SPLITS:
            poses = sequences.standardised[split] * sequences.transform.scale + sequences.transform.mean
            near = [[np.abs(piece - pose).max(axis=(1, 2)).min() < 0.01 for piece in pieces.values()] for pose in poses]
            assert [sum(row) for row in near] == [1] * len(poses)
            collected[split] = {list(pieces)[row.index(True)] for row in near}
        return collected

    first, second = origins(0), origins(1)
    for item in (first, second):
        assert not item["train"] & item["val"]
        assert not (item["train"] | item["val"]) & item["test"]
    assert first["test"] == second["test"]
    assert first["val"] != second["val"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 241}, "window to be an integer from 2 to 240"),
        ({"align": "x"}, "frame, window"),
        ({"width": 0}, "width"),
    ],
)
def test_parameters_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cmu(**values)


def test_asking_for_more_gives_what_there_is() -> None:
    assert Cmu(sequences=400).settled() == {"sequences": 52}
    assert Cmu(sequences=12).settled() == {"sequences": 12}
    assert Cmu(sequences=400).train_frames == 36 * 60


def test_labels_are_clips() -> None:
    sequences = datasets.load("cmu", seed=0)
    assert sequences.notes["labels"] == ["01_01", "01_03"]
    with np.load(FILE) as clips:
        share = len(clips["01_03"]) / sum(map(len, (clips[name] for name in clips.files)))
    labels = np.concatenate([sequences.labels[split] for split in datasets.SPLITS])
    assert labels.mean() == pytest.approx(share, abs=0.1)
