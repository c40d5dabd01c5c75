"""Lorenz trajectories: position and velocity in short windows, as in Appendix A of the SOM-VQ paper."""

import numpy as np
from numpy.typing import NDArray

from datasets.base import Dataset, require_integer, split_sizes, stream
from datasets.scaling import Scaling
from datasets.sequences import Sequences

SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3.0
FEATURES = 6  # x, y, z and their velocities

Float64 = NDArray[np.float64]


class Lorenz(Dataset):
    """Windows over trajectories of the Lorenz system.

    dx/dt = sigma (y - x), dy/dt = x (rho - z) - y, dz/dt = x y - beta z, with sigma 10, rho 28, beta 8/3. The six
    features of a step are z-scored on the training trajectories; `window` successive steps make one frame of
    6 * window features, the oldest step first, which a PCA reduces to `width`.

    Args:
        sequences: Number of trajectories in all, split 70 / 15 / 15 % by trajectory.
        steps: Steps kept of each trajectory, which give `steps - window + 1` frames.
        dt: Time between steps, in the system's own unit.
        burn_in: Steps integrated and dropped first, so that a trajectory starts on the attractor.
        window: Number of steps in one frame.
        width: Number of principal components kept.

    Raises:
        ValueError: A parameter is out of range.
    """

    source = "Lorenz 1963 (J. Atmos. Sci. 20), set up as in Appendix A of the SOM-VQ paper"
    licence = "none needed: generated"
    frame = "x, y, z and their velocities at each of `window` successive steps, the oldest first"

    def __init__(
        self,
        *,
        sequences: int = 400,
        steps: int = 300,
        dt: float = 0.01,
        burn_in: int = 500,
        window: int = 4,
        width: int = 8,
    ) -> None:
        require_integer("sequences", sequences, 3)
        require_integer("window", window, 1)
        require_integer("steps", steps, max(3, window))
        require_integer("burn_in", burn_in, 0)
        require_integer("width", width, 1, FEATURES * window)
        # Beyond this step the integration itself fails; NaN compares false, so it is refused too.
        if not isinstance(dt, (int, float)) or not 0 < dt <= 0.05:
            raise ValueError(f"Expected dt above 0 and at most 0.05, got {dt!r}.")
        self.sequences = sequences
        self.steps = steps
        self.dt = float(dt)
        self.burn_in = burn_in
        self.window = window
        self.width = width

    @property
    def train_frames(self) -> int:
        """Number of frames in the training trajectories."""
        return split_sizes(self.sequences)["train"] * (self.steps - self.window + 1)

    def load(self, seed: int) -> Sequences:
        """Integrate the trajectories of one seed; training and validation draw from one stream, test from another."""
        sizes = split_sizes(self.sequences)
        drawn = [
            initial_conditions(sizes["train"] + sizes["val"], stream(seed, 0)),
            initial_conditions(sizes["test"], stream(seed, 1)),
        ]
        positions = integrate(np.concatenate(drawn), steps=self.steps, dt=self.dt, burn_in=self.burn_in)
        features = np.concatenate([positions, np.gradient(positions, self.dt, axis=1)], axis=-1)

        scaling = Scaling.fit(features[: sizes["train"]])
        windows = windowed(scaling.apply(features), self.window)
        train_windows, val_windows, test_windows = np.split(windows, [sizes["train"], sizes["train"] + sizes["val"]])
        offsets = np.arange(self.window, dtype=np.int64)[:, None] * FEATURES
        return Sequences.build(
            "lorenz",
            real=True,
            standardised={"train": train_windows, "val": val_windows, "test": test_windows},
            mean=scaling.tile(self.window).mean,
            scale=scaling.tile(self.window).scale,
            width=self.width,
            points=offsets + np.arange(3),
            notes={
                "integrator": "RK4, float64",
                "dt": self.dt,
                "burn_in": self.burn_in,
                "steps": self.steps,
                "window": self.window,
                "initial_conditions": "U(-10, 10)^3 + (0, 0, 25)",
                "velocity": "central differences, one-sided at both ends",
            },
        )


def initial_conditions(count: int, generator: np.random.Generator) -> Float64:
    """Draw (count, 3) points from U(-10, 10)^3 + (0, 0, 25)."""
    initial: Float64 = generator.uniform(-10.0, 10.0, (count, 3)) + np.array([0.0, 0.0, 25.0])
    return initial


def derivative(state: Float64) -> Float64:
    """Time derivative of states (3, n)."""
    x, y, z = state
    return np.stack([SIGMA * (y - x), x * (RHO - z) - y, x * y - BETA * z])


def integrate(initial: Float64, *, steps: int, dt: float, burn_in: int = 0) -> Float64:
    """Integrate all trajectories at once by the classical Runge-Kutta method of order four.

    Args:
        initial: (n, 3) states at time zero.
        steps: Number of states to keep; without burn-in the first is `initial`.
        dt: Length of a step, in the system's unit of time.
        burn_in: Number of steps before the first state that is kept.

    Returns:
        (n, steps, 3) positions.
    """
    state = np.ascontiguousarray(initial.T)
    path = np.empty((steps, *state.shape))
    for step in range(-burn_in, steps):
        if step >= 0:
            path[step] = state
        first = derivative(state)
        second = derivative(state + 0.5 * dt * first)
        third = derivative(state + 0.5 * dt * second)
        fourth = derivative(state + dt * third)
        state = state + dt / 6.0 * (first + 2.0 * (second + third) + fourth)
    return np.ascontiguousarray(path.transpose(2, 0, 1))


def windowed(features: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """(n, steps, F) -> (n, steps - window + 1, window * F), stride 1, the oldest step first."""
    count, steps, width = features.shape
    views = np.lib.stride_tricks.sliding_window_view(features, window, axis=1)  # (n, frames, F, window)
    return np.ascontiguousarray(views.swapaxes(2, 3)).reshape(count, steps - window + 1, window * width)
