"""`vq`: the plain vector quantizer with a moving-average codebook."""

import torch
from torch import Tensor

from quantizers._ema import MovingAverage
from quantizers.base import LearnedCodebook, batch_totals


class VQ(LearnedCodebook):
    """Vector quantization learned by exponential moving averages (van den Oord et al. 2017, Appendix A.1).

    Args:
        num_codes: K.
        code_dim: D.
        decay: Share of the old average kept each step.
        commitment: Weight of mean (z - sg[e])^2.
        smoothing: Laplace smoothing of the counts: "none", "transient" or "persistent".
        initial_count: N(0).
        update_zero: Whether codes without a hit decay too.
        initialisation: "data" or "normal", where the codes start.
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        decay: float = 0.99,
        commitment: float = 0.25,
        smoothing: str = "transient",
        initial_count: float = 1.0,
        update_zero: bool = True,
        initialisation: str = "data",
    ) -> None:
        super().__init__(num_codes, code_dim, commitment=commitment, initialisation=initialisation)
        self.average = MovingAverage(num_codes, code_dim, decay, smoothing, initial_count, update_zero)

    def restart(self) -> None:
        """Start the averages from the codebook."""
        self.average.restart(self.vectors)

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Move hits, sums and codebook (Eqs. 6 to 8)."""
        self.average.step(self.vectors, batch_totals(z, codes, self.num_codes))
