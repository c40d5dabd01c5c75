import numpy as np
import pytest
import torch

from bench.metrics import METRICS, Trained
from datasets.sequences import Sequences


def dataset(width, seed=0):
    """Six features around (10, 20, ...), two points of three."""
    generator = np.random.default_rng(seed)
    mean = np.arange(10, 70, 10, dtype=np.float32)
    scale = np.arange(1, 7, dtype=np.float32)
    mixing = generator.normal(size=(6, 6))
    z = {
        split: (generator.normal(size=(n, 15, 6)) @ mixing).astype(np.float32)
        for split, n in (("train", 20), ("val", 4), ("test", 5))
    }
    return Sequences.build(
        "made-up", real=False, standardised=z, mean=mean, scale=scale, width=width, points=np.arange(6).reshape(2, 3)
    )


def trained(data, decoded):
    codes = {split: torch.zeros(frames.shape[:2], dtype=torch.int64) for split, frames in data.frames.items()}
    width = data.width
    return Trained(
        data=data,
        num_codes=2,
        tokens=codes,
        prototypes=torch.zeros(2, width),
        decoded=torch.from_numpy(decoded),
        latents=torch.zeros(75, width),
        latent_codebook=torch.zeros(2, width),
        codebook=torch.zeros(2, width),
        positions=None,
        sample=torch.arange(75),
        seed=0,
    )


def test_perfect_decoding_of_every_component():
    data = dataset(width=6)
    run = trained(data, data.frames["test"])
    assert METRICS["mse"].measure(run).value == pytest.approx(0.0, abs=1e-10)
    assert METRICS["explained"].measure(run).value == pytest.approx(1.0, abs=1e-10)
    assert METRICS["error_units"].measure(run).value == pytest.approx(0.0, abs=1e-4)


def test_what_the_projection_dropped_counts():
    data = dataset(width=2)
    run = trained(data, data.frames["test"])
    kept = data.transform.expand(data.frames["test"])
    expected = np.mean((kept - data.standardised["test"]) ** 2)
    assert expected > 0.01
    assert METRICS["mse"].measure(run).value == pytest.approx(expected, rel=1e-5)


def test_a_shift_of_one_feature_is_told_in_data_units():
    data = dataset(width=6)
    shift = np.zeros(6, dtype=np.float32)
    shift[2] = 0.5  # z-scores of the third feature, whose scale is 3: 1.5 units of one point of two
    decoded = data.transform.project(data.standardised["test"] + shift)
    run = trained(data, decoded)
    assert METRICS["mse"].measure(run).value == pytest.approx(0.25 / 6, rel=1e-4)
    assert METRICS["error_units"].measure(run).value == pytest.approx(0.75, rel=1e-4)


def test_decoding_to_the_mean_explains_nothing():
    data = dataset(width=6)
    mean = data.standardised["test"].mean(axis=(0, 1))
    decoded = np.broadcast_to(data.transform.project(mean), data.frames["test"].shape).copy()
    assert METRICS["explained"].measure(trained(data, decoded)).value == pytest.approx(0.0, abs=1e-5)


def test_frames_of_another_shape_are_refused():
    data = dataset(width=3)
    with pytest.raises(ValueError, match=r"expected decoded frames \(5, 15, 3\), got \(5, 14, 3\)"):
        METRICS["mse"].measure(trained(data, data.frames["test"][:, 1:]))
