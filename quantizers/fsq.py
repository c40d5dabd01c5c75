"""`fsq`: bounded rounding on a lattice, without a codebook to learn."""

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantizers.base import Quantized, Quantizer
from quantizers.checks import check_range

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

# Mentzer et al. 2023, Table 1, and the squares of other grids that suites use.
LEVELS = {
    64: (8, 8),
    256: (8, 6, 5),
    1_024: (8, 5, 5, 5),
    2_304: (8, 8, 6, 6),
    4_096: (7, 5, 5, 5, 5),
    16_384: (8, 8, 8, 6, 5),
    65_536: (8, 8, 8, 5, 5, 5),
}
MARGIN = 1e-3
LARGEST = 1 << 20
# Levels per channel: two leave a dead one, and with more than 1 / MARGIN the bound would reach beyond the last level.
FEWEST_LEVELS, MOST_LEVELS = 3, round(1 / MARGIN)
FAR = 0.1  # relative distance from K at which a product no longer stands for K codes


def levels_for(num_codes: int, channels: int | None = None) -> tuple[int, ...]:
    """Levels whose product is near K: the paper's where it lists K, else 5 to 8 per channel.

    - Among products equally near, the one with more channels is taken; for K < 25, one channel of K levels.
    - Vectors with fewer dimensions than channels get one channel per dimension, of levels that are equal or one apart.
    - K = 2 has no lattice: the nearest has three codes, 58 % more bits per token.

    Args:
        num_codes: Number K of codes.
        channels: Largest number of channels, which is D: a projection onto more would add nothing. None for any.

    Raises:
        ValueError: No product is near K, because K is 2 or too large for so few channels, or there are no channels.

    >>> levels_for(1024), levels_for(512), levels_for(20)
    ((8, 5, 5, 5), (8, 8, 8), (20,))
    >>> levels_for(1024, channels=3), levels_for(512, channels=2), levels_for(256, channels=1)
    ((10, 10, 10), (23, 22), (256,))
    """
    if num_codes < FEWEST_LEVELS:
        raise ValueError(
            f"Expected at least {FEWEST_LEVELS} codes, got {num_codes}: levels of at least {FEWEST_LEVELS} make no "
            f"lattice of fewer. Take --codebook-size {FEWEST_LEVELS} or more, or another quantizer."
        )
    if channels is not None and channels < 1:
        raise ValueError(f"Expected at least 1 channel (D), got {channels}.")
    usual = _usual_levels(num_codes)
    if channels is None or len(usual) <= channels:
        return usual
    levels = _equal_levels(num_codes, channels)
    if abs(math.prod(levels) / num_codes - 1) > FAR:
        raise ValueError(
            f"Expected at most {MOST_LEVELS**channels} codes in {channels} channels (D) of at most {MOST_LEVELS} "
            f"levels, got {num_codes}. Take a smaller --codebook-size, or another quantizer."
        )
    return levels


def _equal_levels(num_codes: int, channels: int) -> tuple[int, ...]:
    root = int(num_codes ** (1 / channels))
    low, high = min(root, MOST_LEVELS), min(root + 1, MOST_LEVELS)
    options = [(high,) * more + (low,) * (channels - more) for more in range(channels + 1)]
    return min(
        (levels for levels in options if math.prod(levels) <= LARGEST),
        key=lambda levels: abs(math.prod(levels) - num_codes),
    )


def _usual_levels(num_codes: int) -> tuple[int, ...]:
    if num_codes in LEVELS:
        return LEVELS[num_codes]
    if num_codes < 25:
        return (num_codes,)
    splits: list[tuple[int, ...]] = []

    def extend(chosen: tuple[int, ...], product: int) -> None:
        if len(chosen) > 1:
            splits.append(chosen)
        for level in range(8, 4, -1):
            if level <= (chosen[-1] if chosen else 8) and product * level <= min(2 * num_codes, LARGEST):
                extend((*chosen, level), product * level)

    extend((), 1)
    return min(splits, key=lambda levels: (abs(math.prod(levels) - num_codes), -len(levels)))


class FSQ(Quantizer):
    """Finite scalar quantization (Mentzer et al. 2023, section 3 and Appendix A.1).

    Linear projections lead from D to the channels and back; they count as the network's parameters. The shift of the
    bound is atanh, the true inverse, as in later ports; the published notebook has tan.

    Args:
        num_codes: Wanted number K of codes; the attribute `num_codes` is the product of the levels.
        code_dim: Dimension D of the code vectors.
        levels: Numbers of levels per channel, at least 3 each; empty takes the paper's for K, in at most D channels.
        channels: Number of channels of equal levels, with a product near K, instead of `levels` (2: a square grid); 0
            is off.
    """

    reach: Tensor
    offset: Tensor
    shift: Tensor
    centre: Tensor
    basis: Tensor
    lattice: Tensor

    def __init__(self, num_codes: int, code_dim: int, *, levels: tuple[int, ...] = (), channels: int = 0) -> None:
        check_range("num_codes", num_codes, 1, LARGEST + 1)
        if not 0 <= channels <= code_dim:
            raise ValueError(f"Expected 0 <= channels <= {code_dim} (D), got {channels}.")
        if channels:
            root = int(num_codes ** (1 / channels))
            side = min((root, root + 1), key=lambda level: abs(level**channels - num_codes))
            levels = (side,) * channels
        levels = tuple(levels) or levels_for(num_codes, code_dim)
        if not FEWEST_LEVELS <= min(levels) <= max(levels) <= MOST_LEVELS:
            raise ValueError(f"Expected levels of at least {FEWEST_LEVELS} and at most {MOST_LEVELS}, got {levels}.")
        if len(levels) > code_dim or math.prod(levels) > LARGEST:
            raise ValueError(f"Expected at most {code_dim} (D) levels and {LARGEST} codes, got {levels}.")
        digits = torch.cartesian_prod(*(torch.arange(level) for level in reversed(levels)))
        digits = digits.reshape(-1, len(levels)).flip(1)  # the first channel is the least significant
        super().__init__(math.prod(levels), code_dim, positions=digits)
        self.levels = levels
        self.project_in = nn.Linear(code_dim, len(levels))
        self.project_out = nn.Linear(len(levels), code_dim)
        sizes = torch.tensor(levels)
        reach = (sizes - 1) * (1 + MARGIN) / 2
        offset = torch.where(sizes % 2 == 0, 0.5, 0.0)
        self.register_buffer("reach", reach)
        self.register_buffer("offset", offset)
        self.register_buffer("shift", torch.atanh(offset / reach))
        self.register_buffer("centre", sizes // 2)
        self.register_buffer("basis", sizes.cumprod(0) // sizes)
        self.register_buffer("lattice", (digits - sizes // 2) / (sizes // 2))

    @property
    def codebook(self) -> Tensor:
        """(K, D) projected lattice, which is implicit and cannot be set."""
        return self.project_out(self.lattice)  # type: ignore[no-any-return]

    @property
    def latent_codebook(self) -> Tensor:
        """(K, channels) lattice in steps of one."""
        return self.lattice * self.centre

    @property
    def codebook_values(self) -> int:
        """Number of stored codebook values, which is 0."""
        return 0

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw the layout of the codes, the only choice: the paper's levels, or two to four equal ones."""
        return {"channels": trial.suggest_categorical("channels", [0, 2, 3, 4])}

    def describe(self) -> dict[str, Any]:
        """Levels of the lattice."""
        return {"levels": list(self.levels)}

    def initialise(self, z: Tensor) -> None:
        """Project onto the leading principal components of z, at unit variance, and back by least squares.

        This corresponds to a codebook that starts from the data. Otherwise the projections would start at random in a
        warmed-up autoencoder.
        """
        with torch.no_grad():
            # In float64 and by small symmetric systems: least squares in float32 moves with the address of its input.
            points = z.double()
            mean = points.mean(0)
            variances, directions = torch.linalg.eigh((points - mean).T @ (points - mean) / len(points))
            leading = directions.flip(1)[:, : len(self.levels)]
            largest = leading.gather(0, leading.abs().argmax(0, keepdim=True))
            deviations = variances.flip(0)[: len(self.levels)].clamp_min(1e-12).sqrt()
            weight = (leading * largest.sign() / deviations).T
            self.project_in.weight.copy_(weight)
            self.project_in.bias.copy_(-weight @ mean)
            cells = self._normalise(self.latents(z).round()).double()
            design = torch.cat([cells, torch.ones_like(cells[:, :1])], dim=1)
            ridge = 1e-6 * torch.eye(design.shape[1], dtype=design.dtype, device=design.device)
            solution = torch.linalg.solve(design.T @ design / len(points) + ridge, design.T @ points / len(points))
            self.project_out.weight.copy_(solution[:-1].T)
            self.project_out.bias.copy_(solution[-1])

    def latents(self, z: Tensor) -> Tensor:
        """Project and bound z (B, D) -> (B, channels), in steps of one."""
        return self._bound(self.project_in(z))

    def encode(self, z: Tensor) -> Tensor:
        """Index of the cell of each vector; projection and bound are computed in float64."""
        weight, bias = self.project_in.weight.double(), self.project_in.bias.double()
        return self._index(self._bound(F.linear(z.double(), weight, bias)).round())

    def forward(self, z: Tensor) -> Quantized:
        """Round with the straight-through gradient; no loss of its own."""
        if not self.training:
            codes = self.encode(z)
            return Quantized(self.decode(codes), codes, z.new_zeros(()))
        bounded = self.latents(z)
        rounded = bounded.round()
        codes = self._index(rounded)
        passed = bounded + (rounded - bounded).detach()
        return Quantized(self.project_out(self._normalise(passed)), codes, z.new_zeros(()))

    def _bound(self, projected: Tensor) -> Tensor:
        return torch.tanh(projected + self.shift) * self.reach - self.offset

    def _normalise(self, rounded: Tensor) -> Tensor:
        return rounded / self.centre

    def _index(self, rounded: Tensor) -> Tensor:
        # A NaN has no cell and gets an arbitrary one; the loss that made it NaN is reported elsewhere.
        return ((rounded.nan_to_num().long() + self.centre) * self.basis).sum(1)
