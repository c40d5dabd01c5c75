"""`vq-vae`: the codebook learned by gradient, as in the original VQ-VAE."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from quantizers._ema import DeadCodes, MovingAverage
from quantizers._search import decades
from quantizers.checks import check_range
from quantizers.learned import LearnedCodebook, batch_totals

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class VQVAE(LearnedCodebook):
    """VQ-VAE with the codebook loss (van den Oord et al. 2017, Eq. 3).

    The preset `paper` is the VQ-VAE of the SOM-VQ paper: hidden width 512, moving averages in place of the codebook
    loss (`codebook_weight` 0), and a reset of dead codes. The defaults come from tuning (docs/results/tuning.md). The
    published weights are 1 and 0.25, without a reset.

    Args:
        num_codes: Number K of codes.
        code_dim: Dimension D of the code vectors.
        codebook_weight: Weight of mean (sg[z] - e)^2; 0 learns the codebook by moving averages instead.
        commitment: Weight of mean (z - sg[e])^2.
        decay: Share of the old average that a step keeps, where moving averages learn the codebook.
        reset_threshold: Share of the uniform rate below which a code is replaced by an encoder output; 0 never does.
        reset_window: Window over which hits are counted, in vectors per code; 64 is about an epoch.
        hidden: Hidden width that the publication gives this family; 0 takes the protocol's.
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        codebook_weight: float = 1.3,
        commitment: float = 0.88,
        decay: float = 0.99,
        reset_threshold: float = 0.03,
        reset_window: float = 33.0,
        hidden: int = 0,
    ) -> None:
        super().__init__(num_codes, code_dim, commitment=commitment, codebook_weight=codebook_weight)
        self.hidden = int(check_range("hidden", hidden, 0, 1 << 20)) or None
        self.average = None if codebook_weight else MovingAverage(num_codes, code_dim, decay, "transient", 1.0, True)
        self.dead_codes = DeadCodes(num_codes, reset_threshold, reset_window) if reset_threshold else None

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw both weights of the loss, and whether and after which window dead codes start again."""
        reset = trial.suggest_categorical("reset", [True, False])
        return {
            "codebook_weight": decades(trial, "codebook_weight", 1.0),
            "commitment": decades(trial, "commitment", 0.25),
            "reset_threshold": 0.03 if reset else 0.0,
            "reset_window": decades(trial, "reset_window", 64.0) if reset else 64.0,
        }

    def restart(self) -> None:
        """Start the averages from the codebook, and the window from zero."""
        if self.average is not None:
            self.average.restart(self.vectors)
        if self.dead_codes is not None:
            self.dead_codes.hits.zero_()

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Move averages and reset dead codes, where these are switched on."""
        if self.average is None and self.dead_codes is None:
            return
        totals = batch_totals(z, codes, self.num_codes)
        if self.average is not None:
            self.average.step(self.vectors, totals)
        if self.dead_codes is not None:
            dead = self.dead_codes.replace(self.vectors, z, totals[:, -1:])
            if self.average is not None:
                self.average.replace(self.vectors, dead, count=z.shape[0] / self.num_codes)
