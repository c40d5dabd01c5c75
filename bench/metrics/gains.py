"""What a reader of few sequences gains when it is shown where codes lie: in code space, or on the lattice.

A reader with a free table cannot see either: relabelling the tokens changes nothing for it. So the claim that order
among codes makes tokens learnable is tested with readers that differ in nothing but the embedding (SOM-VQ, arXiv
2602.21133, makes the claim; the test is ours).
"""

import math
import statistics

import torch
from torch import Tensor, nn

from bench.metrics.base import Metric, Trained
from bench.metrics.eighth import bits_eighth, embedding_generator, small_reading
from bench.metrics.readers import EMBEDDING

SHUFFLES = 3

_SHUFFLING = 6  # stream of `Trained.generator`


class VectorEmbedding(nn.Module):
    """A linear map of fixed features of each code, its outputs starting at about unit variance like a free table's.

    Args:
        features: (K, C) standardised features.
        generator: CPU generator of the initial weights.
    """

    features: Tensor

    def __init__(self, features: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("features", features)
        width = features.shape[1]
        self.weight = nn.Parameter(torch.randn(width, EMBEDDING, generator=generator) / math.sqrt(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """(...) tokens -> (..., 64)."""
        return self.features[tokens] @ self.weight


class GridEmbedding(nn.Module):
    """The sum over the lattice's axes of one free vector for each coordinate, at unit variance to start with.

    Args:
        positions: (K, g) int64 lattice positions.
        generator: CPU generator of the initial values.
    """

    rows: Tensor

    def __init__(self, positions: Tensor, generator: torch.Generator) -> None:
        super().__init__()
        moved = positions - positions.amin(dim=0)
        sizes = moved.amax(dim=0) + 1
        self.register_buffer("rows", moved + sizes.cumsum(0) - sizes)  # one table after the other
        values = torch.randn(int(sizes.sum()), EMBEDDING, generator=generator)
        self.weight = nn.Parameter(values / math.sqrt(positions.shape[1]))

    def forward(self, tokens: Tensor) -> Tensor:
        """(...) tokens -> (..., 64)."""
        return self.weight[self.rows[tokens]].sum(dim=-2)


def standardised(vectors: Tensor, used: Tensor) -> Tensor:
    """(K, C) vectors as z-scores of the used codes (U,), whose features count alike; a constant feature becomes 0.

    >>> standardised(torch.tensor([[0.0, 5.0], [2.0, 5.0], [9.0, 5.0]]), torch.tensor([0, 1])).tolist()
    [[-1.0, 0.0], [1.0, 0.0], [8.0, 0.0]]
    """
    values = vectors.double()
    mean, scale = values[used].mean(dim=0), values[used].std(dim=0, correction=0)
    varies = scale > 0.0
    return torch.where(varies, (values - mean) / torch.where(varies, scale, 1.0), 0.0).float()


def vector_gain(trained: Trained) -> float:
    """Bits a token that code vectors save: `bits_eighth` less the bits of a reader that embeds them, in (-inf, inf).

    Its embedding of token k is a linear map of the code vector e_k, standardised over the codes of the training split.
    """
    features = standardised(trained.codebook, torch.unique(trained.tokens["train"])).cpu()
    found = small_reading(trained, VectorEmbedding(features, embedding_generator(trained)))
    return bits_eighth(trained) - math.log2(found.perplexity)


def grid_bits(trained: Trained, positions: Tensor) -> float:
    """Bits a token of the reader that embeds token k by the coordinates of positions[k]: a table for each axis, summed.

    Args:
        trained: The tokenizer; its own positions are not looked at.
        positions: (K, g) int64 lattice positions.
    """
    embedding = GridEmbedding(positions.cpu(), embedding_generator(trained))
    return math.log2(small_reading(trained, embedding).perplexity)


def topology_gain(trained: Trained) -> float | None:
    """Bits a token that lattice positions save, in (-inf, inf); at or below 0 where positions mean nothing.

    min(`bits_eighth`, mean bits of three grid readers with the positions dealt at random to all codes) less the bits of
    the grid reader with the true positions. The shuffled readers have the same few parameters, so that having few of
    them is not taken for topology. None without positions.
    """
    if trained.positions is None:
        return None
    generator = trained.generator(_SHUFFLING)
    shuffles = [torch.randperm(trained.num_codes, generator=generator) for _ in range(SHUFFLES)]
    places = trained.positions.cpu()
    blind = statistics.fmean(grid_bits(trained, places[order]) for order in shuffles)
    return min(bits_eighth(trained), blind) - grid_bits(trained, places)


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
