"""`vqt-*`: quantizers of vector-quantize-pytorch behind our contract.

https://github.com/lucidrains/vector-quantize-pytorch. Defaults are those of the package, with two exceptions: gradients
pass straight through where the rotation trick is not asked for, and codebooks of moving averages start from encoder
outputs, as all families here do. The package is imported when a quantizer is built.
"""

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from quantizers._search import decades, kept_share
from quantizers._vqt import Averaged, Peer, peer, start
from quantizers.checks import check_range
from quantizers.fsq import LARGEST, levels_for
from quantizers.learned import sample_rows

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def _averaging(trial: "BaseTrial") -> dict[str, Any]:
    """Draw decay and commitment, over two decades around the package's values."""
    return {
        "decay": kept_share(trial, "decay", 0.8),
        "commitment": decades(trial, "commitment", 1.0),
    }


class VqtVQ(Averaged):
    """`VectorQuantize`: a moving-average codebook (van den Oord et al. 2017).

    Args:
        num_codes: Number K of codes.
        code_dim: Dimension D of the code vectors.
        decay: Share of the old average that a step keeps.
        commitment: Weight of mean (z - sg[e])^2.
        rotation: Whether gradients pass by the rotation trick (Fifty et al. 2024, arXiv 2410.06424) instead of
            straight through.
    """

    def __init__(
        self, num_codes: int, code_dim: int, *, decay: float = 0.8, commitment: float = 1.0, rotation: bool = False
    ) -> None:
        super().__init__(num_codes, code_dim)
        self.peer = peer(
            "VectorQuantize",
            dim=code_dim,
            codebook_size=num_codes,
            decay=check_range("decay", decay, 0, 1),
            commitment_weight=check_range("commitment", commitment, 0, 100),
            rotation_trick=rotation,
        )

    @property
    def codebook(self) -> Tensor:
        """(K, D) code vectors."""
        return self.peer.codebook  # type: ignore[no-any-return]

    @codebook.setter
    def codebook(self, vectors: Tensor) -> None:
        if vectors.shape != self.codebook.shape:
            raise ValueError(f"Expected a codebook of shape {tuple(self.codebook.shape)}, got {tuple(vectors.shape)}.")
        with torch.no_grad():
            start(self.peer, vectors)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw decay and commitment."""
        return _averaging(trial)

    def initialise(self, z: Tensor) -> None:
        """Start from random encoder outputs."""
        self.codebook = sample_rows(z, self.num_codes)


class VqtRVQ(Averaged):
    """`ResidualVQ` (Zeghidour et al. 2021, arXiv 2107.03312, Algorithm 1): every stage quantizes the residual.

    The codes of the stages are the digits of one code, that of the first stage the least significant. So K = k^stages,
    for the k that brings K nearest to the wanted number. A stage takes the code nearest to its own residual, so the
    result need not be the nearest to z of all K sums. Each stage passes its gradient straight through, so z gets it
    `stages` times.

    Args:
        num_codes: Wanted number K of codes; the attribute `num_codes` is the nearest power k^stages.
        code_dim: Dimension D of the code vectors.
        stages: Number of stages, at least 2.
        decay: Share of the old average that a step keeps.
        commitment: Weight of each stage's mean (z - sg[e])^2.
    """

    basis: Tensor

    def __init__(
        self, num_codes: int, code_dim: int, *, stages: int = 2, decay: float = 0.8, commitment: float = 1.0
    ) -> None:
        check_range("num_codes", num_codes, 1, LARGEST + 1)
        check_range("stages", stages, 2, 9)
        root = int(num_codes ** (1 / stages))
        codes_each = min((root, root + 1), key=lambda codes: abs(codes**stages - num_codes))
        if codes_each < 2:
            raise ValueError(
                f"Expected a codebook that {stages} stages of at least two codes can have, got {num_codes} codes: the "
                f"nearest to it is one code. Take --codebook-size {2**stages}, fewer stages or another quantizer."
            )
        super().__init__(codes_each**stages, code_dim)
        self.stages = stages
        self.codes_each = codes_each
        self.peer = peer(
            "ResidualVQ",
            dim=code_dim,
            num_quantizers=stages,
            codebook_size=codes_each,
            decay=check_range("decay", decay, 0, 1),
            commitment_weight=check_range("commitment", commitment, 0, 100),
            rotation_trick=False,
        )
        self.register_buffer("basis", codes_each ** torch.arange(stages))

    @property
    def codebook(self) -> Tensor:
        """(K, D) all sums of one vector per stage; they are set stage by stage in `peer`."""
        total = self.peer.codebooks.new_zeros(1, self.code_dim)
        for vectors in self.peer.codebooks:
            total = (total + vectors[:, None]).flatten(0, 1)
        return total  # type: ignore[no-any-return]

    @property
    def codebook_values(self) -> int:
        """Number of values of the stages; the sums are not stored."""
        return self.stages * self.codes_each * self.code_dim

    def describe(self) -> dict[str, Any]:
        """Numbers of stages and of codes per stage."""
        return {"stages": self.stages, "codes_each": self.codes_each}

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw decay and commitment."""
        return _averaging(trial)

    def initialise(self, z: Tensor) -> None:
        """Start every stage from random rows of the residual of the stages before it."""
        with torch.no_grad():
            residual = z
            for layer in self.peer.layers:
                start(layer, sample_rows(residual, self.codes_each))
                residual = residual - layer(residual[None], freeze_codebook=True)[0][0]

    def _index(self, codes: Tensor) -> Tensor:
        return (codes * self.basis).sum(1)


class VqtSimVQ(Peer):
    """`SimVQ` (Zhu et al. 2024, arXiv 2411.02038): a frozen random codebook behind a learned linear map.

    The map counts as part of the network, the frozen vectors as the codebook.

    Args:
        num_codes: Number K of codes.
        code_dim: Dimension D of the code vectors.
        commitment: Weight of its loss as a whole.
        input_commitment: Weight within the loss of mean (z - sg[e])^2.
        rotation: Whether gradients pass by the rotation trick, which is the package's default for this quantizer.
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        commitment: float = 1.0,
        input_commitment: float = 0.25,
        rotation: bool = True,
    ) -> None:
        super().__init__(num_codes, code_dim)
        self.peer = peer(
            "SimVQ",
            dim=code_dim,
            codebook_size=num_codes,
            commitment_weight=check_range("commitment", commitment, 0, 100),
            input_to_quantize_commit_loss_weight=check_range("input_commitment", input_commitment, 0, 100),
            rotation_trick=rotation,
        )

    @property
    def codebook(self) -> Tensor:
        """(K, D) frozen vectors, mapped."""
        return self.peer.codebook  # type: ignore[no-any-return]

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw both weights, over two decades around the package's values."""
        return {
            "commitment": decades(trial, "commitment", 1.0),
            "input_commitment": decades(trial, "input_commitment", 0.25),
        }


class VqtFSQ(Peer):
    """`FSQ` (Mentzer et al. 2023, arXiv 2309.15505), whose projections start at random as in the package.

    Args:
        num_codes: Wanted number K of codes; the attribute `num_codes` is the product of the levels.
        code_dim: Dimension D of the code vectors.
        levels: Numbers of levels per channel, at least 3 each; empty takes the paper's for K, as `fsq` does.
    """

    positions: Tensor

    def __init__(self, num_codes: int, code_dim: int, *, levels: tuple[int, ...] = ()) -> None:
        check_range("num_codes", num_codes, 1, LARGEST + 1)
        levels = tuple(levels) or levels_for(num_codes, code_dim)
        check_range("the least of levels", min(levels), 3, 1001)
        check_range("the number of levels", len(levels), 1, code_dim + 1)
        check_range("the product of levels", math.prod(levels), 1, LARGEST + 1)
        super().__init__(math.prod(levels), code_dim)
        self.levels = levels
        self.peer = peer("FSQ", levels=list(levels), dim=code_dim)
        codes = torch.arange(self.num_codes)
        self.positions = self.peer.indices_to_level_indices(codes).long()

    @property
    def codebook(self) -> Tensor:
        """(K, D) projected lattice."""
        return self.peer.project_out(self.peer.implicit_codebook)  # type: ignore[no-any-return]

    @property
    def codebook_values(self) -> int:
        """Number of stored codebook values, which is 0."""
        return 0

    def latents(self, z: Tensor) -> Tensor:
        """Project z (B, D) -> (B, channels), bounded as `bound` does before it rounds, in steps of one."""
        reach = (self.peer._levels - 1) * (1 + 1e-3) / 2
        offset = torch.where(self.peer._levels % 2 == 0, 0.5, 0.0)
        return (self.peer.project_in(z) + (offset / reach).atanh()).tanh() * reach - offset  # type: ignore[no-any-return]

    @property
    def latent_codebook(self) -> Tensor:
        """(K, channels) lattice in steps of one."""
        return self.peer.implicit_codebook * (self.peer._levels // 2)  # type: ignore[no-any-return]

    def describe(self) -> dict[str, Any]:
        """Levels of the lattice."""
        return {"levels": list(self.levels)}


class VqtLFQ(Peer):
    """`LFQ` (Yu et al. 2023, arXiv 2310.05737): signs of log2 K channels, with an entropy loss for utilisation.

    Args:
        num_codes: Wanted number K of codes; the attribute `num_codes` is the nearest power of two.
        code_dim: Dimension D of the code vectors.
        entropy: Weight of the entropy loss.
        diversity: Weight within it of the entropy over all codes, relative to that of the codes of each vector.
        commitment: Weight of mean (z - sg[e])^2 in the channels.
    """

    positions: Tensor

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        entropy: float = 0.1,
        diversity: float = 1.0,
        commitment: float = 0.0,
    ) -> None:
        check_range("num_codes", num_codes, 2, LARGEST + 1)
        bits = round(math.log2(num_codes))
        super().__init__(1 << bits, code_dim)
        self.peer = peer(
            "LFQ",
            dim=code_dim,
            codebook_size=self.num_codes,
            entropy_loss_weight=check_range("entropy", entropy, 0, 100),
            diversity_gamma=check_range("diversity", diversity, 0, 100),
            commitment_loss_weight=check_range("commitment", commitment, 0, 100),
        )
        self.positions = (self.peer.codebook > 0).long()

    @property
    def codebook(self) -> Tensor:
        """(K, D) projected corners of a cube."""
        return self.peer.project_out(self.peer.codebook)  # type: ignore[no-any-return]

    @property
    def codebook_values(self) -> int:
        """Number of stored codebook values, which is 0."""
        return 0

    def latents(self, z: Tensor) -> Tensor:
        """Project z (B, D) to (B, log2 K) channels."""
        return self.peer.project_in(z)  # type: ignore[no-any-return]

    @property
    def latent_codebook(self) -> Tensor:
        """(K, log2 K) corners of the cube."""
        return self.peer.codebook  # type: ignore[no-any-return]

    def describe(self) -> dict[str, Any]:
        """Number of channels."""
        return {"bits": self.num_codes.bit_length() - 1}

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw both weights of the entropy loss, over two decades around the package's values."""
        return {
            "entropy": decades(trial, "entropy", 0.1),
            "diversity": decades(trial, "diversity", 1.0),
        }
