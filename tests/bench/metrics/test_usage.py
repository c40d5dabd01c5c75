import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.metrics import METRICS
from bench.metrics.usage import active_percent, index_usage, unigram_perplexity, usage_perplexity
from tests.bench.metrics.test_catalogue import trained  # noqa: F401 - a fixture


def test_equal_use_of_half_the_codes():
    codes = torch.arange(8).repeat(5)
    assert active_percent(codes, 16) == 50.0
    assert usage_perplexity(codes) == pytest.approx(8.0)


def test_one_code_alone():
    codes = torch.full((9,), 3)
    assert active_percent(codes, 4) == 25.0
    assert usage_perplexity(codes) == pytest.approx(1.0)


def test_codes_never_seen_in_training_cost_finitely():
    # Counts (4, 0, 0, 0) become 5, 1, 1, 1 of 8.
    assert unigram_perplexity(torch.zeros(4, dtype=torch.int64), torch.tensor([3]), 4) == pytest.approx(8.0)


def test_unigram_approaches_usage_on_plenty_of_equal_data():
    codes = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), 100_000, True, generator=torch.Generator().manual_seed(0))
    assert unigram_perplexity(codes, codes, 3) == pytest.approx(usage_perplexity(codes), rel=1e-6)


@pytest.fixture
def of_two_indices(trained):  # noqa: F811
    """Combinations (0, 0), (0, 1), (2, 0) of sizes 4 and 2; test codes 0, 0, 1, 2 and 12 more of code 0."""
    tokens = torch.zeros(4, 4, dtype=torch.int64)
    tokens[0, 2:] = torch.tensor([1, 2])
    return dataclasses.replace(
        trained,
        num_codes=3,
        tokens={split: tokens for split in trained.tokens},
        combinations=torch.tensor([[0, 0], [0, 1], [2, 0]]),
        code_sizes=(4, 2),
        decode=lambda codes: 10.0 * codes,
        prototypes=torch.tensor([[0.0, 0.0], [0.0, 10.0], [20.0, 0.0]]),
        _shared={},
    )


def test_every_index_has_its_use(of_two_indices):
    usage = index_usage(of_two_indices)
    assert usage is not None
    first, second = usage["indices"]
    assert (first["size"], first["active"]) == (4, 50.0)
    assert (second["size"], second["active"]) == (2, 100.0)
    assert first["usage_ppl"] == pytest.approx(math.exp(-15 / 16 * math.log(15 / 16) - math.log(1 / 16) / 16))
    # Three combinations in 16 frames: a bias of 2 / 32 nats.
    assert usage["combinations"]["used"] == 3
    assert usage["combinations"]["too_few_frames"]
    assert METRICS["active"].measure(of_two_indices).value == 75.0


@pytest.mark.parametrize("name", ["unigram_ppl", "seq_ppl_17", "seq_ppl", "seq_ppl_converged"])
def test_perplexities_of_one_alphabet_are_blank_for_several(of_two_indices, name):
    assert METRICS[name].measure(of_two_indices).value is None


def test_the_probe_sees_the_histogram_of_every_index(of_two_indices):
    """Sequences of label 1 have 1 as their second index, in combinations of the first that training never saw."""
    train = torch.tensor([[0, 0], [1, 1], [0, 0], [1, 1]])
    test = torch.tensor([[2, 2], [3, 3]])
    run = dataclasses.replace(
        of_two_indices,
        data=SimpleNamespace(labels={"train": np.array([0, 1, 0, 1]), "test": np.array([0, 1])}),
        num_codes=4,
        tokens={"train": train, "val": train, "test": test},
        combinations=torch.tensor([[0, 0], [0, 1], [2, 0], [2, 1]]),
        _shared={},
    )
    assert METRICS["label_probe"].measure(run).value == 1.0


def test_a_combination_that_occurs_nowhere_is_decoded(of_two_indices):
    like = torch.tensor([0, 1, 2])
    numbers, frames = of_two_indices.numbered(torch.tensor([[0, 0], [3, 1], [2, 1]]), like)
    assert numbers.tolist() == [0, 3, 4]
    assert frames[numbers].tolist() == [[0.0, 0.0], [30.0, 10.0], [20.0, 10.0]]
