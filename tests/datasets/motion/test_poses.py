import numpy as np
import pytest

from datasets.motion import poses
from datasets.motion.dancer import dance
from datasets.motion.poses import LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, RIGHT_SHOULDER, canonical, headings


@pytest.fixture(scope="module")
def keypoints() -> np.ndarray:
    return dance(2, 130, np.random.default_rng(0))


def joints(features: np.ndarray) -> np.ndarray:
    return features.reshape(*features.shape[:-1], 17, 3)


def turned(keypoints: np.ndarray, angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return keypoints @ np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]).T


def facing(pose: np.ndarray) -> np.ndarray:
    return np.cross(pose[..., LEFT_SHOULDER, :] - pose[..., RIGHT_SHOULDER, :], [0.0, 1.0, 0.0])


def test_every_frame_faces_z(keypoints: np.ndarray) -> None:
    forward = facing(joints(canonical(keypoints, window=60, align="frame")))
    np.testing.assert_allclose(forward[..., :2], 0, atol=1e-4)
    assert (forward[..., 2] > 0).all()


def test_a_window_faces_z_in_its_first_frame_and_keeps_its_turns(keypoints: np.ndarray) -> None:
    windows = joints(canonical(keypoints, window=60, align="window"))
    forward = facing(windows)
    np.testing.assert_allclose(forward[:, :, 0, :2], 0, atol=1e-4)
    assert (forward[:, :, 0, 2] > 0).all()
    assert np.abs(forward[:, :, 1:, 0]).max() > 1


@pytest.mark.parametrize("align", ["frame", "window"])
def test_place_and_heading_of_the_dancer_do_not_matter(keypoints: np.ndarray, align: str) -> None:
    moved = turned(keypoints, 2.3) + np.array([120.0, 7.0, -300.0])
    np.testing.assert_allclose(
        canonical(moved, window=60, align=align), canonical(keypoints, window=60, align=align), atol=1e-3
    )


@pytest.mark.parametrize("align", ["frame", "window"])
def test_alignment_keeps_distances_and_heights(keypoints: np.ndarray, align: str) -> None:
    got = joints(canonical(keypoints, window=65, align=align))
    kept = keypoints.reshape(2, 2, 65, 17, 3)
    np.testing.assert_allclose(
        np.linalg.norm(got[..., 3, :] - got[..., 9, :], axis=-1),
        np.linalg.norm(kept[..., 3, :] - kept[..., 9, :], axis=-1),
        atol=1e-3,
    )
    hips = 0.5 * (kept[..., LEFT_HIP, :] + kept[..., RIGHT_HIP, :])
    np.testing.assert_allclose(got[..., 1], kept[..., 1] - hips[..., None, 1], atol=1e-3)
    np.testing.assert_allclose(got[..., LEFT_HIP, :] + got[..., RIGHT_HIP, :], 0, atol=1e-3)


def test_windows_do_not_overlap_and_drop_the_rest(keypoints: np.ndarray) -> None:
    windows = canonical(keypoints, window=60, align="frame")
    assert windows.shape == (2, 2, 60, 51)
    assert windows.dtype == np.float32
    np.testing.assert_allclose(windows[:, 1], canonical(keypoints[:, 60:], window=60, align="frame")[:, 0], atol=1e-4)


def test_vertical_shoulders_hold_the_last_heading() -> None:
    pose = np.zeros((6, 17, 3))
    for frame, angle in enumerate((0.3, 0.3, 0.3, 0.3, 1.0, 1.0)):
        pose[frame, LEFT_SHOULDER] = [np.cos(angle), 0, np.sin(angle)]
    pose[0, LEFT_SHOULDER] = [0, 0, 0]  # both on one point, before any heading is known
    pose[2:4, LEFT_SHOULDER] = [0.05, 1.0, -0.05]  # nearly vertical
    got = headings(pose)
    np.testing.assert_allclose(np.arctan2(got[:, 1], got[:, 0]), [0.3, 0.3, 0.3, 0.3, 1.0, 1.0], atol=1e-9)


def test_a_sequence_without_any_heading_is_left_as_it_is() -> None:
    np.testing.assert_array_equal(headings(np.zeros((2, 4, 17, 3))), np.broadcast_to([1.0, 0.0], (2, 4, 2)))


def test_headings_do_not_jump_where_an_angle_wraps() -> None:
    pose = np.zeros((50, 17, 3))
    angle = np.linspace(3.0, 3.3, 50)
    pose[:, LEFT_SHOULDER] = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=-1)
    assert np.abs(np.diff(headings(pose), axis=0)).max() < 0.01


def test_a_constant_feature_stays_finite_and_inverts() -> None:
    generator = np.random.default_rng(0)
    motion = {split: generator.normal(0, 9, (2, 30, 51)).astype(np.float32) for split in ("train", "val", "test")}
    for part in motion.values():
        part[..., 7] = 42.0
    sequences = poses.build("made-up", real=False, poses=motion, width=50, notes={"why": "test"})
    assert sequences.transform.scale[7] == 0.0
    assert (sequences.standardised["train"][..., 7] == 0).all()
    np.testing.assert_allclose(sequences.inverse(sequences.frames["val"])[..., 7], 42.0, atol=1e-3)
    np.testing.assert_allclose(sequences.inverse(sequences.frames["val"]), motion["val"], atol=1e-2)
    np.testing.assert_allclose(sequences.standardised["train"].mean(axis=(0, 1)), 0, atol=1e-5)
    assert sequences.points.tolist()[16] == [48, 49, 50]
    assert sequences.unit == "cm"
    assert sequences.notes["why"] == "test"
