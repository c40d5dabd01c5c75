"""What a quantizer is: a plain module for one codebook, on vectors (B, D)."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantizers._nearest import nearest as nearest

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

INITIALISATIONS = ("data", "normal")
FARTHEST = 2**24  # of a lattice position from 0: squares of distances are exact in float64


class Quantized(NamedTuple):
    """What `Quantizer.forward` returns.

    Attributes:
        quantized: (B, D). In training the straight-through estimate, whose gradient reaches z; in eval exactly the
            code vectors.
        codes: (B,) int64.
        loss: () what the quantizer adds to the reconstruction loss.
    """

    quantized: Tensor
    codes: Tensor
    loss: Tensor


class Quantizer(nn.Module, ABC):
    """A codebook of K vectors in D dimensions and the rule that learns it.

    The trainer may run many replicas of one family at once under `torch.func.vmap`, and replay a step as a CUDA graph.
    It asks of a family: no Python branching on the values of tensors, nothing kept from step to step but in buffers,
    those changed in place, and no random numbers: the rows of every `z` come in random order, so that `z[:n]` is a
    random sample. A family that cannot sets `vectorised = False`.

    Attributes:
        num_codes: K; every code k satisfies 0 <= k < K.
        code_dim: D.
        positions: (K, g) int64 place of each code on its lattice, whatever integers were given; None for an unordered
            codebook.
        warm_up_share: Share of the epochs, taken from the start, in which the codebook alone learns.
        vectorised: Whether replicas may be trained under vmap and steps be replayed.
        hidden: A published hidden width of the networks around it, used where capacities are as published.
        codebook_parameter: Name of the parameter that holds the codebook, where gradients learn it.
    """

    positions: Tensor | None
    warm_up_share: float = 0.0
    vectorised: ClassVar[bool] = True
    hidden: int | None = None
    codebook_parameter: ClassVar[str] = "vectors"

    def __init__(self, num_codes: int, code_dim: int, positions: Tensor | None = None) -> None:
        super().__init__()
        for name, value in (("num_codes", num_codes), ("code_dim", code_dim)):
            if value < 1:
                raise ValueError(f"Expected {name} >= 1, got {value}.")
        self.num_codes = num_codes
        self.code_dim = code_dim
        self.register_buffer("positions", None if positions is None else lattice_positions(positions, num_codes))

    @property
    @abstractmethod
    def codebook(self) -> Tensor:
        """(K, D) code vectors; settable where they are learned."""

    @abstractmethod
    def initialise(self, z: Tensor) -> None:
        """Set the codebook from encoder outputs z (N, D) whose rows come in random order."""

    @abstractmethod
    def encode(self, z: Tensor) -> Tensor:
        """Z (B, D) -> codes (B,) int64."""

    @abstractmethod
    def forward(self, z: Tensor) -> Quantized:
        """Quantize z (B, D)."""

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Learn the codebook outside the gradient, after the optimiser's step.

        Args:
            z: (B, D) encoder outputs of the batch, before that step.
            codes: (B,) their codes.
            progress: () share of the training done, in [0, 1].
        """

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (...,) -> code vectors (..., D)."""
        return self.codebook[codes]

    def latents(self, z: Tensor) -> Tensor:
        """Z (B, D) in the space where the nearest code is decided: z itself unless a family projects it first."""
        return z

    @property
    def latent_codebook(self) -> Tensor:
        """The codes in that space."""
        return self.codebook

    @property
    def codebook_values(self) -> int:
        """Numbers held by the codebook, however they are learned; 0 for an implicit one."""
        return self.num_codes * self.code_dim

    @property
    def network_parameters(self) -> int:
        """Trainable parameters beside the codebook (projections): they count as the network's."""
        return sum(parameter.numel() for name, parameter in self.named_parameters() if name != self.codebook_parameter)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """The family's search space: draw the parameters that are worth tuning from an Optuna trial.

        The same freedom for every family: at most four parameters, numbers over two decades around the published value
        (`quantizers._search`). What depends on the codebook's size (a bandwidth to start from) is left alone, so that
        tuned values serve other sizes. Empty where a family declares none: it cannot be tuned then.
        """
        return {}

    def describe(self) -> dict[str, Any]:
        """Facts about this instance that a table should show (levels of a lattice, sides of a grid)."""
        return {}


def lattice_positions(positions: Tensor, num_codes: int) -> Tensor:
    """Lattice positions of any integer type as int64, whose differences and absolute values do not wrap around.

    Raises:
        ValueError: They are not (K, g) integers, or one is too far from 0.
    """
    if not isinstance(positions, Tensor):
        raise ValueError(f"Expected positions to be a tensor, got {type(positions).__name__}; use torch.as_tensor.")
    if positions.is_floating_point() or positions.is_complex() or positions.dtype == torch.bool:
        raise ValueError(f"Expected positions of an integer type, got {positions.dtype}; add .long().")
    if positions.dim() != 2 or len(positions) != num_codes or positions.shape[1] < 1:
        raise ValueError(f"Expected positions of shape ({num_codes}, g), got {tuple(positions.shape)}.")
    places = positions.to(torch.int64)
    lowest_place = 0 if positions.dtype == torch.uint64 else -FARTHEST  # uint64 beyond int64 has become negative
    outside = ((places < lowest_place) | (places > FARTHEST)).nonzero()
    if len(outside):
        code, axis = outside[0].tolist()
        raise ValueError(
            f"Expected positions from {-FARTHEST} to {FARTHEST}, got {positions[code, axis].tolist()} for code {code}."
        )
    return places


class LearnedCodebook(Quantizer, ABC):
    """A codebook of stored vectors, searched by Euclidean distance; families differ in how they move it.

    Args:
        num_codes: K.
        code_dim: D.
        commitment: Weight of mean (z - sg[e])^2, which keeps the encoder near its codes.
        codebook_weight: Weight of mean (sg[z] - e)^2, which learns the codebook by gradient; 0 keeps it a buffer.
        initialisation: "data", random encoder outputs; "normal", draws from N(0, I) (the KSOM paper's).
        positions: (K, g) int64 lattice places, or None.
    """

    vectors: Tensor

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        *,
        commitment: float,
        codebook_weight: float = 0.0,
        initialisation: str = "data",
        positions: Tensor | None = None,
    ) -> None:
        super().__init__(num_codes, code_dim, positions)
        self.commitment = check_range("commitment", commitment, 0, 100)
        self.codebook_weight = check_range("codebook_weight", codebook_weight, 0, 100)
        self.initialisation = check_choice("initialisation", initialisation, INITIALISATIONS)
        normal = initialisation == "normal"
        vectors = torch.randn(num_codes, code_dim) if normal else torch.zeros(num_codes, code_dim)
        if codebook_weight:
            self.register_parameter("vectors", nn.Parameter(vectors))
        else:
            self.register_buffer("vectors", vectors)

    @property
    def is_plain(self) -> bool:
        """Whether the lookup and its gradient are this class's own: the trainer may then write them out."""
        cls = type(self)
        return cls.forward is LearnedCodebook.forward and cls.encode is LearnedCodebook.encode

    @property
    def codebook(self) -> Tensor:
        """(K, D) code vectors."""
        # A view, because a Parameter could not be assigned to another module's `codebook`.
        return self.vectors.view_as(self.vectors)

    @codebook.setter
    def codebook(self, vectors: Tensor) -> None:
        if vectors.shape != self.vectors.shape:
            raise ValueError(f"Expected a codebook of shape {tuple(self.vectors.shape)}, got {tuple(vectors.shape)}.")
        with torch.no_grad():
            self.vectors.copy_(vectors)
            self.restart()

    def restart(self) -> None:
        """Reset what the family keeps beside the vectors, which were just set."""

    def initialise(self, z: Tensor) -> None:
        """Random encoder outputs, or what was drawn when the module was built."""
        if self.initialisation == "data":
            self.codebook = sample_rows(z, self.num_codes)
        else:
            self.restart()

    def encode(self, z: Tensor) -> Tensor:
        """Nearest code (van den Oord et al. 2017, Eq. 1)."""
        return nearest(z, self.vectors)

    def forward(self, z: Tensor) -> Quantized:
        """Straight-through lookup (van den Oord et al. 2017, Eq. 3)."""
        codes = self.encode(z)
        vectors = self.decode(codes)
        loss = self.commitment * F.mse_loss(z, vectors.detach())
        if self.codebook_weight:
            loss = loss + self.codebook_weight * F.mse_loss(vectors, z.detach())
        quantized = z + (vectors.detach() - z.detach()) if self.training else vectors
        return Quantized(quantized, codes, loss)


def batch_totals(z: Tensor, codes: Tensor, num_codes: int) -> Tensor:
    """Sum of the vectors that hit each code, and how many did.

    Args:
        z: (B, D).
        codes: (B,) int64.
        num_codes: K.

    Returns:
        (K, D + 1): the sums, then the hits in the last column.
    """
    rows = torch.cat([z, torch.ones_like(z[:, :1])], dim=1)
    # index_add says the same, but vmap would call it once a replica.
    return z.new_zeros(num_codes, rows.shape[1]).index_put((codes,), rows, accumulate=True)


def sample_rows(z: Tensor, count: int) -> Tensor:
    """(count, D): the first rows of z, which come in random order, repeated where there are too few."""
    return z[torch.arange(count, device=z.device) % z.shape[0]].clone()


def rows_at_once(num_codes: int) -> int:
    """How many frames to compare with K codes at once, so that their distances stay below about 130 MB."""
    return max(256, 2**25 // num_codes)


def check_range(name: str, value: float, low: float, high: float) -> float:
    """Return `value` where low <= value < high.

    Raises:
        ValueError: It is not.
    """
    if not low <= value < high:
        raise ValueError(f"Expected {low:g} <= {name} < {high:g}, got {value:g}.")
    return value


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return `value` where it is one of `choices`.

    Raises:
        ValueError: It is not.
    """
    if value not in choices:
        raise ValueError(f"Expected {name} to be one of {', '.join(choices)}, got {value!r}.")
    return value
