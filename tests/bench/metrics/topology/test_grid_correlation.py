import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from bench.metrics import grid_correlation


def lattice(*sides):
    return np.stack(np.meshgrid(*(np.arange(side) for side in sides), indexing="ij"), axis=-1).reshape(-1, len(sides))


def bent(seed, *sides, width=3):
    """A lattice folded into `width` dimensions, with noise."""
    generator = np.random.default_rng(seed)
    positions = lattice(*sides)
    mixed = positions @ generator.normal(size=(len(sides), width))
    return np.sin(mixed / 2) + 0.1 * generator.normal(size=(len(positions), width)), positions


def test_grid_correlation_equals_scipy():
    vectors, positions = bent(2, 6, 5)
    vectors = np.round(vectors, 1)  # ties in code space, too
    pairs = list(itertools.combinations(range(30), 2))
    code = [np.square(vectors[i] - vectors[j]).sum().round(9) for i, j in pairs]
    grid = [np.square(positions[i] - positions[j]).sum() for i, j in pairs]
    assert grid_correlation(np.round(10 * vectors), positions) == pytest.approx(spearmanr(code, grid).statistic)


def test_rounding_of_code_vectors_does_not_order_equal_distances():
    positions = lattice(6, 5)
    assert grid_correlation((positions / 1.5).astype(np.float32), positions) == pytest.approx(1.0, abs=1e-3)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 2)))[0]
    assert grid_correlation((positions @ rotation).astype(np.float32), positions) == pytest.approx(1.0, abs=1e-3)
