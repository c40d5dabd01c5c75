import numpy as np
import pytest
import torch

from bench.metrics import METRICS, ReaderBudget, Trained
from bench.metrics.learnability.forecast import relative_forecast_error
from bench.metrics.readers.gru import GRUReader
from datasets.sequences import Sequences


def test_repeating_the_present_frame_reads_one():
    actual = np.random.default_rng(0).normal(size=(3, 7, 4))
    points = np.array([[0, 1], [2, 3]])
    assert relative_forecast_error(actual, actual[:, :-1], points) == 1.0
    assert relative_forecast_error(actual, actual[:, 1:], points) == 0.0
    assert relative_forecast_error(np.ones((2, 3, 4)), np.zeros((2, 2, 4)), points) is None


def test_most_likely_tokens_are_those_of_the_logits(monkeypatch):
    reader = GRUReader(9, torch.Generator().manual_seed(0))
    tokens = torch.randint(9, (70, 12), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = reader(tokens[:, :-1]).argmax(dim=-1)
    assert torch.equal(reader.most_likely(tokens), expected)
    monkeypatch.setattr("bench.metrics.readers.gru._EVALUATED_LOGITS", 9 * 5)
    assert torch.equal(reader.most_likely(tokens), expected)


def cycle(prototypes, **changes):
    """A point that visits six corners of a figure in turn, each its own code; mean and scale are not 0 and 1."""
    corners = np.array([[0, 0], [2, 0], [3, 2], [2, 4], [0, 4], [-1, 2]], dtype=np.float32)
    starts = {"train": np.arange(24), "val": np.arange(6), "test": np.arange(6)}
    codes = {split: (first[:, None] + np.arange(25)) % 6 for split, first in starts.items()}
    mean, scale = np.array([1, 2], dtype=np.float32), np.array([2, 0.5], dtype=np.float32)
    data = Sequences.build(
        "cycle",
        real=False,
        standardised={split: ((corners - mean) / scale)[code] for split, code in codes.items()},
        mean=mean,
        scale=scale,
        width=2,
        points=np.array([[0, 1]]),
    )
    decoded = data.transform.project((corners - mean) / scale)
    tokens = {split: torch.from_numpy(code) for split, code in codes.items()}
    vectors = torch.from_numpy(prototypes(decoded))
    return Trained(
        data=data,
        num_codes=6,
        tokens=tokens,
        prototypes=vectors,
        decoded=vectors[tokens["test"]],
        latents=vectors,
        latent_codebook=vectors,
        codebook=vectors,
        positions=None,
        sample=torch.arange(6),
        seed=0,
        budget=ReaderBudget(cap=60, check_every=20, rate=1e-2),
    )


def test_a_cycle_that_is_learnt_is_foretold():
    assert METRICS["forecast_error"].measure(cycle(lambda decoded: decoded)).value == pytest.approx(0.0, abs=1e-5)


def test_prototypes_one_step_behind_repeat_the_present_frame():
    behind = cycle(lambda decoded: np.roll(decoded, 1, axis=0))  # the right next token, decoded to the frame before
    assert METRICS["forecast_error"].measure(behind).value == pytest.approx(1.0, abs=1e-5)


def test_the_error_is_in_data_units():
    # Everything decodes to the corner (0, 0): the next corners' distances from it, over the steps between corners.
    centre = cycle(lambda decoded: np.repeat(decoded[:1], 6, axis=0))
    corners = np.array([[0, 0], [2, 0], [3, 2], [2, 4], [0, 4], [-1, 2]])
    far = np.linalg.norm(corners, axis=1).mean()
    steps = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).mean()
    assert METRICS["forecast_error"].measure(centre).value == pytest.approx(far / steps, rel=1e-5)
