"""`rvq`: residual quantization, stages that quantize what the stages before them left."""

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from quantizers._digits import Digits
from quantizers._search import decades, kept_share
from quantizers.base import Quantized
from quantizers.checks import check_choice, check_range
from quantizers.learned import batch_totals, sample_rows
from quantizers.nearest import nearest

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

GRADIENTS = ("once", "first", "every")
LLOYD_STEPS = 10


class RVQ(Digits):
    """Residual vector quantization (Zeghidour et al. 2021, SoundStream, arXiv 2107.03312, Algorithm 1).

    Stage m takes the code nearest to the residual r_m = z - e_1 - ... - e_(m-1). That is a greedy search: the result
    need not be the nearest of all K sums. Implementations differ in the gradient that reaches z:

    - "once": the reconstruction's gradient passes straight through the sum once, and the commitment of every stage
      reaches z.
    - "first": residuals pass no gradient, so that only the first stage's commitment reaches z (EnCodec and DAC, whose
      residual subtracts the straight-through vector).
    - "every": z gets the reconstruction's gradient once per stage, and the commitment's gradient of every stage
      (vector-quantize-pytorch, whose residual subtracts the detached vector).

    Args:
        num_codes: Wanted number K of codes; the attribute `num_codes` is the nearest power k^stages.
        code_dim: Dimension D of the code vectors.
        stages: Number of stages, at least 2.
        residual_gradient: Gradient that reaches z, "once", "first" or "every".
        decay: Share of the old average that a step keeps.
        commitment: Weight of each stage's mean (r_m - sg[e_m])².
        smoothing: Kind of Laplace smoothing of the counts: "none", "transient" or "persistent".
        dropout: Share of a training batch that uses fewer stages, spread evenly over 1 to stages - 1 (quantizer
            dropout).
        one_index: Whether a code is one index, whose digits are the stages' codes.
    """

    index_count: ClassVar[str] = "stages"

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        stages: int = 2,
        residual_gradient: str = "once",
        decay: float = 0.99,
        commitment: float = 0.25,
        smoothing: str = "transient",
        dropout: float = 0.0,
        one_index: bool = False,
    ) -> None:
        check_range("stages", stages, 2, 33)
        super().__init__(
            num_codes,
            code_dim,
            stages,
            code_dim,
            decay=decay,
            commitment=commitment,
            smoothing=smoothing,
            one_index=one_index,
        )
        self.residual_gradient = check_choice("residual_gradient", residual_gradient, GRADIENTS)
        self.dropout = check_range("dropout", dropout, 0, 1)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw decay and commitment."""
        return {"decay": kept_share(trial, "decay", 0.99), "commitment": decades(trial, "commitment", 0.25)}

    def describe(self) -> dict[str, Any]:
        """Numbers of stages and of codes per stage."""
        return {"stages": self.parts, "codes_each": self.codes_each}

    @torch.no_grad()
    def initialise(self, z: Tensor) -> None:
        """Start every stage from k-means of the residuals that the stages before it leave."""
        residual = z
        for part in range(self.parts):
            self.vectors[part] = kmeans(residual, self.codes_each)
            residual = residual - self.vectors[part][nearest(residual, self.vectors[part])]
        self.restart()

    def search(self, z: Tensor) -> Tensor:
        """Codes (B, stages), each the nearest to the residual of its stage."""
        residual, codes = z, []
        for vectors in self.vectors:
            codes.append(nearest(residual, vectors))
            residual = residual - vectors[codes[-1]]
        return torch.stack(codes, dim=1)

    def join(self, digits: Tensor) -> Tensor:
        """Sums (..., D) of the stages' vectors."""
        total = self.vectors[0][digits[..., 0]]
        for part in range(1, self.parts):
            total = total + self.vectors[part][digits[..., part]]
        return total

    def forward(self, z: Tensor) -> Quantized:
        """Straight-through lookup, with the commitment of every stage."""
        codes = self.encode(z)
        if not self.training:
            return Quantized(self.decode(codes), codes, z.new_zeros(()))
        digits, used = self.digits(codes), self._used(len(z), z.device)
        residual, total, passed = z, torch.zeros_like(z), torch.zeros_like(z)
        commitment = z.new_zeros(())
        for part in range(self.parts):
            vectors = self.vectors[part][digits[:, part]]
            inside = (part < used)[:, None].to(z.dtype)
            commitment = commitment + (inside * (residual - vectors).square()).mean()
            through = residual + (vectors - residual).detach()
            total, passed = total + inside * vectors, passed + inside * through
            residual = residual - (through if self.residual_gradient == "first" else vectors)
        quantized = passed if self.residual_gradient == "every" else z + (total - z).detach()
        return Quantized(quantized, codes, self.commitment * commitment)

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Move the averages of every stage by the residuals that it got."""
        digits, residual = self.digits(codes), z
        for part in range(self.parts):
            before = self.vectors[part][digits[:, part]].clone()
            self.move(part, batch_totals(residual, digits[:, part], self.codes_each))
            residual = residual - before

    def _used(self, rows: int, device: torch.device) -> Tensor:
        """Number of stages of each row; rows come in random order, so that the first are a random share."""
        used = torch.full((rows,), self.parts, device=device)
        fewer = round(self.dropout * rows)
        used[:fewer] = 1 + torch.arange(fewer, device=device) % (self.parts - 1)
        return used


def kmeans(points: Tensor, count: int) -> Tensor:
    """Means (count, D) of points (N, D), whose rows come in random order: Lloyd's steps from the first points."""
    means = sample_rows(points, count)
    for _ in range(LLOYD_STEPS):
        totals = batch_totals(points, nearest(points, means), count)
        sums, hits = totals[:, :-1], totals[:, -1:]
        means = torch.where(hits > 0, sums / hits.clamp_min(1), means)
    return means
