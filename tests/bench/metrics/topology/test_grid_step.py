import math

import numpy as np
import pytest

from bench.metrics.topology.grid_step import grid_step


def lattice(*sides):
    return np.stack(np.meshgrid(*(np.arange(side) for side in sides), indexing="ij"), axis=-1).reshape(-1, len(sides))


def test_grid_step_by_hand():
    # A 2 x 2 grid: four sides of length 1, two diagonals.
    positions = lattice(2, 2)
    mean = (4 + 2 * math.sqrt(2)) / 6
    assert grid_step([[0, 1, 3, 2, 0]], positions) == pytest.approx(1 / mean)
    assert grid_step([[0, 0, 3, 3], [1, 2, 2, 2]], positions) == pytest.approx(math.sqrt(2) / mean)
    # Only used positions are paired: 0 and 3 alone are as far apart as any step.
    assert grid_step([[0, 3, 3, 0]], positions) == 1.0
    # No step from the end of a sequence to the start of the next.
    assert grid_step([[0, 1], [3, 2]], positions) == pytest.approx(1 / mean)


def test_grid_step_of_a_walk_and_of_independent_tokens():
    generator = np.random.default_rng(0)
    independent = generator.integers(64, size=(20, 500))
    assert grid_step(independent, lattice(8, 8)) == pytest.approx(1.0, abs=0.02)
    line = np.clip(np.cumsum(generator.choice([-1, 1], size=(20, 500)), axis=1) + 32, 0, 63)
    assert grid_step(line, lattice(64)) < 0.1
