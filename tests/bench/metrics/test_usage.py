import pytest
import torch

from bench.metrics.usage import active_percent, unigram_perplexity, usage_perplexity


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
