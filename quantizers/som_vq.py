"""`som-vq`: a self-organising map whose winner also tracks its vectors."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from quantizers._search import decades
from quantizers.checks import check_range
from quantizers.grids import gaussian_smooth, geometric, grid_positions, grid_sides, som_step
from quantizers.learned import LearnedCodebook, batch_totals

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class SOMVQ(LearnedCodebook):
    """SOM-VQ (Londei, Lanzieri and Benati 2026, section 2.2 and Appendix A).

    In phase 1, the warm-up share, Kohonen's rule alone moves the codes, with a narrowing bandwidth. A step of phase 2
    has two stages: the same rule at a fixed bandwidth (Eq. 3), then every code that was hit moves towards the mean of
    its vectors (Eq. 5). The published text lacks the values of the parameters. The preset `paper` holds values fitted
    to its figures, with which half of all frames have their two nearest codes apart on the grid; the defaults keep an
    ordered map.

    Args:
        num_codes: Number K of codes, laid out on the grid whose sides are most nearly equal.
        code_dim: Dimension D of the code vectors.
        warm_up_rate: Learning rate of phase 1.
        sigma_start: Bandwidth at the start of phase 1 in grid steps; 0 takes half the longer side.
        sigma_end: Bandwidth at the end of phase 1 in grid steps.
        rate: Learning rate of stage 1 in phase 2 (eta).
        sigma: Bandwidth of phase 2 in grid steps.
        commitment_rate: Learning rate of stage 2 (alpha).
        commitment: Weight of mean (z - sg[e])^2 (beta, Eq. 6).
        warm_up_share: Share of the epochs spent in phase 1.
        dimensions: Number of dimensions of the grid, 1 to 3.
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        warm_up_rate: float = 0.1,
        sigma_start: float = 0.0,
        sigma_end: float = 1.0,
        rate: float = 0.05,
        sigma: float = 1.0,
        commitment_rate: float = 0.1,
        commitment: float = 0.25,
        warm_up_share: float = 1 / 6,
        dimensions: int = 2,
    ) -> None:
        sides = grid_sides(num_codes, dimensions)
        super().__init__(num_codes, code_dim, commitment=commitment, positions=grid_positions(sides))
        self.sides = sides
        self.warm_up_rate = check_range("warm_up_rate", warm_up_rate, 0, 1)
        self.sigma_start = check_range("sigma_start", sigma_start, 0, 1e6) or max(sides) / 2
        self.sigma_end = check_range("sigma_end", sigma_end, 1e-3, 1e6)
        self.rate = check_range("rate", rate, 0, 1)
        self.sigma = check_range("sigma", sigma, 1e-3, 1e6)
        self.commitment_rate = check_range("commitment_rate", commitment_rate, 0, 1)
        self.warm_up_share = check_range("warm_up_share", warm_up_share, 0, 1)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw the parameters of both stages of phase 2, and the commitment."""
        return {
            "rate": decades(trial, "rate", 0.05),
            "sigma": decades(trial, "sigma", 1.0),
            "commitment_rate": decades(trial, "commitment_rate", 0.1, below=0.999),
            "commitment": decades(trial, "commitment", 0.25),
        }

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Move the codes by one batch, in phase 1 or phase 2."""
        totals = batch_totals(z, codes, self.num_codes)
        warming = progress < self.warm_up_share
        annealed = geometric(self.sigma_start, self.sigma_end, progress / max(self.warm_up_share, 1e-9))
        sigma = torch.where(warming, annealed, self.sigma)
        rate = torch.where(warming, self.warm_up_rate, self.rate)
        moved = som_step(self.vectors, gaussian_smooth(totals, self.sides, sigma), rate)
        hits = totals[:, -1:]
        alpha = hits.clamp_max(1) * torch.where(warming, 0.0, self.commitment_rate)
        self.vectors.copy_(torch.lerp(moved, totals[:, :-1] / hits.clamp_min(1), alpha))
