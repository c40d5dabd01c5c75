"""What a reader of few sequences gains when it is shown where codes lie: in code space, or on the lattice.

A reader with a free table cannot see either: relabelling the tokens changes nothing for it. So the claim that order
among codes makes tokens learnable is tested with readers that differ in nothing but the embedding (SOM-VQ, arXiv
2602.21133, makes the claim; the test is ours).
"""

import statistics

import torch

from bench.metrics.base import Trained
from bench.metrics.learnability.few_sequences import INDEX, VECTOR, Small, bits_eighth, grid, small_bits
from bench.metrics.registry import register

SHUFFLES = 3

_SHUFFLING = 6  # stream of `Trained.generator`


@register(
    "vector_gain",
    direction="higher",
    summary="bits_eighth - the same for a reader that embeds each token by its code vector; (-inf, inf)",
    needs=("small_reader",),
)
def vector_gain(trained: Trained) -> float:
    """Bits a token that code vectors save: `bits_eighth` less the bits of a reader that embeds them, in (-inf, inf).

    Its embedding of token k is a linear map of the code vector e_k, standardised over the codes of the training split.
    """
    index, vector = small_bits(trained, (INDEX, VECTOR))
    return index - vector


def placements(trained: Trained) -> list[Small]:
    """The grid reader with the true positions, then those with the positions dealt at random to all codes."""
    assert trained.positions is not None
    generator = trained.generator(_SHUFFLING)
    places = trained.positions.cpu()
    shuffled = [places[torch.randperm(trained.num_codes, generator=generator)] for _ in range(SHUFFLES)]
    return [grid(each) for each in (places, *shuffled)]


@register(
    "topology_gain",
    direction="higher",
    summary="min(bits_eighth, mean over 3 shuffles of the positions) - the same for a reader that embeds each token by "
    "its lattice coordinates; (-inf, inf), at or below 0 where positions mean nothing",
    needs=("positions", "small_reader"),
)
def topology_gain(trained: Trained) -> float | None:
    """Bits a token that lattice positions save, in (-inf, inf); at or below 0 where positions mean nothing.

    min(`bits_eighth`, mean bits of three grid readers with the positions dealt at random to all codes) less the bits of
    the grid reader with the true positions. The shuffled readers have the same few parameters, so that having few of
    them is not taken for topology. None without positions.
    """
    if trained.positions is None:
        return None
    sighted, *blind = small_bits(trained, placements(trained))
    return min(bits_eighth(trained), statistics.fmean(blind)) - sighted
