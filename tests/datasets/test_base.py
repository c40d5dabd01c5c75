from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

import datasets
from datasets import registry
from datasets.base import Dataset, Sequences, Skeleton, Transform, require_choice, require_integer, split_sizes, stream
from datasets.errors import DataError


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


@given(st.integers(3, 5000))
@settings(max_examples=50, deadline=None)
def test_split_sizes_add_up(sequences: int) -> None:
    sizes = split_sizes(sequences)
    assert sum(sizes.values()) == sequences
    assert min(sizes.values()) >= 1
    assert sizes["val"] == sizes["test"]


def test_split_sizes_of_the_protocols() -> None:
    assert split_sizes(400) == {"train": 280, "val": 60, "test": 60}
    assert split_sizes(80) == {"train": 56, "val": 12, "test": 12}
    with pytest.raises(ValueError, match="at least 3 sequences"):
        split_sizes(2)


def test_streams_differ_by_seed_and_by_number() -> None:
    draws = {(seed, number): stream(seed, number).random() for seed in (0, 1) for number in (0, 1)}
    assert len(set(draws.values())) == 4
    assert stream(0, 1).random() == draws[0, 1]


@pytest.mark.parametrize("value", [0, 9, 2.0, True, "2"])
def test_an_integer_out_of_range_or_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"Expected width to be an integer from 1 to 8, got"):
        require_integer("width", value, 1, 8)


def test_a_choice_lists_what_is_valid() -> None:
    require_choice("align", "frame", ("frame", "window"))
    with pytest.raises(ValueError, match=r"one of frame, window, got 'dance'"):
        require_choice("align", "dance", ("frame", "window"))


def test_the_catalogue_loads_by_name() -> None:
    assert datasets.names()[:3] == ["lorenz", "aist", "aist-standin"]
    assert datasets.parameters("lorenz")["window"] == 4
    with pytest.raises(ValueError, match=r"unknown dataset 'lorentz'; did you mean 'lorenz'\? registered: lorenz"):
        datasets.get("lorentz")
    with pytest.raises(ValueError, match="sequences"):
        datasets.load("lorenz", sequences=2)


def test_a_registered_dataset_loads_and_its_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", {})

    @datasets.register("noise")
    class Noise(Dataset):
        width = 2
        train_frames = 20

        def load(self, seed: int) -> Sequences:
            values = np.random.default_rng(seed).normal(size=(3, 20, 3)).astype(np.float32)
            parts = {split: values[i : i + 1] for i, split in enumerate(datasets.SPLITS)}
            ones = np.ones(3, np.float32)
            return Sequences.build(
                "noise",
                real=False,
                standardised=parts,
                mean=0 * ones,
                scale=ones,
                width=2,
                points=np.array([[0, 1, 2]]),
            )

    sequences = datasets.load("noise", seed=1)
    assert sequences.frames["val"].shape == (1, 20, 2)
    assert sequences.width == 2
    assert 0 < sequences.notes["pca_variance_kept"] < 1
    assert any("stand-in" in line for line in Noise().check())
    with pytest.raises(ValueError, match="already registered"):
        datasets.register("noise")(type("Other", (Noise,), {}))


def test_a_generated_dataset_has_nothing_to_import(tmp_path: Any) -> None:
    lorenz = datasets.get("lorenz")()
    assert lorenz.missing() is None
    assert lorenz.recipe() == {}
    with pytest.raises(DataError, match="generated"):
        lorenz.install(tmp_path)


@pytest.mark.parametrize("name", ["", "a,b", "a.b", "all", " a"])
def test_a_name_that_the_command_line_cannot_say_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Expected a dataset name"):
        datasets.register(name)


def test_parameters_that_cannot_be_set_by_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", {})

    class Positional(Dataset):
        def __init__(self, size: int) -> None: ...

    class Seeded(Dataset):
        def __init__(self, *, seed: int = 0) -> None: ...

    class Abstract(Dataset): ...

    with pytest.raises(ValueError, match=r"subclass of datasets.Dataset, got <class 'int'>"):
        datasets.register("number")(int)
    with pytest.raises(ValueError, match="Abstract to define load, train_frames"):
        datasets.register("abstract")(Abstract)
    with pytest.raises(ValueError, match="keyword-only"):
        datasets.register("positional")(Positional)
    with pytest.raises(ValueError, match="seed"):
        datasets.register("seeded")(Seeded)


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
