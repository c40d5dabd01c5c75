import numpy as np
import pytest
import torch

from bench.metrics import topographic_error


def lattice(*sides):
    return np.stack(np.meshgrid(*(np.arange(side) for side in sides), indexing="ij"), axis=-1).reshape(-1, len(sides))


def test_topographic_error_equals_minisom():
    minisom = pytest.importorskip("minisom", reason="the oracle is not a dependency of the project")
    points = np.random.default_rng(0).normal(size=(500, 4))
    som = minisom.MiniSom(7, 5, 4, sigma=1.2, learning_rate=0.3, random_seed=0)
    som.train(points, 400)
    vectors = torch.from_numpy(som.get_weights().reshape(35, 4))
    actual = topographic_error(torch.from_numpy(points), vectors, torch.from_numpy(lattice(7, 5)))
    assert 0.0 < actual < 1.0
    assert actual == pytest.approx(som.topographic_error(points), abs=1e-12)


def test_topographic_error_of_flat_and_shuffled_grid():
    positions = torch.from_numpy(lattice(8, 8))
    points = 7 * torch.rand(2_000, 2, generator=torch.Generator().manual_seed(0))
    assert topographic_error(points, positions.float(), positions) == 0.0
    shuffled = positions[torch.randperm(64, generator=torch.Generator().manual_seed(1))]
    # A random pair of cells is a neighbour with probability (2 * 8 * 7 + 2 * 7 * 7) / (64 * 63 / 2) = 0.104.
    assert topographic_error(points, positions.float(), shuffled) == pytest.approx(0.896, abs=0.08)


def test_only_used_codes_may_be_nearest():
    points, vectors = torch.tensor([[0.1]]), torch.tensor([[0.0], [0.2], [1.0]])
    positions = torch.tensor([[0], [1], [2]])
    assert topographic_error(points, vectors, positions) == 0.0
    assert topographic_error(points, vectors, positions, used=torch.tensor([0, 2])) == 1.0


def test_ties_take_the_expected_value():
    # Three codes coincide: of their three pairs only (0, 5) and (1, 5) are apart on the lattice.
    points, vectors = torch.zeros(4, 1), torch.tensor([[1.0], [1.0], [1.0], [3.0]])
    assert topographic_error(points, vectors, torch.tensor([[0], [1], [5], [9]])) == pytest.approx(2 / 3)
    # One nearest, then two tied: one of the two is apart.
    vectors = torch.tensor([[0.0], [1.0], [-1.0]])
    assert topographic_error(points, vectors, torch.tensor([[0], [1], [5]])) == pytest.approx(1 / 2)


def test_blocks_change_nothing(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    points, vectors = torch.randn(300, 3, generator=generator), torch.randn(16, 3, generator=generator)
    whole = topographic_error(points, vectors, torch.from_numpy(lattice(4, 4)))
    monkeypatch.setattr("bench.metrics.topology.topographic_error._BLOCK_BYTES", 8 * 16 * 7)
    assert topographic_error(points, vectors, torch.from_numpy(lattice(4, 4))) == whole


def test_topographic_error_refuses():
    points, vectors, positions = torch.zeros(4, 2), torch.zeros(3, 2), torch.arange(3)[:, None]
    with pytest.raises(ValueError, match="at least two codes that may be nearest, got 1"):
        topographic_error(points, vectors, positions, used=torch.tensor([1]))
    with pytest.raises(ValueError, match=r"expected positions \(3, g\), got \(2, 1\)"):
        topographic_error(points, vectors, positions[:2])
    with pytest.raises(ValueError, match=r"got \(4, 3\) and \(3, 2\)"):
        topographic_error(torch.zeros(4, 3), vectors, positions)
