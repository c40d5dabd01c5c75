from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import datasets
from bench.execution.measure import flat_frames, trained
from bench.metrics import METRICS, ReaderBudget, rate_excess
from bench.planning.protocol import QUICK
from bench.stats.estimates import estimate
from bench.training.autoencoder import build
from bench.training.loop import train
from bench.training.schedule import Schedule

CURVE = [(0.84, 2.0), (0.99, 9.0), (0.96, 4.0), (0.98, 6.0)]  # in no order: it leaves .16, .04, .02 and .01


def test_it_is_the_height_above_the_two_points_around():
    assert rate_excess(0.92, 5.0, CURVE) == pytest.approx(2.0)  # .08, halfway from .16 to .04 by ratio, costs 3
    assert rate_excess(1 - 0.04 / 2**0.25, 3.0, CURVE) == pytest.approx(-1.5)  # a quarter of the way from 4 to 6
    assert rate_excess(1 - 0.02 / 2**0.5, 7.5, CURVE) == pytest.approx(0.0)


def test_it_is_blank_outside_the_curve_and_without_one():
    assert [rate_excess(explained, 3.0, CURVE) for explained in (0.839, 0.991)] == [None, None]
    assert [rate_excess(0.94, 3.0, curve) for curve in ([], [(0.94, 4.0)])] == [None, None]


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 10_000), points=st.integers(2, 6))
def test_a_vq_on_the_curve_has_none_whatever_the_order_of_its_points(seed, points):
    generator = np.random.default_rng(seed)
    explained, bits = np.sort(generator.uniform(0.5, 1.0, points)), np.sort(generator.uniform(0.0, 10.0, points))
    curve = [(explained[i], bits[i]) for i in generator.permutation(points)]
    assert [rate_excess(*point, curve) for point in curve] == pytest.approx([0.0] * points, abs=1e-9)
    between = generator.uniform(explained[0], explained[-1])
    saved = rate_excess(between, 3.0, curve) - rate_excess(between, 2.0, curve)
    assert saved == pytest.approx(1.0)


SEEDS = range(5)
PROTOCOL = replace(
    QUICK,
    sequences=24,
    schedule=Schedule(warm_up_epochs=1, epochs=12, batch=64, learning_rate=1e-3),
    reader=ReaderBudget(cap=120, check_every=20, rate=1e-2, anneal=True),
)


def plain_vq(num_codes, offset, names):
    """(seeds, names) metrics of plain VQ on a data seed each, with train seeds `offset` apart from them."""
    data = [datasets.load("lorenz", seed=seed, sequences=PROTOCOL.sequences, dt=0.02) for seed in SEEDS]
    seeds = [seed + offset for seed in SEEDS]
    models = [build("vq", {}, num_codes=num_codes, width=data[0].width, hidden=128, seed=seed) for seed in seeds]
    frames = ([flat_frames(item, split, "cpu") for item in data] for split in ("train", "val"))
    histories = train(models, *frames, seeds, PROTOCOL.schedule)
    runs = [
        trained(model, item, "cpu", data_seed=seed, train_seed=seed + offset, protocol=PROTOCOL, history=history)
        for seed, item, model, history in zip(SEEDS, data, models, histories, strict=True)
    ]
    return np.array([[METRICS[name].measure(run).value for name in names] for run in runs])


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
def test_fewer_codes_move_perplexity_and_bits_but_not_the_rate_excess(one_thread):
    """Plain VQ of 48 codes, on train seeds of its own, against the curve of plain VQ of the same data seed.

    The criterion is that of every table: the 95 % t interval of the mean over seeds, which holds the noise of both
    trainings and readers. It resolves about .05 bits; the bits that 48 codes save against 128 must lie beyond it.
    """
    names = ("explained", "bits_per_frame", "seq_ppl")
    curves = {size: plain_vq(size, 0, names if size == 64 else names[:2]) for size in (16, 32, 64, 128)}
    actual = plain_vq(48, 1_000, names)
    excess = estimate(
        [
            rate_excess(actual[seed, 0], actual[seed, 1], [tuple(curve[seed, :2]) for curve in curves.values()])
            for seed in SEEDS
        ]
    )
    assert excess.low < 0.0 < excess.high
    assert estimate(list(actual[:, 2] - curves[64][:, 2])).high < 0.0
    assert estimate(list(actual[:, 1] - curves[128][:, 1])).high < excess.low
