"""`lfq`: signs of a few channels, without a codebook to learn."""

import math
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantizers._search import decades
from quantizers.base import Quantized, Quantizer
from quantizers.checks import check_range

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

MOST_BITS = 20
MOST_JOINT_BITS = 12
"""Number of bits above which the entropy of all codes is taken as the sum of the entropies of the bits."""

SMALLEST_SHARE = 1e-9
LEAST_VARIANCE = 1e-6
"""Variance of a principal component, as a share of the largest, below which it is none."""


class LFQ(Quantizer):
    """Lookup-free quantization (Yu et al. 2023, MAGVIT-v2, arXiv 2310.05737, section 3.1), and binary spherical.

    z is normalised over its D dimensions, without learned scales, and a linear projection leads to b = log2 K channels,
    whose signs are the code. A second projection leads back. Both count as the network's parameters. The spherical
    form (Zhao et al. 2024, BSQ, arXiv 2406.07548) puts the channels on the unit sphere and the codes at ±1/√b.

    The entropy term is E[H(p(k|z))] - diversity H(E[p(k|z)]), with p(k|z) in proportion to exp(-|u - c_k|²/temperature)
    of the channels u and the corners c. H(p(k|z)) is a sum over the bits. H(E[p(k|z)]) is exact up to 12 bits; above,
    and in the spherical form, it is the sum over the bits, which is at least as large (BSQ, Eq. 13).

    Args:
        num_codes: Wanted number K of codes; the attribute `num_codes` is the nearest power of two.
        code_dim: Dimension D of the code vectors.
        spherical: Whether the channels lie on the unit sphere.
        entropy: Weight of the entropy term.
        diversity: Weight within it of the entropy of all codes.
        commitment: Weight of mean (u - sg[c])² in the channels.
        temperature: Temperature of p(k|z).
    """

    # The gradient of the entropy term is steep, by 4 / temperature, so that the last digit of a batched product grows.
    vectorised: ClassVar[bool] = False
    basis: Tensor
    corners: Tensor

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        spherical: bool = False,
        entropy: float = 0.1,
        diversity: float = 1.0,
        commitment: float = 0.25,
        temperature: float = 0.01,
    ) -> None:
        check_range("num_codes", num_codes, 2, (1 << MOST_BITS) + 1)
        bits = round(math.log2(num_codes))
        places = torch.arange(bits)
        digits = (torch.arange(1 << bits)[:, None] >> places) & 1  # the first channel is the least significant
        super().__init__(1 << bits, code_dim, positions=digits)
        self.bits = bits
        self.spherical = bool(spherical)
        self.scale = 1 / math.sqrt(bits) if spherical else 1.0
        self.entropy = check_range("entropy", entropy, 0, 100)
        self.diversity = check_range("diversity", diversity, 0, 100)
        self.commitment = check_range("commitment", commitment, 0, 100)
        self.temperature = check_range("temperature", temperature, 1e-6, 1e6)
        self.project_in = nn.Linear(code_dim, bits)
        self.project_out = nn.Linear(bits, code_dim)
        self.register_buffer("basis", 1 << places)
        self.register_buffer("corners", self.scale * (2.0 * digits - 1))

    @property
    def codebook(self) -> Tensor:
        """(K, D) projected corners, which are implicit and cannot be set."""
        return self.project_out(self.corners)  # type: ignore[no-any-return]

    @property
    def latent_codebook(self) -> Tensor:
        """(K, b) corners of the cube."""
        return self.corners

    @property
    def codebook_values(self) -> int:
        """Number of stored codebook values, which is 0."""
        return 0

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw the three weights of the loss."""
        return {
            "entropy": decades(trial, "entropy", 0.1),
            "diversity": decades(trial, "diversity", 1.0),
            "commitment": decades(trial, "commitment", 0.25),
        }

    def describe(self) -> dict[str, Any]:
        """Number of channels."""
        return {"bits": self.bits}

    @torch.no_grad()
    def initialise(self, z: Tensor) -> None:
        """Project onto the leading principal components of z, at unit variance, and back by least squares.

        Channels beyond these keep their random directions, at unit variance.
        """
        points = self._normalise(z.double())
        mean = points.mean(0)
        variances, directions = torch.linalg.eigh((points - mean).T @ (points - mean) / len(points))
        vary = variances.flip(0) > LEAST_VARIANCE * variances[-1]  # the normalisation leaves D - 1 dimensions
        leading = directions.flip(1).T[vary][: self.bits]
        largest = leading.gather(1, leading.abs().argmax(1, keepdim=True))
        weight = self.project_in.weight.double()
        weight[: len(leading)] = leading * largest.sign()
        deviations = (weight @ directions * variances.clamp_min(1e-12).sqrt()).square().sum(1, keepdim=True).sqrt()
        weight = weight / deviations
        self.project_in.weight.copy_(weight)
        self.project_in.bias.copy_(-weight @ mean)
        corners = self.corners[self.encode(z)].double()
        design = torch.cat([corners, torch.ones_like(corners[:, :1])], dim=1)
        ridge = 1e-6 * torch.eye(design.shape[1], dtype=design.dtype, device=design.device)
        solution = torch.linalg.solve(design.T @ design / len(z) + ridge, design.T @ z.double() / len(z))
        self.project_out.weight.copy_(solution[:-1].T)
        self.project_out.bias.copy_(solution[-1])

    def latents(self, z: Tensor) -> Tensor:
        """Channels (B, b) of z (B, D), whose signs are the code."""
        weight, bias = self.project_in.weight.to(z.dtype), self.project_in.bias.to(z.dtype)
        channels = F.linear(self._normalise(z), weight, bias)
        return F.normalize(channels, dim=1) if self.spherical else channels

    def encode(self, z: Tensor) -> Tensor:
        """Number of the corner of each vector, decided in float64; a channel of 0 has the positive sign."""
        return self._index(self.latents(z.double()))

    def forward(self, z: Tensor) -> Quantized:
        """Signs with the straight-through gradient, and the loss of entropy and commitment."""
        if not self.training:
            codes = self.encode(z)
            return Quantized(self.decode(codes), codes, z.new_zeros(()))
        channels = self.latents(z)
        corners = torch.where(channels >= 0, self.scale, -self.scale).to(channels.dtype)
        loss = self.commitment * F.mse_loss(channels, corners.detach())
        if self.entropy:
            loss = loss + self.entropy * self.entropy_term(channels)
        passed = channels + (corners - channels).detach()
        return Quantized(self.project_out(passed), self._index(channels), loss)

    def entropy_term(self, channels: Tensor) -> Tensor:
        """E[H(p(k|z))] - diversity H(E[p(k|z)]) () in nats, of channels (B, b)."""
        logits = 4 * self.scale * channels / self.temperature  # of a bit: the difference of both squared distances
        certain = _binary_entropy(logits).sum(dim=1).mean()
        if self.spherical or self.bits > MOST_JOINT_BITS:
            share = torch.sigmoid(logits).mean(dim=0)
            return certain - self.diversity * (_information(share) + _information(1 - share)).sum()
        signs = self.corners / self.scale
        joint = F.logsigmoid(logits) @ (signs > 0).to(logits.dtype).T
        joint = joint + F.logsigmoid(-logits) @ (signs < 0).to(logits.dtype).T
        return certain - self.diversity * _information(joint.exp().mean(dim=0)).sum()

    def _normalise(self, z: Tensor) -> Tensor:
        # A single dimension would be 0 after its mean is taken away.
        return F.layer_norm(z, z.shape[-1:]) if z.shape[-1] > 1 else z

    def _index(self, channels: Tensor) -> Tensor:
        return ((channels >= 0).long() * self.basis).sum(1)


def _information(share: Tensor) -> Tensor:
    """-p log p, whose gradient at 0 is large and not infinite."""
    return -share * share.clamp_min(SMALLEST_SHARE).log()


def _binary_entropy(logits: Tensor) -> Tensor:
    """Entropy of a bit with these logits, in nats."""
    return F.softplus(logits) - logits * torch.sigmoid(logits)
