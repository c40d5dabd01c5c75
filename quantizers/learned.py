"""Quantizers whose codebook is learned."""

from abc import ABC

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantizers.base import Quantized, Quantizer
from quantizers.checks import check_choice, check_range
from quantizers.nearest import nearest as nearest

INITIALISATIONS = ("data", "normal")


class LearnedCodebook(Quantizer, ABC):
    """A codebook of stored vectors, searched by Euclidean distance; families differ in how they move it.

    Args:
        num_codes: Number K of codes.
        code_dim: Dimension D of the code vectors.
        commitment: Weight of mean (z - sg[e])^2, which keeps the encoder near its codes.
        codebook_weight: Weight of mean (sg[z] - e)^2, which learns the codebook by gradient; 0 keeps it a buffer.
        initialisation: "data", random encoder outputs; "normal", draws from N(0, I) (the KSOM paper's).
        positions: (K, g) int64 lattice places, or None.
    """

    vectors: Tensor

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        commitment: float,
        codebook_weight: float = 0.0,
        initialisation: str = "data",
        positions: Tensor | None = None,
    ) -> None:
        super().__init__(num_codes, code_dim, positions)
        self.commitment = check_range("commitment", commitment, 0, 100)
        self.codebook_weight = check_range("codebook_weight", codebook_weight, 0, 100)
        self.initialisation = check_choice("initialisation", initialisation, INITIALISATIONS)
        normal = initialisation == "normal"
        vectors = torch.randn(num_codes, code_dim) if normal else torch.zeros(num_codes, code_dim)
        if codebook_weight:
            self.register_parameter("vectors", nn.Parameter(vectors))
        else:
            self.register_buffer("vectors", vectors)

    @property
    def is_plain(self) -> bool:
        """Whether a family keeps this class's lookup and gradient, which the trainer then computes in its own way."""
        cls = type(self)
        return cls.forward is LearnedCodebook.forward and cls.encode is LearnedCodebook.encode

    @property
    def codebook(self) -> Tensor:
        """(K, D) code vectors."""
        # A view, because a Parameter could not be assigned to another module's `codebook`.
        return self.vectors.view_as(self.vectors)

    @codebook.setter
    def codebook(self, vectors: Tensor) -> None:
        if vectors.shape != self.vectors.shape:
            raise ValueError(f"Expected a codebook of shape {tuple(self.vectors.shape)}, got {tuple(vectors.shape)}.")
        with torch.no_grad():
            self.vectors.copy_(vectors)
            self.restart()

    def restart(self) -> None:
        """Reset the state that the family keeps beside the vectors, which were just set."""

    def initialise(self, z: Tensor) -> None:
        """Start from random encoder outputs, or from the vectors that were drawn when the module was built."""
        if self.initialisation == "data":
            self.codebook = sample_rows(z, self.num_codes)
        else:
            self.restart()

    def encode(self, z: Tensor) -> Tensor:
        """Index of the nearest code (van den Oord et al. 2017, Eq. 1)."""
        return nearest(z, self.vectors)

    def forward(self, z: Tensor) -> Quantized:
        """Straight-through lookup (van den Oord et al. 2017, Eq. 3)."""
        codes = self.encode(z)
        vectors = self.decode(codes)
        loss = self.commitment * F.mse_loss(z, vectors.detach())
        if self.codebook_weight:
            loss = loss + self.codebook_weight * F.mse_loss(vectors, z.detach())
        quantized = z + (vectors.detach() - z.detach()) if self.training else vectors
        return Quantized(quantized, codes, loss)


def batch_totals(z: Tensor, codes: Tensor, num_codes: int) -> Tensor:
    """Sum of the vectors that hit each code, and their number.

    Args:
        z: (B, D) vectors of a batch.
        codes: (B,) int64 codes of these vectors.
        num_codes: Number K of codes.

    Returns:
        (K, D + 1) sums, with the hits in the last column.
    """
    rows = torch.cat([z, torch.ones_like(z[:, :1])], dim=1)
    # index_add does the same, but vmap would call it once per replica.
    return z.new_zeros(num_codes, rows.shape[1]).index_put((codes,), rows, accumulate=True)


def sample_rows(z: Tensor, count: int) -> Tensor:
    """Draw (count, D) rows: the first rows of z, which come in random order, repeated where there are too few."""
    return z[torch.arange(count, device=z.device) % z.shape[0]].clone()


def rows_at_once(num_codes: int) -> int:
    """Number of frames to compare with K codes at once, so that their distances stay below about 130 MB."""
    return max(256, 2**25 // num_codes)
