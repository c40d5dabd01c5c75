import math

import pytest
import torch

import quantizers

CODES = [0.0, 2.0, 4.0, 6.0]


def stepped(progress: float, **parameters: float) -> list[float]:
    """A 2 x 2 grid of the codes 0, 2, 4, 6 after one batch: 7 and 9, both nearest to code 3."""
    quantizer = quantizers.create("som-vq", num_codes=4, code_dim=1, **parameters)
    quantizer.codebook = torch.tensor(CODES)[:, None]
    z = torch.tensor([[7.0], [9.0]])
    codes = quantizer.encode(z)
    assert codes.tolist() == [3, 3]
    quantizer.update(z, codes, torch.tensor(progress))
    return quantizer.codebook.flatten().tolist()


def first_stage(rate: float, sigma: float) -> list[float]:
    """Two hits with mean 8: a share 1 - (1 - rate)^(2 h), h = exp(-d^2 / 2 sigma^2), d^2 = 2, 1, 1, 0."""
    shares = [1 - (1 - rate) ** (2 * math.exp(-squared / (2 * sigma**2))) for squared in (2, 1, 1, 0)]
    return [code + share * (8 - code) for code, share in zip(CODES, shares, strict=True)]


def test_the_warm_up_has_the_first_stage_alone() -> None:
    got = stepped(0.1, warm_up_rate=0.3, sigma_start=1.0, sigma_end=1.0, commitment_rate=0.9, warm_up_share=0.5)
    assert got == pytest.approx(first_stage(0.3, 1.0))
    assert got[3] == pytest.approx(6 + 2 * (1 - 0.7**2))


def test_joint_training_has_the_first_stage_then_the_second() -> None:
    got = stepped(0.5, rate=0.2, sigma=0.8, commitment_rate=0.25, warm_up_share=0.5, warm_up_rate=0.9)
    expected = first_stage(0.2, 0.8)
    # Code 3 alone was hit: after stage 1 it is at 6 + 0.36 * 2 = 6.72, and a quarter of the way to 8 is left of it.
    assert expected[3] == pytest.approx(6.72)
    expected[3] = 6.72 + 0.25 * (8 - 6.72)
    assert got == pytest.approx(expected)


def test_the_phases_meet_at_the_warm_up_share() -> None:
    rates = {"warm_up_rate": 0.3, "rate": 0.2, "sigma": 1.0, "sigma_start": 1.0, "commitment_rate": 0.0}
    assert stepped(0.2499, warm_up_share=0.25, **rates) == pytest.approx(first_stage(0.3, 1.0))
    assert stepped(0.25, warm_up_share=0.25, **rates) == pytest.approx(first_stage(0.2, 1.0))
    assert stepped(0.0, warm_up_share=0.0, **rates) == pytest.approx(first_stage(0.2, 1.0))


@pytest.mark.parametrize(("progress", "sigma"), [(0.0, 4.0), (0.25, 2.0), (0.4999999, 1.0)])
def test_the_bandwidth_of_the_warm_up_narrows_from_half_the_side_to_one(progress: float, sigma: float) -> None:
    # 8 x 8 codes at 0, one hit by 1 on code 0: its neighbour moves by 1 - (1 - rate)^h(1).
    quantizer = quantizers.create("som-vq", num_codes=64, code_dim=1, warm_up_rate=0.5, warm_up_share=0.5)
    quantizer.codebook = torch.zeros(64, 1)
    quantizer.update(torch.ones(1, 1), torch.tensor([0]), torch.tensor(progress))
    assert quantizer.codebook[1].item() == pytest.approx(1 - 0.5 ** math.exp(-1 / (2 * sigma**2)), rel=1e-4)


@pytest.mark.parametrize("progress", [0.5, 0.99])
def test_the_bandwidth_of_joint_training_stays(progress: float) -> None:
    quantizer = quantizers.create("som-vq:paper", num_codes=64, code_dim=1)
    quantizer.codebook = torch.zeros(64, 1)
    quantizer.update(torch.ones(1, 1), torch.tensor([0]), torch.tensor(progress))
    assert quantizer.codebook[1].item() == pytest.approx(1 - 0.995 ** math.exp(-2), rel=1e-3)
    assert quantizer.codebook[0].item() == pytest.approx(0.005 + 0.1 * 0.995, rel=1e-5)


def test_the_paper_preset_differs_in_the_joint_phase_alone() -> None:
    assert quantizers.get("som-vq:paper")[1] == quantizers.get("som-vq")[1] | {"rate": 0.005, "sigma": 0.5}
