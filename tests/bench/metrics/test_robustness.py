import dataclasses

import pytest
import torch

from bench.metrics import METRICS
from bench.metrics.robustness import flip_cost, stability
from tests.bench.metrics.test_catalogue import trained  # noqa: F401 - a fixture


def test_a_jump_is_measured_against_the_tokens_own_expectation():
    """Both tokens change; expectations by hand over the histogram 1/4, 1/4, 1/2."""
    prototypes = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    tokens, noisy = torch.tensor([0, 1, 2, 2]), torch.tensor([1, 2, 2, 2])
    jumps = (5 + 5) / 2
    random = ((0 + 5 / 4 + 10 / 2) + (5 / 4 + 0 + 5 / 2)) / 2
    assert flip_cost(tokens, noisy, prototypes) == pytest.approx(jumps / random)


def test_without_a_change_there_is_no_cost():
    codes = torch.tensor([0, 1])
    assert stability(codes, codes) == 1.0
    assert flip_cost(codes, codes, torch.eye(2)) is None
    assert flip_cost(codes, codes.flip(0), torch.zeros(2, 2)) is None


def test_noise_has_the_power_that_its_name_says(trained):  # noqa: F811
    seen = []

    def encode(frames):
        seen.append(frames)
        return torch.zeros(len(frames), dtype=torch.int64)

    run = dataclasses.replace(trained, encode=encode, _shared={})
    clean = torch.from_numpy(run.data.frames["test"].reshape(-1, 2))
    power = clean.sub(clean.mean(dim=0)).square().mean()
    for decibels in (40, 30, 20):
        METRICS[f"stability_{decibels}"].measure(run)
        noise = seen[-1] - clean
        assert 10 * torch.log10(power / noise.square().mean()) == pytest.approx(decibels, abs=1.0)


def test_the_same_noise_serves_both_metrics(trained):  # noqa: F811
    calls = []

    def encode(frames):
        calls.append(len(frames))
        return torch.zeros(len(frames), dtype=torch.int64)

    run = dataclasses.replace(trained, encode=encode, _shared={})
    METRICS["stability_20"].measure(run)
    METRICS["flip_cost"].measure(run)
    assert len(calls) == 1


def test_a_code_that_decodes_into_another_cell_is_not_reencoded(trained):  # noqa: F811
    run = dataclasses.replace(trained, encode=lambda frames: torch.zeros(len(frames), dtype=torch.int64), _shared={})
    share = float((run.codes == 0).double().mean())
    assert METRICS["reencode"].measure(run).value == pytest.approx(share)


def test_without_an_encoder_the_metrics_are_blank(trained):  # noqa: F811
    run = dataclasses.replace(trained, encode=None, _shared={})
    for name in ("stability_40", "flip_cost", "reencode"):
        assert METRICS[name].measure(run).value is None
