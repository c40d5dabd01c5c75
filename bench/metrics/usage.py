"""Utilisation of the codebook by the test frames, and the perplexity of a model that ignores their order."""

import torch
from torch import Tensor

from bench.metrics.base import Effect, Trained
from bench.metrics.registry import register


def active_percent(codes: Tensor, num_codes: int) -> float:
    """Codes hit at least once, percent of K, in (0, 100].

    >>> active_percent(torch.tensor([0, 0, 2]), num_codes=4)
    50.0
    """
    return 100.0 * len(torch.unique(codes)) / num_codes


def usage_perplexity(codes: Tensor) -> float:
    """exp(entropy of the code histogram), in [1, used codes]: how many equally used codes would be as uncertain.

    >>> round(usage_perplexity(torch.tensor([0, 1, 3, 3])), 6)  # 2^(1.5 bits)
    2.828427
    """
    counts = torch.bincount(codes.flatten()).double()
    shares = counts / counts.sum()
    return float(torch.special.entr(shares).sum().exp())


def unigram_perplexity(train: Tensor, test: Tensor, num_codes: int) -> float:
    """exp(cross-entropy of the test codes under the train histogram, one added to each of the K counts), in [1, inf).

    Train counts (2, 0) become 3/4 and 1/4; the test codes 0 and 1 cost -ln(3/16) / 2, and exp gives 4 / sqrt(3):

    >>> round(unigram_perplexity(torch.tensor([0, 0]), torch.tensor([0, 1]), num_codes=2), 6)
    2.309401
    """
    counts = torch.bincount(train.flatten(), minlength=num_codes).double() + 1.0
    negative_log = (counts.sum() / counts).log()
    return float(negative_log[test.flatten()].mean().exp())


@register(
    "active",
    direction="none",
    effect=Effect(5.0),
    summary="codes used on the whole test split, percent of K; (0, 100]",
)
def _active(trained: Trained) -> float:
    return active_percent(trained.codes, trained.num_codes)


@register(
    "usage_ppl",
    direction="none",
    summary="exp(entropy of the test code histogram); [1, K]",
)
def _usage_ppl(trained: Trained) -> float:
    return usage_perplexity(trained.codes)


@register(
    "unigram_ppl",
    direction="none",
    summary="exp(cross-entropy of the test codes under the add-one-smoothed train histogram); [1, inf)",
)
def _unigram_ppl(trained: Trained) -> float:
    return unigram_perplexity(trained.tokens["train"], trained.tokens["test"], trained.num_codes)
