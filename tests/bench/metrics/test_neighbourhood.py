import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness as scikit_trustworthiness

from bench.metrics import continuity, trustworthiness
from bench.metrics.neighbourhood import preservation


def quantized(seed, frames=120, codes=16, width=3):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(frames, width))
    vectors = points[generator.choice(frames, codes, replace=False)] + 0.1 * generator.normal(size=(codes, width))
    nearest = ((points[:, None] - vectors) ** 2).sum(axis=2).argmin(axis=1)
    return points, nearest, vectors


def jittered(points, scale, generator):
    return points + scale * generator.normal(size=points.shape)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_equals_scikit_learn_without_ties(k):
    generator = np.random.default_rng(k)
    points = generator.normal(size=(150, 5))
    vectors = points[:, :2] + 0.3 * generator.normal(size=(150, 2))
    codes = generator.permutation(150)
    ours = preservation(points, codes, vectors, k)
    assert ours.trustworthiness == pytest.approx(
        scikit_trustworthiness(points, vectors[codes], n_neighbors=k), abs=1e-12
    )
    assert ours.continuity == pytest.approx(scikit_trustworthiness(vectors[codes], points, n_neighbors=k), abs=1e-12)


@pytest.mark.parametrize("codes", [16, 64])
def test_equals_the_mean_of_random_tie_breakings(codes):
    points, nearest, vectors = quantized(0, frames=400, codes=codes)
    points = np.round(points, 1)  # ties in the data, too
    generator = np.random.default_rng(1)
    draws = []
    for _ in range(60):
        frames, embedded = jittered(points, 1e-5, generator), jittered(vectors[nearest], 1e-5, generator)
        draws.append([scikit_trustworthiness(frames, embedded, n_neighbors=10)])
        draws[-1].append(scikit_trustworthiness(embedded, frames, n_neighbors=10))
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    ours = preservation(points, nearest, vectors, 10)
    assert abs(ours.trustworthiness - mean[0]) < 4 * error[0]
    assert abs(ours.continuity - mean[1]) < 4 * error[1]


def test_equals_enumeration_of_every_tie_breaking():
    """Five frames on a lattice with ties in both spaces, every ordering of frames taken as the tie rule."""
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    codes, vectors, k = np.array([0, 1, 1, 2, 0]), np.array([[0.0], [1.0], [-1.0]]), 2
    embedded = vectors[codes]

    def ranks(values, order):
        distance = ((values[:, None] - values) ** 2).sum(axis=2)
        np.fill_diagonal(distance, -1.0)
        ranked = np.empty((5, 5), dtype=int)
        for row in range(5):
            ranked[row, np.lexsort((order, distance[row]))] = np.arange(5)
        return ranked

    # Independence between the spaces needs separate orders, and each row is decided on its own: average the parts.
    orders = [np.array(order) for order in itertools.permutations(range(5))]
    data = [ranks(points, order) for order in orders]
    code = [ranks(embedded, order) for order in orders]
    inside_code = np.mean([rank <= k for rank in code], axis=0)
    inside_data = np.mean([rank <= k for rank in data], axis=0)
    for inside in (inside_code, inside_data):
        np.fill_diagonal(inside, 0.0)
    excess_data = np.mean([np.maximum(rank - k, 0) for rank in data], axis=0)
    excess_code = np.mean([np.maximum(rank - k, 0) for rank in code], axis=0)
    scale = 2 / (5 * k * (10 - 3 * k - 1))
    assert trustworthiness(points, codes, vectors, k) == pytest.approx(1 - scale * (inside_code * excess_data).sum())
    assert continuity(points, codes, vectors, k) == pytest.approx(1 - scale * (inside_data * excess_code).sum())


def test_every_frame_its_own_code_is_perfect():
    points = np.random.default_rng(0).normal(size=(50, 4))
    assert preservation(points, np.arange(50), points, 10) == preservation(points, np.arange(50), 3 * points, 10)
    assert trustworthiness(points, np.arange(50), points, 10) == continuity(points, np.arange(50), points, 10) == 1.0


def test_one_code_reads_as_chance():
    points = np.random.default_rng(0).normal(size=(200, 4))
    n, k = 200, 10
    # Every frame is among the k nearest with probability k / (n - 1); the ranks beyond k sum to 1 + .. + n - 1 - k.
    expected = 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * n * k / (n - 1) * (n - 1 - k) * (n - k) / 2
    found = preservation(points, np.zeros(n, dtype=int), np.zeros((1, 2)), k)
    assert found.trustworthiness == pytest.approx(expected)
    assert found.continuity == pytest.approx(expected)


def test_coincident_codes_are_one_code():
    points, codes, vectors = quantized(3)
    doubled = np.concatenate([vectors, vectors])
    split = codes + len(vectors) * np.random.default_rng(0).integers(2, size=len(codes))
    merged = preservation(points, codes, vectors, 10)
    found = preservation(points, split, doubled, 10)
    assert found.trustworthiness == pytest.approx(merged.trustworthiness, abs=1e-12)
    assert found.continuity == pytest.approx(merged.continuity, abs=1e-12)


def test_blocks_change_nothing(monkeypatch):
    points, codes, vectors = quantized(4)
    whole = preservation(points, codes, vectors, 10)
    monkeypatch.setattr("bench.metrics.neighbourhood._BLOCK_BYTES", 1)
    assert preservation(points, codes, vectors, 10) == whole


def test_takes_tensors():
    points, codes, vectors = quantized(5)
    found = trustworthiness(
        torch.from_numpy(points), torch.from_numpy(codes), torch.from_numpy(vectors).requires_grad_(), 10
    )
    assert found == trustworthiness(points, codes, vectors, 10)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), codes=st.integers(1, 40), k=st.integers(1, 15))
def test_invariants(seed, codes, k):
    generator = np.random.default_rng(seed)
    points, nearest, vectors = quantized(seed, frames=60, codes=codes)
    found = preservation(points, nearest, vectors, k)
    relabel, rows = generator.permutation(codes), generator.permutation(60)
    rotation = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    relabelled = np.empty_like(vectors)
    relabelled[relabel] = vectors
    variants = {
        "relabelled": preservation(points, relabel[nearest], relabelled, k),
        "rotated": preservation(points @ rotation, nearest, vectors @ rotation, k),
        "scaled": preservation(1e3 * points, nearest, 0.1 * vectors, k),
        "reordered": preservation(points[rows], nearest[rows], vectors, k),
    }
    for name, variant in variants.items():
        assert variant.trustworthiness == pytest.approx(found.trustworthiness, abs=1e-12), name
        assert variant.continuity == pytest.approx(found.continuity, abs=1e-12), name
    assert 0.0 <= found.trustworthiness <= 1.0
    assert 0.0 <= found.continuity <= 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 60}, r"expected 1 <= k < N / 2 = 60, got k = 60"),
        ({"k": 0}, "got k = 0"),
        ({"codes": np.full(120, 16)}, r"expected codes in 0 \.\. 15, got codes in 16 \.\. 16"),
        ({"codes": np.zeros(3, dtype=int)}, r"got \(120, 3\), \(3,\) and \(16, 3\)"),
        ({"codes": np.zeros(120)}, "expected integer codes, got float64"),
        ({"points": np.full((120, 3), np.nan)}, "expected finite points, got 360 values"),
        ({"vectors": np.full((16, 3), np.inf)}, "expected finite vectors, got 48 values"),
    ],
)
def test_refuses(change, message):
    points, codes, vectors = quantized(0)
    with pytest.raises(ValueError, match=message):
        trustworthiness(**{"points": points, "codes": codes, "vectors": vectors, "k": 10} | change)
