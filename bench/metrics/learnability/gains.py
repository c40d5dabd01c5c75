"""Gains of a reader of few sequences that is shown where codes lie: in code space, or on the lattice.

A reader with a free table cannot see either: relabelling the tokens changes nothing for it. So the claim that order
among codes makes tokens learnable is tested with readers that differ in nothing but the embedding. The claim is made by
SOM-VQ (arXiv 2602.21133); the test is ours.
"""

import math
import statistics

import torch

from bench.metrics.base import Effect, Reader, Trained
from bench.metrics.learnability.few_sequences import (
    INDEX,
    INDEX_READER,
    VECTOR,
    VECTOR_READER,
    Small,
    grid,
    index_reading,
    small_bits,
    train_small,
)
from bench.metrics.registry import register

SHUFFLES = 3

_SHUFFLING = 6  # stream of `Trained.generator`


@register(
    "vector_gain",
    direction="higher",
    effect=Effect(0.05),
    summary="bits_eighth - the same for a reader that embeds each token by its code vector; (-inf, inf)",
    readers=(INDEX_READER, VECTOR_READER),
)
def vector_gain(trained: Trained) -> float:
    """Bits per token that code vectors save, in (-inf, inf).

    They are `bits_eighth` minus the bits of a reader that embeds the code vectors: its embedding of token k is a linear
    map of the code vector e_k, standardised over the codes of the training split.
    """
    index, vector = small_bits(trained, (INDEX, VECTOR))
    return index - vector


def placements(trained: Trained) -> list[Small]:
    """Grid variant with the true positions, then those with the positions dealt at random to all codes.

    There are none without positions.
    """
    if trained.positions is None:
        return []
    generator = trained.generator(_SHUFFLING)
    places = trained.positions.cpu()
    variants = [grid(places)]
    for _ in range(SHUFFLES):
        variants.append(grid(places[torch.randperm(trained.num_codes, generator=generator)]))
    return variants


GRID_READER = Reader(name="grid readers of an eighth", budget="small_reader", train=train_small, variants=placements)


@register(
    "topology_gain",
    direction="higher",
    effect=Effect(0.05),
    primary=True,
    summary="min(bits_eighth, mean over 3 shuffles of the positions) - the same for a reader that embeds each token by "
    "its lattice coordinates; (-inf, inf), at or below 0 where positions mean nothing",
    needs=("positions",),
    readers=(INDEX_READER, VECTOR_READER, GRID_READER),
)
def topology_gain(trained: Trained) -> float | None:
    """Bits per token that lattice positions save, in (-inf, inf); at or below 0 where positions mean nothing.

    They are the smaller of `bits_eighth` and the mean bits of three grid readers with the positions dealt at random to
    all codes, minus the bits of the grid reader with the true positions. The shuffled readers have the same few
    parameters, so that having few of them is not taken for topology. None without positions.
    """
    if trained.positions is None:
        return None
    sighted, *blind = small_bits(trained, placements(trained))
    bits_eighth = math.log2(index_reading(trained).perplexity)
    return min(bits_eighth, statistics.fmean(blind)) - sighted
