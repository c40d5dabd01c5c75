import itertools
import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness as scikit_trustworthiness

from bench.metrics import continuity, trustworthiness
from bench.metrics.topology.trustworthiness import preservation


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


def lattice(side):
    return np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1).reshape(-1, 2)


def scikit_both(points, embedded, k):
    """Trustworthiness, and continuity as that with the spaces swapped.

    Distances of what is split by little are taken directly: scikit-learn's own would lose it by rounding.
    """
    swapped = scikit_trustworthiness(cdist(embedded, embedded), points, n_neighbors=k, metric="precomputed")
    return [scikit_trustworthiness(points, embedded, n_neighbors=k), swapped]


@pytest.mark.slow
@pytest.mark.parametrize("side", [4, 8, 16])
@pytest.mark.parametrize("space", ["vectors", "positions"])
def test_equals_the_mean_of_two_hundred_random_tie_breakings(space, side):
    """At the k of `trust` on code vectors and at that of `grid_trust` on lattice positions, where N allows it."""
    frames = 260
    points, codes, vectors = quantized(side, frames=frames, codes=side * side)
    k = 10
    if space == "positions":
        vectors, k = lattice(side).astype(float), min(math.ceil(9 * frames / side**2), frames // 2 - 1)
    # Far below the smallest difference of two distances from one code, so that ties alone are decided.
    distances = [np.unique(row.round(12)) for row in cdist(vectors, vectors)]
    little = 1e-3 * min(np.diff(row).min() for row in distances)
    generator = np.random.default_rng(side)
    draws = [scikit_both(points, jittered(vectors[codes], little, generator), k) for _ in range(200)]
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0, ddof=1) / np.sqrt(len(draws))
    assert (error < 1e-3).all()
    ours = preservation(points, codes, vectors, k)
    assert abs(ours.trustworthiness - mean[0]) < 4 * error[0]
    assert abs(ours.continuity - mean[1]) < 4 * error[1]


@pytest.mark.parametrize("codes", [16, 64, 256])
def test_codes_that_nearly_coincide_do_not_tie(codes):
    points, nearest, vectors = quantized(2, frames=300, codes=codes)
    split = jittered(vectors[nearest], 1e-7, np.random.default_rng(0))
    ours = preservation(points, np.arange(300), split, 10)
    expected = scikit_both(points, split, 10)
    assert [ours.trustworthiness, ours.continuity] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [10, 70])
def test_equals_scikit_learn_on_positions_without_ties(k):
    generator = np.random.default_rng(k)
    points = generator.normal(size=(150, 3))
    positions = (1e5 * (points[:, :2] + 0.5 * generator.normal(size=(150, 2)))).astype(int)
    squared = np.square(positions[:, None] - positions).sum(axis=2)
    assert all(len(np.unique(row)) == 150 for row in squared)
    ours = preservation(points, np.arange(150), positions, k)
    assert ours.trustworthiness == pytest.approx(scikit_trustworthiness(points, positions, n_neighbors=k), abs=1e-12)
    assert ours.continuity == pytest.approx(scikit_trustworthiness(positions, points, n_neighbors=k), abs=1e-12)


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
    actual = preservation(points, np.zeros(n, dtype=int), np.zeros((1, 2)), k)
    assert actual.trustworthiness == pytest.approx(expected)
    assert actual.continuity == pytest.approx(expected)


def test_coincident_codes_are_one_code():
    points, codes, vectors = quantized(3)
    doubled = np.concatenate([vectors, vectors])
    split = codes + len(vectors) * np.random.default_rng(0).integers(2, size=len(codes))
    merged = preservation(points, codes, vectors, 10)
    actual = preservation(points, split, doubled, 10)
    assert actual.trustworthiness == pytest.approx(merged.trustworthiness, abs=1e-12)
    assert actual.continuity == pytest.approx(merged.continuity, abs=1e-12)


def test_blocks_change_nothing(monkeypatch):
    points, codes, vectors = quantized(4)
    whole = preservation(points, codes, vectors, 10)
    monkeypatch.setattr("bench.metrics.topology.trustworthiness._BLOCK_BYTES", 1)
    assert preservation(points, codes, vectors, 10) == whole


def peak_bytes(frames, codes, used):
    """Most memory held at once, beside the inputs, by frames spread evenly over the first `used` of the codes."""
    generator = np.random.default_rng(0)
    points, vectors = generator.normal(size=(frames, 8)), generator.normal(size=(codes, 8))
    code_of = generator.permutation(np.arange(frames) % used)
    preservation(points[:64], code_of[:64], vectors, 10)  # what is loaded once is no part of it
    tracemalloc.start()
    try:
        preservation(points, code_of, vectors, 10)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_memory_grows_with_the_frames_and_not_with_their_square():
    few, many = peak_bytes(2_000, 1_024, 1_024), peak_bytes(8_000, 1_024, 1_024)
    assert few < 2**20
    assert many < 4 * few  # a table of all pairs of frames would grow by 16, to 512 MB


@pytest.mark.slow
def test_memory_stays_within_two_blocks_where_all_frames_share_a_code(monkeypatch):
    # The next block of rows is computed while the last is still held.
    monkeypatch.setattr("bench.metrics.topology.trustworthiness._BLOCK_BYTES", 2**20)
    for frames in (1_000, 3_000):
        assert peak_bytes(frames, 1_024, 1) < 2 * 2**20 + 200 * frames  # all pairs: 8 MB and 72 MB


def test_takes_tensors():
    points, codes, vectors = quantized(5)
    actual = trustworthiness(
        torch.from_numpy(points), torch.from_numpy(codes), torch.from_numpy(vectors).requires_grad_(), 10
    )
    assert actual == trustworthiness(points, codes, vectors, 10)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), codes=st.integers(1, 40), k=st.integers(1, 15))
def test_invariants(seed, codes, k):
    generator = np.random.default_rng(seed)
    points, nearest, vectors = quantized(seed, frames=60, codes=codes)
    actual = preservation(points, nearest, vectors, k)
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
        assert variant.trustworthiness == pytest.approx(actual.trustworthiness, abs=1e-12), name
        assert variant.continuity == pytest.approx(actual.continuity, abs=1e-12), name
    assert 0.0 <= actual.trustworthiness <= 1.0
    assert 0.0 <= actual.continuity <= 1.0


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
