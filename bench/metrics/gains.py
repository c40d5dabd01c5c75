"""What a reader of few sequences gains when it is shown where codes lie: in code space, or on the lattice.

A reader with a free table cannot see either: relabelling the tokens changes nothing for it. So the claim that order
among codes makes tokens learnable is tested with readers that differ in nothing but the embedding (SOM-VQ, arXiv
2602.21133, makes the claim; the test is ours).
"""

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor

from bench.metrics.base import Metric, Trained
from bench.metrics.eighth import bits_eighth, embedding_generator, index_and_vector_bits, small_bits
from bench.metrics.embeddings import GridEmbedding

SHUFFLES = 3

_SHUFFLING = 6  # stream of `Trained.generator`


def vector_gain(trained: Trained) -> float:
    """Bits a token that code vectors save: `bits_eighth` less the bits of a reader that embeds them, in (-inf, inf).

    Its embedding of token k is a linear map of the code vector e_k, standardised over the codes of the training split.
    """
    index, vector = index_and_vector_bits(trained)
    return index - vector


def grid_bits(trained: Trained, placements: Sequence[Tensor]) -> list[float]:
    """Bits a token of readers that embed token k by the coordinates of its place: a table for each axis, summed.

    Args:
        trained: The tokenizer; its own positions are not looked at.
        placements: For each reader the (K, g) int64 lattice positions that it is shown.
    """
    return small_bits(trained, [GridEmbedding(places.cpu(), embedding_generator(trained)) for places in placements])


def topology_gain(trained: Trained) -> float | None:
    """Bits a token that lattice positions save, in (-inf, inf); at or below 0 where positions mean nothing.

    min(`bits_eighth`, mean bits of three grid readers with the positions dealt at random to all codes) less the bits of
    the grid reader with the true positions. The shuffled readers have the same few parameters, so that having few of
    them is not taken for topology. None without positions.
    """
    if trained.positions is None:
        return None
    generator = trained.generator(_SHUFFLING)
    places = trained.positions.cpu()
    shuffled = [places[torch.randperm(trained.num_codes, generator=generator)] for _ in range(SHUFFLES)]
    sighted, *blind = grid_bits(trained, [places, *shuffled])
    return min(bits_eighth(trained), statistics.fmean(blind)) - sighted


METRICS = (
    Metric(
        "vector_gain",
        vector_gain,
        "higher",
        "bits_eighth - the same for a reader that embeds each token by its code vector; (-inf, inf)",
        ("small_reader",),
    ),
    Metric(
        "topology_gain",
        topology_gain,
        "higher",
        "min(bits_eighth, mean over 3 shuffles of the positions) - the same for a reader that embeds each token by its "
        "lattice coordinates; (-inf, inf), at or below 0 where positions mean nothing",
        ("positions", "small_reader"),
    ),
)
