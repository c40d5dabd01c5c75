import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from bench.metrics.topology import pairs
from bench.metrics.topology.distortion import code_distances
from bench.metrics.topology.grid_correlation import grid_correlation
from bench.metrics.topology.pairs import mean_distance, pair_blocks, spearman


@pytest.fixture(params=[1, 8 * 40 * 7, 64 * 2**20])
def block_bytes(request, monkeypatch):
    """One row a block, seven rows, everything."""
    monkeypatch.setattr(pairs, "_BLOCK_BYTES", request.param)


@pytest.mark.usefixtures("block_bytes")
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean"])
def test_blocks_hold_every_pair_once(metric):
    points = np.random.default_rng(0).normal(size=(40, 3))
    actual = np.concatenate(list(pair_blocks(points, metric)))
    assert np.sort(actual) == pytest.approx(np.sort(pdist(points, metric)))


@pytest.mark.usefixtures("block_bytes")
def test_what_is_made_of_pairs_does_not_depend_on_the_blocks():
    random = np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(5), np.arange(8), indexing="ij"), axis=-1).reshape(-1, 2)
    vectors = random.normal(size=(40, 3)) + places[:, :1]
    every = pdist(vectors)
    assert mean_distance(vectors) == pytest.approx(every.mean())
    actual = code_distances(vectors, places)
    assert (actual.mean, actual.largest) == (pytest.approx(every.mean()), every.max())
    rounded = np.round(every / every.max(), 6)
    expected = spearmanr(rounded, pdist(places, "sqeuclidean")).statistic
    assert grid_correlation(vectors, places) == pytest.approx(expected, abs=1e-12)


def test_the_correlation_of_ranks_is_scipys():
    random = np.random.default_rng(0)
    first = [random.integers(0, 9, size) * 1.0 for size in (5, 1, 30)]
    second = [random.integers(-3, 4, len(block)) + 0.5 * block for block in first]
    expected = spearmanr(np.concatenate(first), np.concatenate(second)).statistic
    assert spearman(lambda: iter(first), lambda: iter(second)) == pytest.approx(expected, abs=1e-12)
    assert spearman(lambda: iter(first), lambda: (0 * block for block in first)) is None
