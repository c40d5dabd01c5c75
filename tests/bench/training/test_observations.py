import math

import pytest
import torch

from bench.training.observations import observe

LATENTS = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
VECTORS = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
CODES = torch.tensor([0, 1, 0, 1])


def test_a_codebook_by_hand():
    state = observe(LATENTS, CODES, VECTORS, torch.tensor([0, 1, 1, 1]), (len(VECTORS),))
    assert state == pytest.approx(
        {
            "usage": 2 / 3,
            "perplexity": 2.0,
            "latent_scale": math.sqrt(2.0),  # every latent is (1, 1) from the mean (1, 1)
            "code_scale": math.sqrt(8 / 3),  # -2, 0 and 2 from the mean (2, 0)
            "offset": math.sqrt(2.0),
            "churn": 0.25,
        }
    )


def test_the_first_observation_has_no_churn():
    assert observe(LATENTS, CODES, VECTORS, None, (len(VECTORS),))["churn"] is None


def test_more_codes_than_frames_can_all_be_reached():
    many = torch.arange(20.0)[:, None].expand(20, 2)
    assert observe(LATENTS, torch.tensor([3, 4, 5, 6]), many, None, (len(many),))["usage"] == 1.0


def test_indices_count_one_by_one():
    """Four frames of two indices of 4 and 2 codes: 2 of 4 and 2 of 2 are in use, and one index of eight changes."""
    codes = torch.tensor([[0, 0], [0, 1], [3, 0], [0, 0]])
    former = torch.tensor([[0, 0], [0, 1], [3, 1], [0, 0]])
    vectors = torch.tensor([[0.0], [3.0], [6.0], [0.0]])
    state = observe(vectors + 1, codes, vectors, former, (4, 2))
    assert state["usage"] == 0.75
    assert state["churn"] == 0.125
    assert state["perplexity"] == pytest.approx(2**1.5)
    assert state["code_scale"] == pytest.approx(6**0.5)  # 0, 3 and 6, of which each combination counts once
    assert state["offset"] == pytest.approx(3.25 - 3)
