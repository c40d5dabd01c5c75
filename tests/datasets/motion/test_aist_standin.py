from typing import Any

import numpy as np
import pytest

import datasets
from datasets.motion.aist_standin import AistStandIn
from datasets.motion.dancer import dance

# COCO's limbs, then the head's rigid triangle and the ties of the trunk that one bone holds.
BONES = [(5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16), (11, 12)]
BONES += [(0, 1), (0, 2), (1, 3), (2, 4), (3, 4)]


@pytest.fixture(scope="module")
def keypoints() -> np.ndarray:
    return dance(24, 480, np.random.default_rng(0))


@pytest.fixture(scope="module")
def sequences() -> datasets.Sequences:
    return AistStandIn(sequences=80).load(0)


def test_bones_keep_their_length_within_a_dance(keypoints: np.ndarray) -> None:
    for one, other in BONES:
        length = np.linalg.norm(keypoints[:, :, one] - keypoints[:, :, other], axis=-1)
        assert np.ptp(length, axis=1).max() < 1e-6
    thigh = np.linalg.norm(keypoints[:, 0, 11] - keypoints[:, 0, 13], axis=-1)
    assert np.ptp(thigh) > 1  # bodies differ


def test_the_dancer_stands_on_the_floor_and_is_of_human_size(keypoints: np.ndarray) -> None:
    height = keypoints[..., 1]
    assert height.min() > 0
    ankles = height[..., 15:]
    assert np.quantile(ankles.min(axis=-1), 0.95) < 15
    assert np.quantile(ankles, 0.5) < 12
    spine = keypoints[:, :, [5, 6]].mean(axis=2) - keypoints[:, :, [11, 12]].mean(axis=2)
    assert 30 < np.median(spine[..., 1]) < 70
    assert 130 < np.median(height[..., 0]) < 190


def test_a_planted_foot_does_not_slide(keypoints: np.ndarray) -> None:
    ankles = keypoints[:, :, 15:]
    speed = np.linalg.norm(np.diff(ankles, axis=1), axis=-1)
    assert np.quantile(speed, 0.4) < 0.05


def test_motion_is_smooth(keypoints: np.ndarray) -> None:
    speed = np.linalg.norm(np.diff(keypoints, axis=1), axis=-1)
    jerk = np.linalg.norm(np.diff(keypoints, n=2, axis=1), axis=-1)
    assert speed.max() < 35  # cm a frame; CMU's dancers reach 20 beside their glitches
    assert jerk.max() < 15
    assert 0.3 < np.median(speed) < 3


def test_the_nose_is_in_front(keypoints: np.ndarray) -> None:
    forward = np.cross(keypoints[:, :, 5] - keypoints[:, :, 6], [0.0, 1.0, 0.0])
    nose = keypoints[:, :, 0] - keypoints[:, :, 3:5].mean(axis=2)
    assert ((forward * nose).sum(axis=-1) > 0).mean() > 0.95


def test_the_motion_is_of_human_frequencies(keypoints: np.ndarray) -> None:
    centred = keypoints - keypoints[:, :, 11:13].mean(axis=2, keepdims=True)
    velocity = np.diff(centred, axis=1).reshape(24, 479, 51)
    power = (np.abs(np.fft.rfft(velocity, axis=1)) ** 2).sum(axis=2)
    share = power[:, np.fft.rfftfreq(479, 1 / 60) < 5].sum(axis=1) / power.sum(axis=1)
    assert share.min() > 0.7
    assert np.median(share) > 0.9


def test_shapes_name_and_notes(sequences: datasets.Sequences) -> None:
    assert {split: array.shape for split, array in sequences.frames.items()} == {
        "train": (56, 240, 32),
        "val": (12, 240, 32),
        "test": (12, 240, 32),
    }
    assert sequences.standardised["test"].shape == (12, 240, 51)
    assert sequences.name == "aist-standin"
    assert not sequences.real
    assert not AistStandIn.real
    assert sequences.unit == "cm"
    assert sequences.points.shape == (17, 3)
    assert sequences.notes["dances"] == {"train": 28, "val": 6, "test": 6}


def test_the_spectrum_is_about_that_of_recorded_dance(sequences: datasets.Sequences) -> None:
    """CMU's dances keep 84 % in 8 components, 96 % in 16, 99.8 % in 32."""
    values = np.linalg.eigvalsh(np.cov(sequences.standardised["train"].reshape(-1, 51).T))[::-1]
    kept = np.cumsum(values) / values.sum()
    assert 0.75 < kept[7] < 0.92
    assert 0.92 < kept[15] < 0.98
    assert 0.99 < kept[31] < 0.999
    assert sequences.notes["pca_variance_kept"] == pytest.approx(kept[31], abs=1e-4)


def test_the_inverse_is_a_pose_in_centimetres(sequences: datasets.Sequences) -> None:
    pose = sequences.inverse(sequences.frames["test"]).reshape(-1, 17, 3)
    kept = (sequences.standardised["test"] * sequences.transform.scale + sequences.transform.mean).reshape(-1, 17, 3)
    assert np.linalg.norm(pose - kept, axis=-1).mean() < 2.0
    thigh = np.linalg.norm(kept[:, 11] - kept[:, 13], axis=-1)
    assert 33 < thigh.min() < thigh.max() < 49


def test_no_dance_is_in_two_splits() -> None:
    """Every body has lengths of its own: a dance is known by its thigh, shin and forearm."""
    data = AistStandIn(sequences=40, window=30).load(0)
    bodies = {}
    for split in datasets.SPLITS:
        pose = data.standardised[split] * data.transform.scale + data.transform.mean
        pose = pose[:, 0].reshape(-1, 17, 3).astype(np.float64)
        lengths = [np.linalg.norm(pose[:, a] - pose[:, b], axis=-1) for a, b in ((11, 13), (13, 15), (7, 9))]
        bodies[split] = {tuple(row) for row in np.stack(lengths, axis=-1).round(2)}
    assert not bodies["train"] & bodies["test"]
    assert not bodies["train"] & bodies["val"]
    assert not bodies["val"] & bodies["test"]


def test_test_dances_come_from_a_stream_of_their_own() -> None:
    raw = []
    for sequences in (8, 9):  # both hold one window out for testing
        data = AistStandIn(sequences=sequences, window=30).load(0)
        raw.append(data.standardised["test"] * data.transform.scale + data.transform.mean)
    np.testing.assert_allclose(raw[0], raw[1], atol=1e-2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sequences": 1}, "sequences"),
        ({"window": 1}, "window"),
        ({"width": 52}, "width to be an integer from 1 to 51, got 52"),
        ({"align": "dance"}, "align to be one of frame, window, got 'dance'"),
    ],
)
def test_parameters_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AistStandIn(**values)
