"""What a quantizer is: a plain module for one codebook, on vectors (B, D)."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from quantizers.nearest import nearest as nearest

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

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
