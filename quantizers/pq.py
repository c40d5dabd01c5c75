"""`pq`: product quantization, a codebook for each of several groups of dimensions."""

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from quantizers._digits import Digits
from quantizers._search import decades, kept_share
from quantizers.checks import check_range
from quantizers.learned import batch_totals, sample_rows
from quantizers.nearest import nearest

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class PQ(Digits):
    """Product quantization (Jegou et al. 2011, section II-B) with moving-average codebooks.

    The D dimensions form groups of equal width, each with a codebook of k codes. The nearest code of every group gives
    the nearest of all K = k^groups combinations.

    Args:
        num_codes: Wanted number K of codes; the attribute `num_codes` is the nearest power k^groups.
        code_dim: Dimension D of the code vectors, a multiple of the number of groups.
        groups: Number of groups, at least 2.
        decay: Share of the old average that a step keeps.
        commitment: Weight of mean (z - sg[e])².
        smoothing: Kind of Laplace smoothing of the counts: "none", "transient" or "persistent".
        one_index: Whether a code is one index, whose digits are the groups' codes.
    """

    index_count: ClassVar[str] = "groups"

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        groups: int = 2,
        decay: float = 0.99,
        commitment: float = 0.25,
        smoothing: str = "transient",
        one_index: bool = False,
    ) -> None:
        check_range("groups", groups, 2, 33)
        if code_dim % groups:
            raise ValueError(f"Expected a number of groups that divides {code_dim} (D), got {groups}.")
        super().__init__(
            num_codes,
            code_dim,
            groups,
            code_dim // groups,
            decay=decay,
            commitment=commitment,
            smoothing=smoothing,
            one_index=one_index,
        )

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw decay and commitment."""
        return {"decay": kept_share(trial, "decay", 0.99), "commitment": decades(trial, "commitment", 0.25)}

    def describe(self) -> dict[str, Any]:
        """Numbers of groups and of codes per group."""
        return {"groups": self.parts, "codes_each": self.codes_each}

    @torch.no_grad()
    def initialise(self, z: Tensor) -> None:
        """Start every group from random encoder outputs."""
        for part, chunk in enumerate(z.chunk(self.parts, dim=1)):
            self.vectors[part] = sample_rows(chunk, self.codes_each)
        self.restart()

    def search(self, z: Tensor) -> Tensor:
        """Nearest codes (B, groups) of the groups."""
        chunks = z.chunk(self.parts, dim=1)
        codes = [nearest(chunk, vectors) for chunk, vectors in zip(chunks, self.vectors, strict=True)]
        return torch.stack(codes, dim=1)

    def join(self, digits: Tensor) -> Tensor:
        """Concatenated vectors (..., D) of the groups."""
        parts = [vectors[digits[..., part]] for part, vectors in enumerate(self.vectors)]
        return torch.cat(parts, dim=-1)

    @torch.no_grad()
    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Move the averages of every group (van den Oord et al. 2017, Eqs. 6 to 8)."""
        digits = self.digits(codes)
        for part, chunk in enumerate(z.chunk(self.parts, dim=1)):
            self.move(part, batch_totals(chunk, digits[:, part], self.codes_each))
