from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import datasets
from datasets.lorenz import Lorenz, derivative, initial_conditions, integrate, windowed


def flow(_: float, state: np.ndarray) -> list[float]:
    x, y, z = state
    return [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 * z / 3.0]


@pytest.fixture(scope="module")
def small() -> datasets.Sequences:
    return Lorenz(sequences=20).load(0)


def test_trajectories_follow_an_adaptive_integrator_of_high_order() -> None:
    initial = initial_conditions(5, np.random.default_rng(0))
    times = np.arange(100) * 0.01
    got = integrate(initial, steps=100, dt=0.01)
    for start, path in zip(initial, got, strict=True):
        solved = solve_ivp(flow, (0.0, times[-1]), start, "DOP853", times, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(path, solved.y.T, atol=0.02)


def test_the_error_falls_with_the_fourth_power_of_the_step() -> None:
    initial = np.array([[1.0, 2.0, 20.0]])
    exact = solve_ivp(flow, (0.0, 0.4), initial[0], "DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    coarse, fine = (
        np.abs(integrate(initial, steps=round(0.4 / dt) + 1, dt=dt)[0, -1] - exact).max() for dt in (0.01, 0.005)
    )
    assert 12 < coarse / fine < 20


def test_fixed_points_stay_where_they_are() -> None:
    side = np.sqrt(8 / 3 * 27)
    fixed = np.array([[0.0, 0.0, 0.0], [side, side, 27.0], [-side, -side, 27.0]])
    np.testing.assert_allclose(derivative(fixed.T), 0.0, atol=1e-12)
    np.testing.assert_allclose(integrate(fixed, steps=50, dt=0.01), np.repeat(fixed[:, None], 50, axis=1), atol=1e-10)


def test_burn_in_drops_the_first_steps() -> None:
    initial = initial_conditions(2, np.random.default_rng(1))
    whole = integrate(initial, steps=30, dt=0.01)
    np.testing.assert_array_equal(whole[:, 0], initial)
    np.testing.assert_array_equal(integrate(initial, steps=20, dt=0.01, burn_in=10), whole[:, 10:])


def test_initial_conditions_fill_their_box() -> None:
    drawn = initial_conditions(2000, np.random.default_rng(0)) - [0, 0, 25]
    assert np.abs(drawn).max() <= 10
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.5)
    np.testing.assert_allclose(drawn.std(axis=0), 20 / np.sqrt(12), rtol=0.05)


def test_windows_keep_the_oldest_step_first() -> None:
    features = np.arange(2 * 5 * 3, dtype=np.float32).reshape(2, 5, 3)
    got = windowed(features, 2)
    assert got.shape == (2, 4, 6)
    np.testing.assert_array_equal(got[1, 2], np.concatenate([features[1, 2], features[1, 3]]))


def test_shapes_and_types(small: datasets.Sequences) -> None:
    assert {split: array.shape for split, array in small.frames.items()} == {
        "train": (14, 297, 8),
        "val": (3, 297, 8),
        "test": (3, 297, 8),
    }
    assert small.standardised["val"].shape == (3, 297, 24)
    assert all(array.dtype == np.float32 for part in (small.frames, small.standardised) for array in part.values())
    assert small.name == "lorenz"
    assert small.real


def test_standardised_on_train_alone(small: datasets.Sequences) -> None:
    train = small.standardised["train"]
    np.testing.assert_allclose(train.mean(axis=(0, 1)), 0, atol=0.02)
    np.testing.assert_allclose(train.std(axis=(0, 1)), 1, atol=0.02)
    assert np.abs(small.standardised["test"].mean(axis=(0, 1))).max() > 0.02


def test_eight_components_keep_what_the_paper_says(small: datasets.Sequences) -> None:
    assert small.notes["pca_variance_kept"] > 0.9997


def test_points_are_the_positions_of_each_step(small: datasets.Sequences) -> None:
    assert small.points.tolist() == [[0, 1, 2], [6, 7, 8], [12, 13, 14], [18, 19, 20]]
    units = small.inverse(small.frames["test"])
    # A window's second position is the next window's first, and the third velocity is what central differences say.
    np.testing.assert_allclose(units[:, :-1, 6:9], units[:, 1:, 0:3], atol=0.5)
    windows = small.standardised["test"] * small.transform.scale + small.transform.mean
    np.testing.assert_allclose(windows[..., 9:12], (windows[..., 12:15] - windows[..., 0:3]) / 0.02, atol=2e-2)
    assert 0 < windows[..., 2].min() < windows[..., 2].max() < 55


def test_the_inverse_gives_trajectories_back(small: datasets.Sequences) -> None:
    windows = small.standardised["test"] * small.transform.scale + small.transform.mean
    error = np.linalg.norm((small.inverse(small.frames["test"]) - windows)[..., small.points], axis=-1)
    assert error.mean() < 0.05


def test_test_trajectories_come_from_a_stream_of_their_own() -> None:
    """How many trajectories train and validation draw does not move the test trajectories."""
    raw = []
    for sequences in (8, 9):  # both hold one trajectory out for testing
        data = Lorenz(sequences=sequences, steps=20).load(0)
        raw.append(data.standardised["test"] * data.transform.scale + data.transform.mean)
    assert raw[0].shape == raw[1].shape
    np.testing.assert_allclose(raw[0], raw[1], atol=1e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sequences": 2}, "sequences to be an integer of at least 3, got 2"),
        ({"steps": 3}, "steps to be an integer of at least 4, got 3"),
        ({"window": 0}, "window"),
        ({"width": 25}, "from 1 to 24, got 25"),
        ({"burn_in": -1}, "burn_in"),
        ({"dt": 0.0}, "dt above 0 and at most 0.05, got 0.0"),
        ({"dt": float("nan")}, "dt"),
        ({"dt": "0.01"}, "dt"),
    ],
)
def test_parameters_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Lorenz(**values)
