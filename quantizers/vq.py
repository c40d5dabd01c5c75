"""`vq`: the plain vector quantizer with a moving-average codebook."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from quantizers._ema import SMOOTHING, MovingAverage
from quantizers._search import decades, kept_share
from quantizers.learned import LearnedCodebook, batch_totals

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class VQ(LearnedCodebook):
    """Vector quantization learned by exponential moving averages (van den Oord et al. 2017, Appendix A.1).

    The defaults of decay, commitment and smoothing come from tuning (docs/results/tuning.md). The usual values are
    0.99, 0.25 and "transient".

    Args:
        num_codes: Number K of codes.
        code_dim: Dimension D of the code vectors.
        decay: Share of the old average that a step keeps.
        commitment: Weight of mean (z - sg[e])^2.
        smoothing: Kind of Laplace smoothing of the counts: "none", "transient" or "persistent".
        initial_count: Count N(0) with which the averages start, 0 or 1.
        update_zero: Whether codes without a hit decay too.
        initialisation: Start of the codes, "data" (encoder outputs) or "normal" (draws from N(0, I)).
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        decay: float = 0.967,
        commitment: float = 1.9,
        smoothing: str = "persistent",
        initial_count: float = 1.0,
        update_zero: bool = True,
        initialisation: str = "data",
    ) -> None:
        super().__init__(num_codes, code_dim, commitment=commitment, initialisation=initialisation)
        self.average = MovingAverage(num_codes, code_dim, decay, smoothing, initial_count, update_zero)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw decay and commitment, and two switches of the moving averages."""
        return {
            "decay": kept_share(trial, "decay", 0.99),
            "commitment": decades(trial, "commitment", 0.25),
            "smoothing": trial.suggest_categorical("smoothing", SMOOTHING),
            "update_zero": trial.suggest_categorical("update_zero", [True, False]),
        }

    def restart(self) -> None:
        """Start the averages from the codebook."""
        self.average.restart(self.vectors)

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Move hits, sums and codebook (Eqs. 6 to 8)."""
        self.average.step(self.vectors, batch_totals(z, codes, self.num_codes))
