import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from datasets.sequences import Sequences, Skeleton, Transform


@pytest.fixture
def features() -> np.ndarray:
    generator = np.random.default_rng(0)
    return (generator.normal(size=(6, 50, 10)) @ generator.normal(size=(10, 10))).astype(np.float32)


def fitted(features: np.ndarray, width: int) -> tuple[Transform, np.ndarray]:
    flat = features.reshape(-1, features.shape[-1])
    mean, scale = flat.mean(axis=0), flat.std(axis=0)
    standardised = (features - mean) / scale
    return Transform.fit(standardised, mean, scale, width), standardised


def test_projection_is_scikit_learns_pca_up_to_sign(features: np.ndarray) -> None:
    transform, standardised = fitted(features, 4)
    expected = PCA(4).fit(standardised.reshape(-1, 10)).transform(standardised.reshape(-1, 10))
    got = transform.project(standardised).reshape(-1, 4)
    signs = np.sign((expected * got).sum(axis=0))
    np.testing.assert_allclose(got, expected * signs, atol=2e-4)


def test_components_are_orthonormal_and_not_whitened(features: np.ndarray) -> None:
    transform, standardised = fitted(features, 10)
    np.testing.assert_allclose(transform.components @ transform.components.T, np.eye(10), atol=1e-5)
    assert transform.project(standardised).var(axis=(0, 1)).sum() == pytest.approx(10.0, rel=1e-4)


def test_the_largest_entry_of_a_component_is_positive(features: np.ndarray) -> None:
    components = fitted(features, 5)[0].components
    assert (components[np.arange(5), np.abs(components).argmax(axis=1)] > 0).all()


def test_all_components_invert_to_data_units(features: np.ndarray) -> None:
    transform, standardised = fitted(features, 10)
    np.testing.assert_allclose(transform.inverse(transform.project(standardised)), features, atol=2e-4)
    np.testing.assert_allclose(transform.expand(transform.project(standardised)), standardised, atol=1e-4)


def test_inverse_leaves_what_the_dropped_components_held(features: np.ndarray) -> None:
    transform, standardised = fitted(features, 4)
    error = ((transform.expand(transform.project(standardised)) - standardised) ** 2).sum(axis=-1).mean()
    values = np.linalg.svd(standardised.reshape(-1, 10) - standardised.mean(axis=(0, 1)), compute_uv=False)
    assert error == pytest.approx((values[4:] ** 2).sum() / 300, rel=1e-3)


def sequences(features: np.ndarray, **more: Any) -> Sequences:
    mean, scale = features.mean(axis=(0, 1)), features.std(axis=(0, 1))
    standardised = dict.fromkeys(("train", "val", "test"), ((features - mean) / scale).astype(np.float32))
    points = np.arange(9).reshape(3, 3)
    return Sequences.build(
        "made", real=True, standardised=standardised, mean=mean, scale=scale, width=4, points=points, **more
    )


def test_a_skeleton_stays_with_the_sequences(features: np.ndarray) -> None:
    arm = Skeleton(joints=("shoulder", "elbow", "wrist"), bones=((0, 1), (1, 2)))
    assert sequences(features, skeleton=arm).without_test().skeleton == arm
    assert sequences(features).skeleton is None


def test_a_skeleton_has_a_joint_per_point(features: np.ndarray) -> None:
    with pytest.raises(ValueError, match="got 2 joints and 3 points"):
        sequences(features, skeleton=Skeleton(joints=("elbow", "wrist"), bones=((0, 1),)))


def test_standardising_undoes_units(features: np.ndarray) -> None:
    made = sequences(features)
    units = made.in_units("test")
    scores = made.transform.standardise(units)
    np.testing.assert_allclose(scores, made.standardised["test"], atol=1e-5)
    np.testing.assert_allclose(made.transform.project(scores), made.frames["test"], atol=1e-4)


def test_a_feature_that_does_not_vary_has_the_score_zero() -> None:
    ones = np.ones(2)
    transform = Transform(mean=ones, scale=np.array([2.0, 0.0]), centre=0 * ones, components=np.eye(2))
    assert transform.standardise(np.array([[5.0, 7.0]])).tolist() == [[2.0, 0.0]]


def test_labels_of_another_number_are_refused(features: np.ndarray) -> None:
    made = sequences(features)
    labels = {split: np.zeros(len(frames), dtype=np.int64) for split, frames in made.frames.items()}
    assert dataclasses.replace(made, labels=labels).labels is labels
    labels["val"] = np.zeros(1 + len(labels["val"]), dtype=np.int64)
    with pytest.raises(ValueError, match="Expected a label per sequence of val"):
        dataclasses.replace(made, labels=labels)
