"""`neural-gas`: every code follows every vector, the less the more codes are nearer to it."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quantizers import Quantized, Quantizer, nearest, register


@register("neural-gas", paper="Martinetz, Berkovich and Schulten 1993, IEEE Trans. Neural Networks 4(4)")
class NeuralGas(Quantizer):
    """Batch neural gas: a code goes to the mean of all vectors, weighted by exp(-rank / reach).

    Args:
        num_codes: K.
        code_dim: D.
        rate: Share of the way that a code goes in a step.
        reach_start: Reach of the ranks at the start.
        reach_end: And at the end.
        commitment: Weight of mean (z - sg[e])^2.
    """

    vectors: Tensor

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        rate: float = 0.1,
        reach_start: float = 8.0,
        reach_end: float = 0.1,
        commitment: float = 0.25,
    ) -> None:
        super().__init__(num_codes, code_dim)
        for name, value in (("reach_start", reach_start), ("reach_end", reach_end)):
            if not value > 0:
                raise ValueError(f"Expected {name} above 0, got {value:g}.")
        if not 0 < rate <= 1:
            raise ValueError(f"Expected 0 < rate <= 1, got {rate:g}.")
        self.rate, self.reach_start, self.reach_end, self.commitment = rate, reach_start, reach_end, commitment
        self.register_buffer("vectors", torch.zeros(num_codes, code_dim))

    @property
    def codebook(self) -> Tensor:
        """(K, D) code vectors."""
        return self.vectors

    @codebook.setter
    def codebook(self, vectors: Tensor) -> None:
        if vectors.shape != self.vectors.shape:
            raise ValueError(f"Expected a codebook of shape {tuple(self.vectors.shape)}, got {tuple(vectors.shape)}.")
        with torch.no_grad():
            self.vectors.copy_(vectors)

    def initialise(self, z: Tensor) -> None:
        """Random encoder outputs: the rows of z come in random order."""
        self.vectors.copy_(z[torch.arange(self.num_codes, device=z.device) % len(z)])

    def encode(self, z: Tensor) -> Tensor:
        """Nearest code."""
        return nearest(z, self.vectors)

    def forward(self, z: Tensor) -> Quantized:
        """Straight-through lookup."""
        codes = self.encode(z)
        vectors = self.vectors[codes]
        loss = self.commitment * F.mse_loss(z, vectors)
        return Quantized(z + (vectors - z).detach() if self.training else vectors, codes, loss)

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """One batch."""
        reach = self.reach_start * (self.reach_end / self.reach_start) ** progress
        ranks = torch.cdist(z, self.vectors).argsort(1).argsort(1)
        weights = torch.exp(-ranks / reach)  # (B, K)
        totals = weights.sum(0)[:, None]
        means = torch.where(totals > 1e-6, weights.T @ z / totals.clamp_min(1e-6), self.vectors)
        self.vectors.copy_(torch.lerp(self.vectors, means, self.rate))

    @classmethod
    def suggest(cls, trial: Any) -> dict[str, Any]:
        """Search space of `bench tune`."""
        return {
            "rate": trial.suggest_float("rate", 0.01, 1.0, log=True),
            "reach_start": trial.suggest_float("reach_start", 1.0, 32.0, log=True),
        }
