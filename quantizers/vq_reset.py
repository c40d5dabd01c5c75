"""`vq-reset`: `vq` whose dead codes start again from encoder outputs."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from quantizers._ema import DeadCodes, MovingAverage
from quantizers._search import decades, kept_share
from quantizers.learned import LearnedCodebook, batch_totals

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class VQReset(LearnedCodebook):
    """Moving-average vector quantization with dead-code reset.

    The reset follows Jukebox (Dhariwal et al. 2020, section 3.1) with the threshold as a share of the uniform rate.
    The defaults come from tuning (docs/results/tuning.md). The usual values are a decay of 0.99 and a commitment of
    0.25.

    Args:
        num_codes: Number K of codes.
        code_dim: Dimension D of the code vectors.
        decay: Share of the old average that a step keeps.
        commitment: Weight of mean (z - sg[e])^2.
        smoothing: Kind of Laplace smoothing of the counts: "none", "transient" or "persistent".
        initial_count: Count N(0) with which the averages start, 0 or 1.
        update_zero: Whether codes without a hit decay too.
        reset_threshold: Share of the uniform rate below which a code is dead.
        reset_window: Window over which hits are counted, in vectors per code; 64 is about an epoch.
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        decay: float = 0.954,
        commitment: float = 1.1,
        smoothing: str = "transient",
        initial_count: float = 1.0,
        update_zero: bool = True,
        reset_threshold: float = 0.031,
        reset_window: float = 71.0,
    ) -> None:
        super().__init__(num_codes, code_dim, commitment=commitment)
        self.average = MovingAverage(num_codes, code_dim, decay, smoothing, initial_count, update_zero)
        self.dead_codes = DeadCodes(num_codes, reset_threshold, reset_window)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw decay and commitment, and the threshold and the window of the reset."""
        return {
            "decay": kept_share(trial, "decay", 0.99),
            "commitment": decades(trial, "commitment", 0.25),
            "reset_threshold": decades(trial, "reset_threshold", 0.03),
            "reset_window": decades(trial, "reset_window", 64.0),
        }

    def restart(self) -> None:
        """Start the averages from the codebook, and the window from zero."""
        self.average.restart(self.vectors)
        self.dead_codes.hits.zero_()

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Move the averages, then replace the dead codes by encoder outputs of the batch."""
        totals = batch_totals(z, codes, self.num_codes)
        self.average.step(self.vectors, totals)
        dead = self.dead_codes.replace(self.vectors, z, totals[:, -1:])
        self.average.replace(self.vectors, dead, count=z.shape[0] / self.num_codes)
