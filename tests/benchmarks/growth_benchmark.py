"""How cost grows: each test is one point of a curve whose exponent the document fits."""

import math

import numpy as np
import pytest
import torch

import quantizers
from bench.analysis.results import results, summary
from bench.kernels.adam import Adam
from bench.metrics.topology.distortion import code_distances
from bench.metrics.topology.grid_correlation import grid_correlation
from bench.metrics.topology.topographic_error import topographic_error
from bench.metrics.topology.topographic_product import topographic_product
from bench.metrics.topology.trustworthiness import preservation
from bench.planning import planner as planning
from bench.planning.request import Request
from bench.training.autoencoder import build
from bench.training.loop import train
from bench.training.schedule import Schedule
from bench.vocabulary import DONE
from quantizers.base import nearest
from tests.builders import finished

SIZES = [64, 256, 1_024, 4_096, 16_384, 65_536]
BATCH = 256


@pytest.fixture
def point(benchmark, single_thread):
    """Time `call` some rounds, the median being one point of the curve of `work` over `axis`."""

    def measure(call, *, work, axis, at, rounds=5, warm_ups=1, steps=1, most):
        benchmark.pedantic(call, rounds=rounds, warmup_rounds=warm_ups)
        seconds = benchmark.stats.stats.median / steps
        benchmark.extra_info |= {"curve": work, "axis": axis, "at": at, "seconds": seconds, "most": most}

    return measure


def frames(count, width=8):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def step(descend):
    def made(label, num_codes, width, hidden=256):
        model = build(label, {}, num_codes=num_codes, width=width, hidden=hidden, seed=0).train()
        with torch.no_grad():
            model.quantizer.initialise(model.encoder(frames(max(4_096, num_codes), width)))
        x, optimiser = frames(BATCH, width), Adam(model.parameters(), 1e-3)
        return lambda: descend(model, optimiser, x)

    return made


@pytest.mark.parametrize("num_codes", SIZES)
@pytest.mark.parametrize("label", quantizers.families())
def test_training_step_by_codes(point, step, label, num_codes):
    call = step(label, num_codes, 8)
    # K * side for a map, K for the others: a map's exponent may be 1.5.
    most = 1.5 if label in ("som-hard", "ksom", "som-vq") else 1.0
    point(call, work=f"training step of {label}, D = 8, batch 256", axis="K", at=num_codes, most=most)


@pytest.mark.parametrize("width", [4, 16, 64, 256])
@pytest.mark.parametrize("label", ["vq", "som-vq"])
def test_training_step_by_width(point, step, label, width):
    point(step(label, 1_024, width), work=f"training step of {label}, K = 1,024", axis="D", at=width, most=1.0)


@pytest.mark.parametrize("replicas", [1, 2, 4, 8, 16, 32])
def test_training_by_seeds(point, replicas):
    schedule = Schedule(warm_up_epochs=0, epochs=1, batch=BATCH, learning_rate=1e-3)

    def call():
        models = [build("vq", {}, num_codes=256, width=8, hidden=128, seed=seed) for seed in range(replicas)]
        train(models, [frames(2_048)] * replicas, [frames(256)] * replicas, [*range(replicas)], schedule)

    point(call, work="8 training steps of vq, K = 256", axis="seeds", at=replicas, rounds=3, most=1.0)


@pytest.mark.parametrize("num_codes", SIZES)
def test_encoding_by_codes(point, num_codes):
    z, vectors = frames(10_000), frames(num_codes)
    point(lambda: nearest(z, vectors), work="encode 10,000 frames", axis="K", at=num_codes, rounds=3, most=1.0)


@pytest.mark.parametrize("count", [10_000, 100_000, 1_000_000])
def test_encoding_by_frames(point, count):
    z, vectors = frames(count), frames(1_024)
    point(lambda: nearest(z, vectors), work="encode, K = 1,024", axis="N", at=count, rounds=3, most=1.0)


@pytest.mark.parametrize("count", [10_000, 30_000, 100_000])
def test_neighbourhoods_by_frames(point, count):
    points, vectors = frames(count, 4).cumsum(0).sin().numpy(), frames(1_024, 4).sin().numpy()
    codes = nearest(torch.from_numpy(points), torch.from_numpy(vectors)).numpy()
    # Pairs of frames by definition. In a run the sample is 2,000 frames whatever N.
    work = "trust and cont of all frames, K = 1,024"
    point(
        lambda: preservation(points, codes, vectors, 10), work=work, axis="N", at=count, rounds=1, warm_ups=0, most=2.0
    )


def lattice(num_codes):
    side = math.isqrt(num_codes)
    positions = np.stack(np.divmod(np.arange(num_codes), side), axis=1)
    noise = np.random.default_rng(0).normal(scale=0.3, size=(num_codes, 8))
    return positions, np.pad(positions, ((0, 0), (0, 6))) + noise


# Of pairs of codes by definition: of all K (distortion) or of those in use, of which there are at most N.
@pytest.mark.parametrize("num_codes", [1_024, 4_096, 16_384])
@pytest.mark.parametrize("metric", [code_distances, grid_correlation, topographic_product])
def test_metrics_of_pairs_of_codes(point, metric, num_codes):
    positions, vectors = lattice(num_codes)
    call = lambda: metric(vectors, positions)  # noqa: E731
    point(call, work=f"{metric.__name__} of K codes in use", axis="K", at=num_codes, rounds=1, warm_ups=0, most=2.0)


@pytest.mark.parametrize("num_codes", [1_024, 4_096, 16_384])
def test_topographic_error_by_codes(point, num_codes):
    positions, vectors = lattice(num_codes)
    z = vectors[np.random.default_rng(1).integers(num_codes, size=2_000)] + 0.2
    call = lambda: topographic_error(z, vectors, positions)  # noqa: E731
    point(call, work="topographic_error of 2,000 frames", axis="K", at=num_codes, rounds=2, most=1.0)


def request(cells):
    return Request(quantizers="vq", datasets="lorenz", protocol="tiny", seeds=str(cells))


@pytest.mark.parametrize("cells", [10, 100, 1_000, 10_000])
def test_planning_by_cells(point, cells):
    point(lambda: planning.make(request(cells)), work="plan a run", axis="cells", at=cells, rounds=1, most=1.0)


@pytest.mark.parametrize("cells", [10, 100, 1_000, 10_000])
def test_tables_by_cells(point, cells):
    plan = planning.make(request(cells))
    names = plan.cells[0].metric_keys
    records = {
        cell.key: {
            "status": DONE,
            "metrics": dict.fromkeys(names, 1.0 + cell.seed % 7),
            "train_seconds": 1.0,
            "eval_seconds": 1.0,
            "device": "cpu",
            "key": cell.key,
        }
        for cell in plan.cells
    }
    run = finished(plan, records)
    point(lambda: summary(results(run)), work="results and summary", axis="cells", at=cells, rounds=1, most=1.0)
