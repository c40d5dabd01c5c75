"""The catalogue as a whole: names, order, and every metric on one small tokenizer."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.metrics import METRICS, ConvergedBudget, ReaderBudget, Trained
from datasets.sequences import Sequences

NAMES = (
    "mse explained error_units active usage_ppl unigram_ppl trust cont trust_latent cont_latent distortion "
    "distortion_max distortion_ratio topographic_error seq_ppl_17 seq_ppl seq_ppl_converged bits_per_frame "
    "grid_trust grid_cont topographic_product grid_correlation grid_step bits_eighth ngram_bits vector_gain "
    "topology_gain rate_excess forecast_error steps_within_10 steps_within_20 stability_40 stability_30 stability_20 "
    "flip_cost reencode map_agreement grid_agreement label_information label_probe"
)
POSITIONS = {
    *("distortion", "distortion_max", "distortion_ratio", "topographic_error", "grid_trust", "grid_cont"),
    *("topographic_product", "grid_correlation", "grid_step", "topology_gain", "grid_agreement"),
}
OF_ONE = {name: metric for name, metric in METRICS.items() if metric.function is not None}
TOO_COARSE = {"grid_trust", "grid_cont"}  # nine of sixteen cells hold more than half of the frames


@pytest.fixture(scope="module")
def trained():
    """Circles around a 4 x 4 grid in two features, quantized to the nearest cell."""
    generator = np.random.default_rng(0)
    splits = {}
    for split, n in (("train", 12), ("val", 4), ("test", 4)):
        angle = generator.uniform(0, 2 * np.pi, (n, 1)) + 0.2 * np.arange(20)
        splits[split] = np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)
    ones = np.ones(2, dtype=np.float32)
    data = Sequences.build(
        "circles",
        real=False,
        standardised=splits,
        mean=0 * ones,
        scale=ones,
        width=2,
        points=np.array([[0, 1]]),
        labels={split: ["even", "odd"] * (len(frames) // 2) for split, frames in splits.items()},
    )
    positions = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    codebook = (positions - 1.5) / 1.5
    frames = {split: torch.from_numpy(frames) for split, frames in data.frames.items()}
    tokens = {split: torch.cdist(values, codebook[None]).argmin(dim=2) for split, values in frames.items()}
    return Trained(
        data=data,
        num_codes=16,
        tokens=tokens,
        prototypes=codebook,
        decoded=codebook[tokens["test"]],
        latents=frames["test"].reshape(-1, 2),
        latent_codebook=codebook,
        codebook=codebook,
        positions=positions,
        sample=torch.arange(80),
        seed=0,
        budget=ReaderBudget(updates=3, cap=20, check_every=10),
        small_budget=ConvergedBudget(cap=20, check_every=10),
        curve=(0.4, 0.21, 0.2, 0.22),
        checks=(5, 10, 15, 17),
        encode=lambda frames: torch.cdist(frames, codebook.to(frames)).argmin(dim=1),
    )


def fresh(trained, **changes):
    return replace(trained, _shared={}, **changes)


def test_names_and_order():
    assert [*METRICS] == NAMES.split()
    assert METRICS.keys() - OF_ONE.keys() == {"rate_excess", "map_agreement", "grid_agreement"}  # compare cells
    for name, metric in METRICS.items():
        assert metric.name == name
        assert (metric.target is not None) == (metric.direction == "target")
        assert ("positions" in metric.needs) == (name in POSITIONS)


def test_every_metric_of_a_tidy_grid(trained):
    run = fresh(trained)
    values = {name: metric.measure(run).value for name, metric in OF_ONE.items()}
    assert [values.pop(name) for name in TOO_COARSE] == [None, None]
    assert all(type(value) in (int, float) and math.isfinite(value) for value in values.values())
    assert values["mse"] < 0.2
    assert values["explained"] > 0.7
    assert values["active"] == 100 * len(run.used) / 16
    assert values["usage_ppl"] <= len(run.used)
    assert values["trust"] == pytest.approx(values["trust_latent"])  # the latents are the frames
    assert values["cont"] == pytest.approx(values["cont_latent"])
    assert values["distortion_ratio"] == pytest.approx(1.0, abs=1e-6)
    assert values["distortion_max"] == pytest.approx(1 / math.sqrt(18))
    assert values["topographic_error"] < 0.2
    assert values["topographic_product"] == pytest.approx(0.0, abs=1e-6)
    assert values["grid_correlation"] == pytest.approx(1.0, abs=1e-3)
    assert values["grid_step"] < 0.7
    assert values["bits_per_frame"] == math.log2(values["seq_ppl_converged"])
    assert (values["steps_within_10"], values["steps_within_20"]) == (10, 10)
    assert 1 >= values["stability_40"] >= values["stability_30"] >= values["stability_20"] > 0.7
    assert 0 < values["flip_cost"] < 0.7  # tokens that change go to a neighbour on the grid
    assert values["reencode"] == 1.0


def test_blank_without_positions(trained):
    run = fresh(trained, positions=None)
    for name, metric in OF_ONE.items():
        assert (metric.measure(run).value is None) == (name in POSITIONS), name


def test_blank_without_labels(trained):
    run = fresh(trained, data=replace(trained.data, labels={}))
    assert METRICS["label_information"].measure(run).value is None
    assert METRICS["label_probe"].measure(run).value is None


def test_neighbourhoods_are_blank_on_few_frames(trained):
    for size, blank in ((20, True), (21, False)):
        run = fresh(trained, sample=torch.arange(size))
        for name in ("trust", "cont", "trust_latent", "cont_latent"):
            assert (METRICS[name].measure(run).value is None) == blank


def test_one_used_code_has_no_topographic_error(trained):
    tokens = {split: torch.zeros_like(codes) for split, codes in trained.tokens.items()}
    run = fresh(trained, tokens=tokens)
    assert METRICS["topographic_error"].measure(run).value is None
    assert METRICS["distortion_ratio"].measure(run).value is None
    for name in ("topographic_product", "grid_correlation", "grid_step"):
        assert METRICS[name].measure(run).value is None, name
    assert METRICS["distortion"].measure(run).value == METRICS["distortion"].measure(fresh(trained)).value


def test_coincident_codes_have_no_distortion(trained):
    run = fresh(trained, codebook=torch.zeros(16, 2))
    assert [METRICS[name].measure(run).value for name in ("distortion", "distortion_max", "distortion_ratio")] == [
        None
    ] * 3


def test_costly_parts_are_computed_once(trained, monkeypatch):
    run = fresh(trained)
    METRICS["trust"].measure(run)
    METRICS["seq_ppl_converged"].measure(run)
    monkeypatch.setattr("bench.metrics.topology.trustworthiness.preservation", None)
    monkeypatch.setattr("bench.metrics.learnability.perplexity.train_until_converged", None)
    assert METRICS["cont"].measure(run).value is not None
    assert METRICS["bits_per_frame"].measure(run).value is not None
    assert METRICS["forecast_error"].measure(run).value is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_every_metric_on_cuda(trained):
    here = fresh(trained)
    moved = {
        name: getattr(trained, name).cuda()
        for name in ("prototypes", "decoded", "latents", "latent_codebook", "codebook", "positions", "sample")
    }
    there = fresh(trained, tokens={split: codes.cuda() for split, codes in trained.tokens.items()}, **moved)
    for name, metric in OF_ONE.items():
        if name in ("vector_gain", "topology_gain"):  # differences of readers that rounding sets apart
            assert metric.measure(there).value == pytest.approx(metric.measure(here).value, abs=0.1), name
            continue
        assert metric.measure(there).value == pytest.approx(metric.measure(here).value, rel=0.02, abs=1e-6), name


def test_the_error_that_an_explained_variance_leaves_decides_what_matters():
    assert METRICS["mse"].effect.of(0.2) == pytest.approx(0.006)
    assert METRICS["explained"].effect.of(0.8) == pytest.approx(METRICS["mse"].effect.of(0.2))
