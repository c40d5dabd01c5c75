"""Numbers kept from the plain code: whoever makes something faster must leave them as they are.

`golden.json` holds 50-step training trajectories of every family and every metric of one made-up tokenizer, as the code
gave them before any of it was made faster. It is written anew, by `python -m tests.bench.training.test_golden`, only
where a definition is meant to change.

Tolerances. What a reordered sum in float32 may change was measured by training in float64 instead, which replaces every
rounding: over 50 steps the learning curves moved by at most 3e-7 of their values and codes by 2e-6 of the largest.
Readers trained through the plain modules instead of the written-out gradients moved by 3e-7 of their values. The bounds
are ten times that. Metrics in float64 are exact but for the last digits.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.metrics import METRICS, ConvergedBudget, ReaderBudget, Trained
from bench.training.autoencoder import build
from bench.training.loop import train
from bench.training.schedule import Schedule
from datasets.sequences import Sequences

GOLDEN = Path(__file__).with_name("golden.json")
USUAL = {"decay": 0.99, "commitment": 0.25}  # tuning may move a default
FAMILIES = {
    "vq": ("vq", 64, USUAL | {"smoothing": "transient"}),
    "vq, persistent smoothing": ("vq", 50, USUAL | {"smoothing": "persistent", "update_zero": False}),
    "vq, no smoothing": ("vq", 64, USUAL | {"smoothing": "none", "initial_count": 0.0}),
    "vq-reset": ("vq-reset", 64, USUAL | {"reset_threshold": 0.5, "reset_window": 16.0}),
    "som-hard": ("som-hard", 60, {}),
    "ksom": ("ksom", 64, {}),
    "ksom:paper": ("ksom:paper", 60, {}),
    "ksom, exponential": ("ksom", 60, {"neighbourhood": "exponential", "schedule": "tau"}),
    "ksom, a line": ("ksom", 64, {"dimensions": 1}),
    "som-vq": ("som-vq", 64, {}),
    "som-vq:paper": ("som-vq:paper", 50, {}),
    "vq-vae": ("vq-vae", 64, {"codebook_weight": 1.0, "commitment": 0.25, "reset_threshold": 0.0}),
    "vq-vae:paper": ("vq-vae:paper", 64, {"reset_window": 16.0}),
    "fsq": ("fsq", 64, {}),
    "fsq:2d": ("fsq:2d", 64, {}),
}
READERS = {
    *("seq_ppl_17", "seq_ppl", "seq_ppl_converged", "bits_per_frame", "bits_eighth", "forecast_error"),
    *("vector_gain", "topology_gain"),
}


def waves(count, width=8):
    """(count, width) float32: a curved surface with ripples, without random numbers."""
    time, feature = np.arange(count)[:, None], np.arange(width)
    slow, fast = np.sin(0.011 * time + feature), np.cos(0.037 * time * (1 + feature % 3) + feature**2)
    return (slow + 0.5 * slow * fast + 0.1 * np.sin(7.3 * time + feature)).astype(np.float32)


def trajectory(label, num_codes, parameters, dtype=torch.float32):
    """Learning curves of 50 steps, which reach both phases of a family that has two, and the codes at their end."""
    frames = torch.from_numpy(waves(5_000)).to(dtype)
    model = build(label, parameters, num_codes=num_codes, width=8, hidden=64, seed=0).to(dtype)
    schedule = Schedule(warm_up_epochs=1, epochs=4, batch=256, learning_rate=1e-3, check_every=10)
    (history,) = train([model], [frames[:4_096]], [frames[4_096:]], [0], schedule, max_steps=50)
    codes = model.quantizer.codebook.detach().double()
    return {
        "train": history.train,
        "validation": history.validation,
        "codes": codes.mean(0).tolist() + codes.square().mean(0).sqrt().tolist(),
    }


def tokenizer():
    """A flat 8 x 10 grid of codes, three of them out of place, over circles that drift."""
    positions = torch.cartesian_prod(torch.arange(8), torch.arange(10))
    codebook = (positions - torch.tensor([3.5, 4.5])) * 0.25
    codebook[[5, 17, 60]] = codebook[[60, 5, 17]]
    splits = {}
    for split, n in (("train", 24), ("val", 6), ("test", 9)):
        start, time = np.arange(n)[:, None] + len(split), np.arange(70)
        angle, radius = 2.4 * start + 0.1 * time, 0.55 + 0.4 * np.sin(0.9 * start + 0.013 * time)
        splits[split] = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).astype(np.float32)
    ones = np.ones(2, dtype=np.float32)
    data = Sequences.build(
        "circles", real=False, standardised=splits, mean=0 * ones, scale=ones, width=2, points=np.array([[0, 1]])
    )
    frames = {split: torch.from_numpy(values) for split, values in data.frames.items()}
    tokens = {split: torch.cdist(values, codebook[None]).argmin(dim=2) for split, values in frames.items()}
    return Trained(
        data=data,
        num_codes=80,
        tokens=tokens,
        prototypes=codebook,
        decoded=codebook[tokens["test"]],
        latents=frames["test"].reshape(-1, 2),
        latent_codebook=codebook,
        codebook=codebook,
        positions=positions,
        sample=torch.arange(0, 600),
        seed=0,
        budget=ReaderBudget(updates=20, cap=30, check_every=10, rate=1e-2, anneal=True),
        small_budget=ConvergedBudget(cap=30, check_every=10, batch=8),
        curve=(0.4, 0.21, 0.2, 0.22),
        checks=(5, 10, 15, 20),
    )


def metrics():
    subject = tokenizer()
    return {name: metric.measure(subject).value for name, metric in METRICS.items() if metric.function is not None}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FAMILIES)
def test_trajectories_are_what_they_were(golden, name):
    actual, kept = trajectory(*FAMILIES[name]), golden["trajectories"][name]
    for curve in ("train", "validation"):
        assert [value is None for value in actual[curve]] == [value is None for value in kept[curve]]
        pairs = [(here, there) for here, there in zip(actual[curve], kept[curve], strict=True) if here is not None]
        assert [here for here, _ in pairs] == pytest.approx([there for _, there in pairs], rel=3e-6)
    assert actual["codes"] == pytest.approx(kept["codes"], abs=2e-5 * max(map(abs, kept["codes"])))


def test_metrics_are_what_they_were(golden):
    actual, kept = metrics(), golden["metrics"]
    # The made-up tokenizer has no encoder, so metrics of noisy frames are blank for it.
    assert {name for name, value in actual.items() if value is not None} == kept.keys()
    for name, value in kept.items():
        tolerance = {"rel": 3e-6, "abs": 3e-6} if name in READERS else {"rel": 1e-9}
        assert actual[name] == pytest.approx(value, **tolerance), name
    assert all(value is not None and math.isfinite(value) for value in kept.values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    measured = {name: value for name, value in metrics().items() if value is not None}
    golden_values = {
        "trajectories": {name: trajectory(*which) for name, which in FAMILIES.items()},
        "metrics": measured,
    }
    GOLDEN.write_text(json.dumps(golden_values, indent=1) + "\n", encoding="utf-8")
