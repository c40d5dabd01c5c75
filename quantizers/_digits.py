"""Codes of several codebooks, one index each: a part of `pq` and `rvq`."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantizers._ema import MovingAverage
from quantizers.base import MOST_COMBINATIONS, Quantized, Quantizer
from quantizers.checks import check_range

LARGEST_INDEX = 1 << 20


class Digits(Quantizer, ABC):
    """A quantizer of several codebooks of equal size k, whose code has an index for each of them.

    The number K = k^parts of combinations is the one nearest to the wanted number of codes. The indices can be the
    digits of one index instead, the first codebook's the least significant.

    Args:
        num_codes: Wanted number K of codes.
        code_dim: Dimension D of the code vectors.
        parts: Number of codebooks, at least 2.
        width: Dimension of the vectors of each codebook.
        decay: Share of the old average that a step keeps.
        commitment: Weight of mean (z - sg[e])².
        smoothing: Kind of Laplace smoothing of the counts: "none", "transient" or "persistent".
        one_index: Whether a code is one index; K is then at most 2^20.
    """

    vectors: Tensor
    basis: Tensor

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        parts: int,
        width: int,
        *,
        decay: float,
        commitment: float,
        smoothing: str,
        one_index: bool,
    ) -> None:
        check_range("num_codes", num_codes, 1, (LARGEST_INDEX if one_index else MOST_COMBINATIONS) + 1)
        root = int(num_codes ** (1 / parts))
        size = min((root, root + 1), key=lambda codes: abs(codes**parts - num_codes))
        if size < 2:
            raise ValueError(
                f"Expected a number of codes that {parts} codebooks of at least two codes can have, got {num_codes}. "
                f"Take --codebook-size {2**parts} or more, fewer codebooks or another quantizer."
            )
        super().__init__(size**parts, code_dim)
        self.parts = parts
        self.codes_each = size
        self.one_index = bool(one_index)
        self.commitment = check_range("commitment", commitment, 0, 100)
        self.register_buffer("vectors", torch.zeros(parts, size, width))
        self.register_buffer("basis", size ** torch.arange(parts))
        self.averages = nn.ModuleList(MovingAverage(size, width, decay, smoothing, 1.0, True) for _ in range(parts))

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of every codebook, or K where a code is one index."""
        return (self.num_codes,) if self.one_index else (self.codes_each,) * self.parts

    @property
    def codebook(self) -> Tensor:
        """(K, D) vectors of all codes; they are set codebook by codebook in `vectors`.

        Raises:
            ValueError: There are more than 2^20 of them.
        """
        if self.num_codes > LARGEST_INDEX:
            raise ValueError(
                f"Expected at most {LARGEST_INDEX} codes to list, got {self.num_codes}; decode those used."
            )
        every = torch.arange(self.num_codes, device=self.vectors.device)
        return self.join(every[:, None] // self.basis % self.codes_each)

    @property
    def codebook_values(self) -> int:
        """Number of values of the codebooks; their combinations are not stored."""
        return self.vectors.numel()

    def digits(self, codes: Tensor) -> Tensor:
        """Index (..., parts) in every codebook of codes as `encode` gives them."""
        return codes[..., None] // self.basis % self.codes_each if self.one_index else codes

    def encode(self, z: Tensor) -> Tensor:
        """Index (B, parts) in every codebook, or the one index (B,) of which these are the digits."""
        digits = self.search(z)
        return (digits * self.basis).sum(dim=-1) if self.one_index else digits

    def decode(self, codes: Tensor) -> Tensor:
        """Vectors (..., D) of codes (..., parts), or (...) where a code is one index."""
        return self.join(self.digits(codes))

    @abstractmethod
    def join(self, digits: Tensor) -> Tensor:
        """Vectors (..., D) that the indices (..., parts) of all codebooks stand for."""

    @abstractmethod
    def search(self, z: Tensor) -> Tensor:
        """Codes (B, parts) of the codebooks for z (B, D)."""

    def forward(self, z: Tensor) -> Quantized:
        """Straight-through lookup, with the commitment to the sum or the concatenation of the vectors."""
        codes = self.encode(z)
        vectors = self.decode(codes)
        quantized = z + (vectors - z).detach() if self.training else vectors
        return Quantized(quantized, codes, self.commitment * F.mse_loss(z, vectors))

    def restart(self) -> None:
        """Start the averages of every codebook from its vectors."""
        for average, vectors in zip(self.averages, self.vectors, strict=True):
            assert isinstance(average, MovingAverage)
            average.restart(vectors)

    def move(self, part: int, totals: Tensor) -> None:
        """Move the averages and vectors of one codebook by the totals (k, width + 1) of a batch."""
        average = self.averages[part]
        assert isinstance(average, MovingAverage)
        average.step(self.vectors[part], totals)
