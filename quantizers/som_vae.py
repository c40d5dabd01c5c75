"""`som-vae`: a map whose codes are learned by gradients of the reconstruction and of their neighbours."""

from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from quantizers._search import decades
from quantizers.base import Quantized
from quantizers.checks import check_range
from quantizers.grids import grid_positions, grid_sides
from quantizers.learned import LearnedCodebook

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class SOMVAE(LearnedCodebook):
    """SOM-VAE without transitions (Fortuin et al. 2019, arXiv 1806.02199, Eqs. 1 to 4, as in the authors' code).

    The decoder reconstructs from the code and from z itself, and nothing passes straight through: the first error
    trains decoder and code, the second encoder and decoder (`decodes_latents`). Neighbours at the border of the grid
    are left out, while the mean is taken over all units that an inner code has.

    Args:
        num_codes: Number K of codes, laid out on the most nearly square or cubic grid.
        code_dim: Dimension D of the code vectors.
        dimensions: Number of dimensions of the grid, 1 to 3.
        commitment: Weight of mean (z - e_k)², whose gradient reaches both (the paper's alpha).
        neighbourhood: Weight of the mean of (sg[z] - e)² over the code and its neighbours along the axes (beta).
        initialisation: Start of the codes, "data" (encoder outputs) or "normal" (draws from N(0, I)).
    """

    decodes_latents: ClassVar[bool] = True
    units: Tensor
    inside: Tensor

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        dimensions: int = 2,
        commitment: float = 1.0,
        neighbourhood: float = 0.9,
        initialisation: str = "data",
    ) -> None:
        sides = grid_sides(num_codes, dimensions)
        positions = grid_positions(sides)
        super().__init__(
            num_codes,
            code_dim,
            commitment=commitment,
            codebook_weight=1.0,  # the codes are a parameter
            initialisation=initialisation,
            positions=positions,
        )
        self.neighbourhood = check_range("neighbourhood", neighbourhood, 0, 100)
        units, inside = cross(positions, sides)
        self.register_buffer("units", units)
        self.register_buffer("inside", inside)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw both weights."""
        return {
            "commitment": decades(trial, "commitment", 1.0),
            "neighbourhood": decades(trial, "neighbourhood", 0.9),
        }

    def forward(self, z: Tensor) -> Quantized:
        """Look codes up; the loss pulls z and its code together, and the neighbours to z."""
        codes = self.encode(z)
        vectors = self.decode(codes)
        if not self.training:
            return Quantized(vectors, codes, z.new_zeros(()))
        squared = (z.detach()[:, None] - self.vectors[self.units[codes]]).square().mean(dim=2)
        neighbours = (squared * self.inside[codes]).mean()
        return Quantized(vectors, codes, self.commitment * F.mse_loss(z, vectors) + self.neighbourhood * neighbours)


def cross(positions: Tensor, sides: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Every code with its neighbours one step along each axis.

    Args:
        positions: (K, g) places of the codes on the grid, in the order of the codes.
        sides: Sides of the grid.

    Returns:
        (K, 2 g + 1) codes, of which those outside the grid are the code itself, and whether each is inside, 0 or 1.
    """
    axes = torch.eye(len(sides), dtype=torch.int64)
    steps = torch.cat([torch.zeros(1, len(sides), dtype=torch.int64), axes, -axes])
    places = positions[:, None] + steps
    inside = ((places >= 0) & (places < torch.tensor(sides))).all(dim=2)
    basis = torch.tensor(sides).flip(0).cumprod(0).flip(0) // torch.tensor(sides)
    units = (places * basis).sum(dim=2)
    codes = torch.arange(len(positions))[:, None]
    return torch.where(inside, units, codes), inside.float()
