"""Utilisation of the codebook by the test frames, and the perplexity of a model that ignores their order."""

import statistics
from typing import Any

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


BIASED = 0.05
"""Bias of an entropy in nats above which `index_usage` marks it."""


def index_usage(trained: Trained) -> dict[str, Any] | None:
    """Use of every index and of their combinations by the test frames; None where a code is one index.

    The plug-in entropy of N frames over U combinations is too low by about (U - 1) / 2N nats (Miller 1955).

    Returns:
        indices: For every index its `size`, its `active` percentage and its `usage_ppl`.
        combinations: Number `used` of combinations, their `usage_ppl`, and `too_few_frames`: whether the bias of its
            logarithm exceeds 0.05.
    """
    if trained.combinations is None:
        return None
    codes = trained.codes
    indices = [
        {"size": size, "active": active_percent(index, size), "usage_ppl": usage_perplexity(index)}
        for index, size in zip(trained.combinations[codes].unbind(1), trained.code_sizes, strict=True)
    ]
    used = len(trained.used)
    joint = {
        "used": used,
        "usage_ppl": usage_perplexity(codes),
        "too_few_frames": (used - 1) / (2 * len(codes)) > BIASED,
    }
    return {"indices": indices, "combinations": joint}


@register(
    "active",
    direction="none",
    effect=Effect(5.0),
    summary="codes used on the whole test split, percent of K; (0, 100]; of several indices, the mean of each index's",
)
def _active(trained: Trained) -> float:
    if trained.combinations is None:
        return active_percent(trained.codes, trained.num_codes)
    indices = trained.combinations[trained.codes].unbind(1)
    return statistics.fmean(map(active_percent, indices, trained.code_sizes))


@register(
    "usage_ppl",
    direction="none",
    summary="exp(entropy of the test code histogram); [1, K], of the combinations for several indices",
)
def _usage_ppl(trained: Trained) -> float:
    return usage_perplexity(trained.codes)


@register(
    "unigram_ppl",
    direction="none",
    summary="exp(cross-entropy of the test codes under the add-one-smoothed train histogram); [1, inf), blank for "
    "several indices",
)
def _unigram_ppl(trained: Trained) -> float | None:
    if trained.combinations is not None:
        return None
    return unigram_perplexity(trained.tokens["train"], trained.tokens["test"], trained.num_codes)
