"""Diagnosis, on collapses that are planted and on curves that are made by hand."""

import dataclasses

import pytest
import torch

import datasets
from bench.analysis.diagnosis import diagnose, diagnoses
from bench.planning.planner import make
from bench.planning.request import Request
from bench.training.autoencoder import build
from bench.training.loop import train
from bench.training.schedule import Schedule
from tests.builders import finished

HEALTHY = {
    "usage": [0.9, 0.9, 0.9],
    "latent_scale": [5.0, 4.0, 4.0],
    "code_scale": [5.0, 5.0, 5.0],
    "churn": [None, 0.3, 0.1],
}
PLANTED = [
    ("vq", {"initialisation": "normal"}, 2, "start"),
    ("vq", {}, 0, "start"),
    ("vq", {"commitment": 0.0, "decay": 0.9999}, 2, "scale"),
    ("vqt-lfq", {"entropy": 10.0, "diversity": 0.0, "commitment": 1.0}, 2, "entropy"),
    ("vq", {"decay": 0.0}, 2, "reset"),
    ("vq-reset", {"decay": 0.0, "reset_threshold": 0.0}, 2, "reset"),
]


@pytest.fixture(scope="module")
def frames():
    data = datasets.get("lorenz")(sequences=30).load(0)
    return tuple(torch.from_numpy(data.frames[split].reshape(-1, data.width)) for split in ("train", "val"))


@pytest.fixture(scope="module")
def plan():
    return make(Request(quantizers="vq", datasets="lorenz", protocol="tiny", seeds="2"))


def trained(frames, label, parameters, warm_up_epochs):
    """Record of a training, as far as a diagnosis reads it."""
    if label.startswith("vqt"):
        pytest.importorskip("vector_quantize_pytorch")
    model = build(label, parameters, num_codes=64, width=frames[0].shape[1], hidden=64, seed=0)
    schedule = Schedule(warm_up_epochs=warm_up_epochs, epochs=6, batch=64, learning_rate=1e-3)
    (history,) = train([model], [frames[0]], [frames[1]], [0], schedule)
    return {"history": {"validation": history.validation, "codebook": history.codebook}}


def cell_with(plan, **parameters):
    return dataclasses.replace(plan.cells[0], parameters=parameters)


def record(validation=(1.0, 0.9), train=(), curves=(), **codebook):
    history = {"validation": list(validation), "train": list(train), "codebook": HEALTHY | codebook}
    return {"history": history, "curves": dict(curves)}


@pytest.mark.parametrize(("label", "parameters", "warm_up_epochs", "cause"), PLANTED)
def test_a_planted_collapse_is_diagnosed_by_its_cause(frames, plan, label, parameters, warm_up_epochs, cause):
    findings = diagnose(trained(frames, label, parameters, warm_up_epochs), cell_with(plan, **parameters))
    assert findings[0].problem in ("collapse", "dead codes")
    assert findings[0].cause == cause


@pytest.mark.parametrize("label", ["vq", "fsq"])
def test_a_healthy_codebook_has_no_finding(frames, plan, label):
    findings = diagnose(trained(frames, label, {}, 2), cell_with(plan))
    assert not [finding for finding in findings if finding.problem not in ("undertrained", "overfitting")]


@pytest.mark.parametrize(
    ("changes", "parameters", "problem", "words"),
    [
        ({}, {}, None, ""),
        ({"usage": [0.9, 0.5, 0.1]}, {}, "collapse", "10 % of the codes are in use at the end (90 % before"),
        ({"usage": [0.9, 0.9, 0.5]}, {"reset_threshold": 0.03}, "dead codes", "raise reset_threshold, which is 0.03"),
        ({"usage": [0.1, 0.4, 0.6]}, {}, "dead codes", "do not meet at the start"),
        ({"usage": [0.4, 0.4, 0.4]}, {}, None, ""),  # a lattice whose corners are seldom reached
        (
            {"latent_scale": [5.0, 10.0, 30.0]},
            {},
            "scale",
            "spread 6.0 times as far as the codes; raise the commitment",
        ),
        ({"code_scale": [5.0, 50.0, 200.0]}, {}, "scale", "the codes spread 50 times as far as the latents"),
        ({"churn": [None, 0.9, 0.95]}, {}, "restless codes", "95 % of the frames change their code"),
        ({"churn": [None, 0.9, 0.95]}, {"reset_threshold": 0.5}, "restless codes", "so lower reset_threshold"),
        ({"validation": [1.0, 0.5, 0.6]}, {}, "overfitting", "rose by 20 % after check 2 of 3"),
        ({"validation": [1.0, 0.5, 0.6], "train": [None, 0.5, 0.4]}, {}, "overfitting", "rose by 20 % after check 2"),
        ({"validation": [1.0, 0.5, 0.6], "train": [0.9, 0.5, 0.7]}, {}, "unstable", "and the training error rose too"),
        ({"validation": [1.0, 0.9, 0.8, 0.7, 0.5]}, {}, "undertrained", "fell by 29 % in the last fifth"),
        ({"validation": [1.0, 0.7, 0.52, 0.51, 0.5]}, {}, None, ""),
    ],
)
def test_curves_by_hand(plan, changes, parameters, problem, words):
    findings = diagnose(record(**changes), cell_with(plan, **parameters))
    assert [finding.problem for finding in findings] == ([] if problem is None else [problem])
    assert all(words in finding.text for finding in findings)


@pytest.mark.parametrize(
    ("curve", "words"),
    [
        (
            [[10, 8.0], [20, 4.0], [30, 4.5], [40, 5.0], [50, 6.0]],
            "overfits: its perplexity on validation rose by 50 %",
        ),
        ([[10, 8.0], [20, 7.0], [30, 6.0], [40, 5.0], [50, 4.0]], "is cut short: its perplexity on validation fell"),
        ([[10, 8.0], [20, 4.1], [30, None], [40, 4.0], [50, 4.0], [60, 4.0]], None),
        ([[1, 9.0], [2, 3.0]], None),  # the reader that is barely trained by definition
    ],
)
def test_readers_by_hand(plan, curve, words):
    assert plan.cells[0].protocol["reader"]["updates"] == 2
    findings = diagnose(record(curves={"bits_per_frame": curve}), plan.cells[0])
    assert [finding.problem for finding in findings] == ([] if words is None else ["reader"])
    assert all(words in finding.text for finding in findings)


def test_readers_of_few_sequences_stop_early_by_design(plan):
    curve = [[10, 8.0], [20, 4.0], [30, 4.5], [40, 5.0], [50, 6.0]]
    assert not diagnose(record(curves={"bits_eighth": curve}), plan.cells[0])


def test_a_record_without_observations_is_diagnosed_by_its_errors_alone(plan):
    findings = diagnose({"history": {"validation": [1.0, 0.5, 0.6]}}, plan.cells[0])
    assert [finding.problem for finding in findings] == ["overfitting"]


def test_findings_are_a_table(plan):
    first, second = plan.cells
    made = {"status": "done"}
    records = {first.key: record(usage=[0.9, 0.5, 0.1]) | made, second.key: record() | made}
    rows = diagnoses(finished(plan, records))
    assert list(rows.columns) == ["dataset", "quantizer", "seed", "problem", "finding"]
    assert rows[["dataset", "quantizer", "seed", "problem"]].values.tolist() == [["lorenz", "vq", 0, "collapse: reset"]]
