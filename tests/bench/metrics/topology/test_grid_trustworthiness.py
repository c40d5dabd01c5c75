import math

import numpy as np
import pytest
import torch
from sklearn.manifold import trustworthiness as scikit_trustworthiness

from bench.metrics import METRICS, Trained
from bench.metrics.topology.grid_trustworthiness import grid_neighbours
from bench.metrics.topology.trustworthiness import preservation
from datasets.sequences import Sequences


def lattice(side):
    return np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1).reshape(-1, 2)


def quantized(side, frames=400, seed=0):
    """Frames spread over a square, each on the cell it lies in: (points (N, 2), codes (N,), positions (K, 2))."""
    points = np.random.default_rng(seed).uniform(0, side, size=(frames, 2))
    cells = points.astype(int)
    return points, cells[:, 0] * side + cells[:, 1], lattice(side)


def tokenizer(side, order=None, frames=400):
    points, codes, positions = quantized(side, frames)
    ones = np.ones(2, dtype=np.float32)
    splits = {split: points.reshape(4, -1, 2).astype(np.float32) for split in ("train", "val", "test")}
    data = Sequences.build(
        "square", real=False, standardised=splits, mean=0 * ones, scale=ones, width=2, points=np.array([[0, 1]])
    )
    tokens = torch.from_numpy(codes).view(4, -1)
    places = torch.from_numpy(positions)
    vectors = places.float()
    return Trained(
        data=data,
        num_codes=side * side,
        tokens=dict.fromkeys(("train", "val", "test"), tokens),
        prototypes=vectors,
        decoded=vectors[tokens],
        latents=torch.from_numpy(points),
        latent_codebook=vectors,
        codebook=vectors,
        positions=places if order is None else places[order],
        sample=torch.arange(frames),
        seed=0,
    )


def values(trained):
    return [METRICS[name].measure(trained).value for name in ("grid_trust", "grid_cont")]


@pytest.mark.parametrize("side", [4, 8, 16])
def test_equals_the_mean_of_random_tie_breakings(side):
    points, codes, positions = quantized(side)
    k = min(math.ceil(9 * 400 / side**2), 199)
    generator = np.random.default_rng(1)
    draws = []
    for _ in range(30):
        # Cells are at least 1 apart and their squared distances integers: so little noise breaks ties alone.
        embedded = positions[codes] + 1e-6 * generator.normal(size=points.shape)
        draws.append([scikit_trustworthiness(points, embedded, n_neighbors=k)])
        draws[-1].append(scikit_trustworthiness(embedded, points, n_neighbors=k))
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    actual = preservation(points, codes, positions, k)
    assert abs(actual.trustworthiness - mean[0]) < 4 * error[0]
    assert abs(actual.continuity - mean[1]) < 4 * error[1]
    if side > 4:
        assert values(tokenizer(side)) == pytest.approx([actual.trustworthiness, actual.continuity], abs=1e-6)


def test_neighbours_are_a_block_of_nine_cells():
    assert grid_neighbours(2_000, 256) == 71
    assert grid_neighbours(1_920, 1_024) == 17
    assert grid_neighbours(900, 81) == 100
    assert [grid_neighbours(frames, 18) for frames in (400, 2_000)] == [None, None]  # half of all frames
    assert grid_neighbours(1_900, 19) == 900


def test_blank_where_nine_cells_are_half_the_frames_or_there_are_no_positions():
    from dataclasses import replace

    assert values(tokenizer(4)) == [None, None]
    assert values(replace(tokenizer(8), positions=None, _shared={})) == [None, None]
    assert None not in values(tokenizer(8))


def test_a_shuffled_grid_is_told_from_a_flat_one():
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    flat, shuffled = values(tokenizer(8)), values(tokenizer(8, order))
    assert min(flat) > 0.97
    assert max(shuffled) < 0.75
    # What the code vectors alone say is the same for both.
    assert METRICS["trust"].measure(tokenizer(8)).value == METRICS["trust"].measure(tokenizer(8, order)).value


def test_symmetries_of_the_grid_and_the_order_of_frames_change_nothing():
    points, codes, positions = quantized(8)
    actual = preservation(points, codes, positions, 57)
    rows, order = np.random.default_rng(0).permutation(400), np.random.default_rng(1).permutation(64)
    variants = {
        "flipped": preservation(points, codes, positions * [-1, 1] + 7, 57),
        "transposed": preservation(points, codes, positions[:, ::-1], 57),
        "reordered": preservation(points[rows], codes[rows], positions, 57),
        "renumbered": preservation(points, np.argsort(order)[codes], positions[order], 57),
    }
    for name, variant in variants.items():
        assert variant.trustworthiness == pytest.approx(actual.trustworthiness, abs=1e-12), name
        assert variant.continuity == pytest.approx(actual.continuity, abs=1e-12), name
