"""`som-hard`: the pure self-organising map."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from quantizers._search import decades
from quantizers.checks import check_range
from quantizers.grids import gaussian_smooth, geometric, grid_positions, grid_sides, som_step
from quantizers.learned import LearnedCodebook, batch_totals

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class SOMHard(LearnedCodebook):
    """Kohonen's map (Kohonen 2001) with a Gaussian neighbourhood that narrows over training.

    It is called "hard" because only the map moves the codes: the SOM-VQ paper's baseline without stage 2 (its Eq. 5).

    Args:
        num_codes: Number K of codes, laid out on the grid whose sides are most nearly equal.
        code_dim: Dimension D of the code vectors.
        rate: Learning rate of the per-sample rule, applied to batches.
        sigma_start: Bandwidth at the start in grid steps; 0 takes half the longer side.
        sigma_end: Bandwidth at the end in grid steps.
        commitment: Weight of mean (z - sg[e])^2.
        warm_up_share: Share of the epochs in which the map alone learns.
        dimensions: Number of dimensions of the grid, 1 to 3.
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        rate: float = 0.1,
        sigma_start: float = 0.0,
        sigma_end: float = 0.5,
        commitment: float = 0.25,
        warm_up_share: float = 1 / 6,
        dimensions: int = 2,
    ) -> None:
        sides = grid_sides(num_codes, dimensions)
        super().__init__(num_codes, code_dim, commitment=commitment, positions=grid_positions(sides))
        self.sides = sides
        self.rate = check_range("rate", rate, 0, 1)
        self.sigma_start = check_range("sigma_start", sigma_start, 0, 1e6) or max(sides) / 2
        self.sigma_end = check_range("sigma_end", sigma_end, 1e-3, 1e6)
        self.warm_up_share = check_range("warm_up_share", warm_up_share, 0, 1)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw the rate and the warm-up share of the map, its final bandwidth, and the commitment."""
        return {
            "rate": decades(trial, "rate", 0.1, below=0.999),
            "sigma_end": decades(trial, "sigma_end", 0.5),
            "commitment": decades(trial, "commitment", 0.25),
            "warm_up_share": trial.suggest_float("warm_up_share", 0.0, 0.5),
        }

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Move the codes by one batch of Kohonen's rule (SOM-VQ, Eqs. 3 and 4)."""
        sigma = geometric(self.sigma_start, self.sigma_end, progress)
        totals = gaussian_smooth(batch_totals(z, codes, self.num_codes), self.sides, sigma)
        self.vectors.copy_(som_step(self.vectors, totals, self.rate))
