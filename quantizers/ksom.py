"""`ksom`: moving averages shared with the neighbours on a grid."""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from quantizers._ema import MovingAverage
from quantizers._search import decades, kept_share
from quantizers.checks import check_choice, check_range
from quantizers.grids import exponential_smooth, gaussian_smooth, geometric, grid_positions, grid_sides, hard_smooth
from quantizers.learned import LearnedCodebook, batch_totals

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

NEIGHBOURHOODS = ("none", "hard", "gaussian", "exponential")


class KSOM(LearnedCodebook):
    """Kohonen map as a generalised moving-average quantizer (Irie, Csordas and Schmidhuber 2023, arXiv 2302.07950).

    Hits and sums of a batch are smoothed over the grid before they enter the averages; without a neighbourhood the
    family equals `vq`. The paper writes a Gaussian of the squared distance; its code has exp(-d / length), here
    "exponential". The preset `paper` is the paper's main setting: hard, 2-D, tau 0.1.

    Args:
        num_codes: Number K of codes, laid out on the most nearly square grid.
        code_dim: Dimension D of the code vectors.
        neighbourhood: Kind of neighbourhood: "none"; "hard", the adjacent codes at one weight; "gaussian", exp(-d^2 /
            (2 sigma^2)); "exponential", exp(-d / sigma).
        dimensions: Number of dimensions of the grid, 1 to 3.
        schedule: Law of the bandwidth. "sigma": the bandwidth falls geometrically over training, and the hard weight is
            exp(-1 / (2 sigma^2)). "tau": the KSOM code's law in steps t, bandwidth base / (1 + tau t), hard weight
            1 / (1 + tau t).
        sigma_start: Bandwidth at the start in grid steps; 0 takes a quarter of the longer side.
        sigma_end: Bandwidth at the end in grid steps.
        tau: Shrink rate per training step under "tau".
        base: Bandwidth at t = 0 under "tau", 10 on the KSOM command line.
        decay: Share of the old average that a step keeps.
        commitment: Weight of mean (z - sg[e])^2.
        smoothing: Kind of Laplace smoothing of the counts: "none", "transient" or "persistent" (the KSOM code's).
        initial_count: Count N(0) with which the averages start, 0 or 1.
        update_zero: Whether codes without a hit, neighbours included, decay too ("update-0").
        initialisation: Start of the codes, "data" (encoder outputs) or "normal" (N(0, I), the KSOM paper's).
    """

    steps: Tensor

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        neighbourhood: str = "gaussian",
        dimensions: int = 2,
        schedule: str = "sigma",
        sigma_start: float = 0.0,
        sigma_end: float = 0.1,
        tau: float = 0.1,
        base: float = 10.0,
        decay: float = 0.99,
        commitment: float = 0.25,
        smoothing: str = "transient",
        initial_count: float = 1.0,
        update_zero: bool = True,
        initialisation: str = "data",
    ) -> None:
        sides = grid_sides(num_codes, dimensions)
        super().__init__(
            num_codes,
            code_dim,
            commitment=commitment,
            initialisation=initialisation,
            positions=grid_positions(sides),
        )
        self.sides = sides
        self.neighbourhood = check_choice("neighbourhood", neighbourhood, NEIGHBOURHOODS)
        self.schedule = check_choice("schedule", schedule, ("sigma", "tau"))
        self.sigma_start = check_range("sigma_start", sigma_start, 0, 1e6) or max(max(sides) / 4, 1.0)
        self.sigma_end = check_range("sigma_end", sigma_end, 1e-3, 1e6)
        self.tau = check_range("tau", tau, 0, math.inf)
        self.base = check_range("base", base, 1e-3, 1e6)
        self.average = MovingAverage(num_codes, code_dim, decay, smoothing, initial_count, update_zero)
        self.register_buffer("steps", torch.zeros(()))

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw decay and commitment, the kind of neighbourhood and its final bandwidth."""
        return {
            "decay": kept_share(trial, "decay", 0.99),
            "commitment": decades(trial, "commitment", 0.25),
            "neighbourhood": trial.suggest_categorical("neighbourhood", NEIGHBOURHOODS[1:]),
            "sigma_end": decades(trial, "sigma_end", 0.5),
        }

    def restart(self) -> None:
        """Start the averages from the codebook, and the schedule in steps."""
        self.average.restart(self.vectors)
        self.steps.zero_()

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Smooth the batch's hits and sums over the grid, then move averages and codebook."""
        totals = batch_totals(z, codes, self.num_codes)
        self.average.step(self.vectors, self._smooth(totals, progress))
        self.steps.add_(1)

    def _smooth(self, totals: Tensor, progress: Tensor) -> Tensor:
        if self.neighbourhood == "none":
            return totals
        if self.schedule == "tau":
            hard_weight = 1 / (1 + self.tau * self.steps)
            sigma = self.base * hard_weight
        else:
            sigma = geometric(self.sigma_start, self.sigma_end, progress)
            hard_weight = torch.exp(-0.5 / sigma.square())
        if self.neighbourhood == "hard":
            return hard_smooth(totals, self.sides, hard_weight)
        smoother = gaussian_smooth if self.neighbourhood == "gaussian" else exponential_smooth
        return smoother(totals, self.sides, sigma)
