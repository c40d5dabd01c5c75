"""Embeddings of tokens: by their index alone, by their code vectors, or by their places on the lattice."""

import math

import torch
from torch import Tensor, nn

from bench.metrics.readers.gru import EMBEDDING


def table_embedding(num_codes: int, generator: torch.Generator) -> nn.Embedding:
    """The index reader's embedding: a free vector from N(0, 1) for each code, torch's default."""
    return nn.Embedding(num_codes, EMBEDDING, _weight=torch.randn(num_codes, EMBEDDING, generator=generator))


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
