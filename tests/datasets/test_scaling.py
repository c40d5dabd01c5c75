"""z-scores wherever the origin lies and whatever the unit is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datasets
from datasets import DataError, Sequences, Transform
from datasets.scaling import Scaling

GRID = 256  # numbers are whole steps of 1 / GRID, so that moving them by whole numbers is exact


def steps(seed, shape=(9, 40, 3)):
    return np.random.default_rng(seed).integers(-(2**10), 2**10, shape).cumsum(axis=1) / GRID


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    offset=st.sampled_from([0, 1, -77, 2**22, -(2**30)]),
    exponent=st.integers(-900, 60),
)
def test_moved_data_in_another_unit_have_the_same_scores(seed, offset, exponent):
    values = steps(seed)
    moved = (values + offset) * 2.0**exponent
    here, there = Scaling.fit(values), Scaling.fit(moved)
    np.testing.assert_array_equal(there.apply(moved), here.apply(values))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), unit=st.sampled_from([0.3048, 100.0, 1e-9, 1e9, np.pi]))
def test_a_unit_that_is_no_power_of_two_moves_no_more_than_the_last_digit(seed, unit):
    values = steps(seed)
    here, there = Scaling.fit(values).apply(values), Scaling.fit(values * unit).apply(values * unit)
    np.testing.assert_allclose(there, here, rtol=2e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", ["<i2", ">i4", "u4", "i8", "f4", ">f8", "longdouble"])
def test_scores_are_those_of_the_plain_formula_in_extended_precision(dtype):
    values = (steps(0) * GRID).round() % 2**14
    wide = values.astype(np.longdouble).reshape(-1, 3)
    expected = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    scaling = Scaling.fit(values.astype(dtype))
    np.testing.assert_allclose(scaling.apply(values.astype(dtype)).reshape(-1, 3), expected.astype(float), atol=2e-6)


@pytest.mark.parametrize("dtype", ["f2", "f4", "i2", "u2", "longdouble"])
def test_the_type_that_numbers_are_stored_in_decides_nothing(dtype):
    values = 1000 + np.random.default_rng(0).integers(0, 2, (9, 40, 3))  # a step of float16's last digit
    wide, narrow = Scaling.fit(values.astype(float)), Scaling.fit(values.astype(dtype))
    np.testing.assert_array_equal(narrow.scale, wide.scale)
    np.testing.assert_array_equal(narrow.apply(values.astype(dtype)), wide.apply(values.astype(float)))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 1e-300, 1e15 + 0.125])
def test_a_feature_that_does_not_vary_has_score_0_everywhere(value):
    train = np.column_stack([np.full(50, value), np.arange(50.0)])
    scaling = Scaling.fit(train)
    assert scaling.scale[0] == 0
    assert scaling.mean[0] == value
    assert scaling.apply(np.array([[value + 1000.0, 3.0]]))[0, 0] == 0


def test_what_varies_by_less_than_the_least_deviation_is_noise():
    train = np.random.default_rng(0).normal(0, [1e-6, 1.0], (50, 2))
    assert (Scaling.fit(train, least_deviation=1e-4).scale > 0).tolist() == [False, True]
    assert (Scaling.fit(train).scale > 0).all()


def built(standardised, scale):
    features = len(scale)
    return Sequences.build(
        "made-up",
        real=False,
        standardised=standardised,
        mean=np.zeros(features),
        scale=scale,
        width=features,
        points=np.arange(features)[:, None],
    )


def test_what_is_constant_in_training_is_left_out_of_every_split_and_named():
    frames = {split: steps(seed).astype(np.float32) for seed, split in enumerate(datasets.SPLITS)}
    frames["train"][..., 1] = 0
    sequences = built(frames, np.ones(3))
    assert sequences.notes["features_constant_in_training"] == [1]
    assert sequences.transform.scale.tolist() == [1, 0, 1]
    assert not sequences.standardised["test"][..., 1].any()
    np.testing.assert_array_equal(sequences.standardised["test"][..., 0], frames["test"][..., 0])
    assert not sequences.inverse(sequences.frames["test"])[..., 1].any()


def test_data_of_which_nothing_varies_are_refused():
    with pytest.raises(DataError, match="made-up, got 3 that do not vary"):
        built(dict.fromkeys(datasets.SPLITS, np.zeros((2, 5, 3), np.float32)), np.ones(3))


def test_a_projected_frame_does_not_depend_on_the_frames_beside_it():
    frames = {split: np.random.default_rng(3).normal(size=(5, 40, 13)).astype(np.float32) for split in datasets.SPLITS}
    transform = built(frames, np.ones(13)).transform
    together = transform.project(frames["test"])
    alone = np.stack([[transform.project(frame) for frame in sequence] for sequence in frames["test"]])
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("offset", [2**20, -(2**30)])
def test_a_file_of_moved_data_gives_the_same_frames(tmp_path, offset):
    values = steps(5, (12, 40, 4))
    for name, moved in (("here", values), ("there", values + offset), ("units", values * 1024)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "w.npz", moved)
    here, there, units = (datasets.load(f"npz:{tmp_path / name / 'w.npz'}") for name in ("here", "there", "units"))
    for split in datasets.SPLITS:
        np.testing.assert_array_equal(there.frames[split], here.frames[split])
        np.testing.assert_array_equal(units.frames[split], here.frames[split])
    np.testing.assert_allclose(
        there.inverse(there.frames["test"]) - offset, here.inverse(here.frames["test"]), atol=1e-5
    )


def test_rounding_does_not_turn_a_component_around():
    """Left and right of a body are equal and opposite, so that rounding alone makes one entry the largest."""
    generator = np.random.default_rng(0)
    half = generator.normal(size=(400, 4)) * [4, 3, 2, 1]
    frames = np.concatenate([half, -half], axis=1)[None]
    signs = set()
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=frames.shape) * 1e-9
        components = Transform.fit(frames + noise, np.zeros(8), np.ones(8), 4).components
        signs.add(tuple(np.sign(components[:, :4]).ravel()))
    assert len(signs) == 1
