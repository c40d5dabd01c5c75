"""Contract of a quantizer: a plain module for one codebook, on vectors (B, D)."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from quantizers.nearest import nearest as nearest

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

MOST_COMBINATIONS = 1 << 62  # of several indices: a number that int64 holds
FARTHEST = 2**24  # largest distance of a lattice position from 0: squares of distances are exact in float64


class Quantized(NamedTuple):
    """Result of `Quantizer.forward`.

    Attributes:
        quantized: (B, D) vectors. In training mode the straight-through estimate, whose gradient reaches z; in
            evaluation mode exactly the code vectors.
        codes: (B,) int64 indices of the codes; (B, M) for a quantizer of M > 1 indices.
        loss: () term that the quantizer adds to the reconstruction loss.
    """

    quantized: Tensor
    codes: Tensor
    loss: Tensor


class Quantizer(nn.Module, ABC):
    """A codebook of K vectors in D dimensions and the rule that learns it.

    A code is one index, or a combination of M > 1 indices (residual and product quantization). A family of several
    indices gives their numbers of codes as `code_sizes`, and its codes are (B, M) where those of others are (B,). Its
    codebook of all K combinations is never listed: `decode` and `latent_vectors` take the combinations that occur.

    The trainer may run many replicas of one family at once under `torch.func.vmap`, and replay a step as a CUDA graph.
    A family that supports this

    - does not branch in Python on the values of tensors,
    - keeps its state from step to step in buffers, which it changes in place, and
    - draws no random numbers: the rows of every `z` come in random order, so that `z[:n]` is a random sample.

    Any other family sets `vectorised = False`.

    Args:
        num_codes: Number K of codes, at least 1.
        code_dim: Dimension D of the code vectors, at least 1.
        positions: (K, g) integer places of the codes on a lattice, or None; always None for several indices.

    Attributes:
        num_codes: Number K of codes, of all combinations where there are several indices.
        code_dim: Dimension D of the code vectors.
        positions: (K, g) int64 place of each code on its lattice; None for an unordered codebook.
        warm_up_share: Share of the epochs, from the start, in which the codebook alone learns.
        vectorised: Whether replicas may be trained under vmap and steps be replayed.
        hidden: Published hidden width of the networks around it, used where capacities are as published.
        codebook_parameter: Name of the parameter that holds the codebook, where gradients learn it.
        index_count: Name of the parameter that sets the number M of indices, as in `rvq@1024x4`; "" without one.
        decodes_latents: Whether the trainer adds the error of decoding z itself to the loss. A family whose `quantized`
            gives z no gradient learns its encoder in this way.

    Raises:
        ValueError: A size is below 1, or the positions are not (K, g) integers.
    """

    positions: Tensor | None
    warm_up_share: float = 0.0
    vectorised: ClassVar[bool] = True
    hidden: int | None = None
    codebook_parameter: ClassVar[str] = "vectors"
    decodes_latents: ClassVar[bool] = False
    index_count: ClassVar[str] = ""

    def __init__(self, num_codes: int, code_dim: int, positions: Tensor | None = None) -> None:
        super().__init__()
        for name, value in (("num_codes", num_codes), ("code_dim", code_dim)):
            if value < 1:
                raise ValueError(f"Expected {name} >= 1, got {value}.")
        self.num_codes = num_codes
        self.code_dim = code_dim
        self.register_buffer("positions", None if positions is None else lattice_positions(positions, num_codes))

    @property
    def code_sizes(self) -> tuple[int, ...]:
        """Number of codes of every index; every index i of place m satisfies 0 <= i < code_sizes[m]."""
        return (self.num_codes,)

    @property
    @abstractmethod
    def codebook(self) -> Tensor:
        """(K, D) code vectors, which can be set where they are learned."""

    @abstractmethod
    def initialise(self, z: Tensor) -> None:
        """Set the codebook from encoder outputs z (N, D) whose rows come in random order."""

    @abstractmethod
    def encode(self, z: Tensor) -> Tensor:
        """Code of each vector: z (B, D) -> codes (B,) int64, or (B, M) for M > 1 indices."""

    @abstractmethod
    def forward(self, z: Tensor) -> Quantized:
        """Quantize z (B, D), see `Quantized`."""

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> None:
        """Learn the codebook outside the gradient, after the optimiser's step.

        Args:
            z: (B, D) encoder outputs of the batch, before that step.
            codes: (B,) or (B, M) int64 codes of these outputs.
            progress: () share of the training that is done, in [0, 1].
        """

    def decode(self, codes: Tensor) -> Tensor:
        """Look up code vectors: codes (...), or (..., M) for M > 1 indices -> (..., D)."""
        return self.codebook[codes]

    def latents(self, z: Tensor) -> Tensor:
        """Map z (B, D) to the space in which the nearest code is searched; by default z itself."""
        return z

    @property
    def latent_codebook(self) -> Tensor:
        """Codes in the space of `latents`, by default the codebook."""
        return self.codebook

    def latent_vectors(self, codes: Tensor) -> Tensor:
        """Look up codes (...), or (..., M) for M > 1 indices, in the space of `latents`."""
        return self.latent_codebook[codes] if len(self.code_sizes) == 1 else self.decode(codes)

    @property
    def codebook_values(self) -> int:
        """Number of values that the codebook holds, however they are learned; 0 for an implicit one."""
        return self.num_codes * self.code_dim

    @property
    def network_parameters(self) -> int:
        """Number of trainable parameters beside the codebook (projections), which count as the network's."""
        return sum(parameter.numel() for name, parameter in self.named_parameters() if name != self.codebook_parameter)

    @classmethod
    def suggest(cls, trial: "BaseTrial") -> dict[str, Any]:
        """Draw the parameters that are worth tuning from an Optuna trial: the search space of the family.

        Every family has the same freedom: at most four parameters, numbers over two decades around the published value
        (`quantizers._search`). Parameters that depend on the codebook's size (an initial bandwidth) are left out, so
        that tuned values serve other sizes. A family that returns nothing cannot be tuned.
        """
        return {}

    def describe(self) -> dict[str, Any]:
        """Facts about this instance for tables, such as levels of a lattice or sides of a grid."""
        return {}


def lattice_positions(positions: Tensor, num_codes: int) -> Tensor:
    """Convert lattice positions of any integer type to int64, whose differences do not wrap around.

    Raises:
        ValueError: The positions are not (K, g) integers, or one is too far from 0.
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
