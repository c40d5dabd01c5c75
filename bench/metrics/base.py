"""Contract of a metric: the trained tokenizer that it sees, and what it declares and returns."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from bench.vocabulary import Direction, Scale
from datasets.sequences import Sequences

Result = TypeVar("Result")
Curve = tuple[tuple[int, float], ...]
ON_GRID = "on the grid"


def as_array(values: ArrayLike | Tensor) -> NDArray[Any]:
    """An array of any array-like or tensor, from any device, outside any gradient."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


@dataclass(frozen=True, kw_only=True)
class ConvergedBudget:
    """Budget of a reader of token sequences that is trained until validation improves no more.

    Attributes:
        cap: Largest number of updates.
        check_every: Number of updates between two checks on the validation split.
        patience: Number of checks without improvement after which training stops.
        rate: Learning rate of Adam.
        anneal: Whether that rate falls linearly to 0 at the cap. Best checks then come last, so early stopping seldom
            ends such a training before the cap.
        batch: Number of chunks per update.
    """

    cap: int = 600
    check_every: int = 25
    patience: int = 3
    rate: float = 3e-3
    anneal: bool = False
    batch: int = 64


@dataclass(frozen=True, kw_only=True)
class ReaderBudget(ConvergedBudget):
    """Budget of the readers of all training sequences; docs/concepts/protocol.md gives the values.

    Attributes:
        updates: Updates of the paper's barely trained reader (`seq_ppl`); the others are the converged reader's.
    """

    updates: int = 50


# For about 8 sequences of 300: 32 chunks, which batches of 64 would make one full-batch step an epoch. In trials the
# index and grid readers were best after 40 to 150 updates, the code-vector reader after 50 to 220.
SMALL_READER = ConvergedBudget(cap=240, check_every=10, patience=4, rate=3e-3, batch=16)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One trained tokenizer on one dataset, as the metrics see it. Tensors share one device.

    A code of M > 1 indices is numbered: code k is the k-th of the distinct combinations that occur in any split, so
    that every table has a row for each of these, and none for the others.

    Attributes:
        data: Dataset, of which the split `data.frames["test"]` is measured.
        num_codes: Number K of codes in the codebook, or of the combinations that occur.
        tokens: Split -> (n_sequences, time) int64 codes.
        prototypes: Frames (K, width) that the codes decode to.
        decoded: Reconstruction (n_sequences, time, width) of the test frames.
        latents: Test frames (N, D), in order, in the space where the quantizer picks the nearest code.
        latent_codebook: Codes (K, D) in that space.
        codebook: Code vectors (K, C) as the decoder gets them.
        positions: Lattice positions (K, g) of the codes, int64; None without a lattice.
        sample: Indices (n,) of the at most 2,000 test frames that the neighbourhood metrics use.
        seed: Seed of the generators of the readers.
        budget: Budget of the readers of all training sequences.
        small_budget: Budget of every reader of an eighth of them, whatever its embedding.
        curve: Error on the validation split at every point of the learning curve of the training.
        checks: Number of updates made at each of these points.
        encode: Function from frames (N, width) to codes (N,), or (N, M) indices, as the tokenizer encodes; None where
            the tokens are not what it gives for the frames, as in a control.
        combinations: (K, M) int64 indices of every code; None where a code is one index.
        code_sizes: Number of codes of every index; empty where a code is one index.
        decode: Function from indices (N, M) to frames (N, width); None where a code is one index.
    """

    data: Sequences
    num_codes: int
    tokens: Mapping[str, Tensor]
    prototypes: Tensor
    decoded: Tensor
    latents: Tensor
    latent_codebook: Tensor
    codebook: Tensor
    positions: Tensor | None
    sample: Tensor
    seed: int
    budget: ReaderBudget = ReaderBudget()
    small_budget: ConvergedBudget = SMALL_READER
    curve: tuple[float, ...] = ()
    checks: tuple[int, ...] = ()
    encode: Callable[[Tensor], Tensor] | None = None
    combinations: Tensor | None = None
    code_sizes: tuple[int, ...] = ()
    decode: Callable[[Tensor], Tensor] | None = None
    _shared: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Take positions of any integer type, whose differences would wrap around in unsigned ones.

        Their shape and range are looked at before training: `bench.training.contract.check_contract`.
        """
        if self.positions is not None and not self.positions.is_floating_point():
            object.__setattr__(self, "positions", self.positions.to(torch.int64))

    @property
    def codes(self) -> Tensor:
        """(N,) codes of the test frames, in order."""
        return self.tokens["test"].flatten()

    @property
    def used(self) -> Tensor:
        """(U,) sorted codes hit at least once on the whole test split."""
        used: Tensor = torch.unique(self.codes)
        return used

    def numbered(self, codes: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Number codes that `encode` gave, and decode them.

        Args:
            codes: (N,) codes, or (N, M) indices, whose combination need not be one that occurs in a split.
            like: (N,) numbers that they keep where they are the same code.

        Returns:
            Numbers (N,), and a table of the frames that these decode to.
        """
        if self.combinations is None or self.decode is None:
            return codes, self.prototypes
        others = (codes != self.combinations[like]).any(dim=1)
        numbers = like.clone()
        numbers[others] = self.num_codes + torch.arange(int(others.sum()), device=like.device)
        return numbers, torch.cat([self.prototypes, self.decode(codes[others])])

    def at(self, positions: Tensor) -> "Trained":
        """The same tokenizer with its codes at other positions (K, g); values that ignore positions stay shared."""
        kept = {key: value for key, value in self._shared.items() if not (isinstance(key, tuple) and ON_GRID in key)}
        return replace(self, positions=positions, _shared=kept)

    def generator(self, stream: int) -> torch.Generator:
        """A CPU generator for one purpose, so that metrics do not disturb each other's draws."""
        return torch.Generator().manual_seed(self.seed * 1_000 + stream)

    def shared(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """Compute once a value that several metrics need; a key that is a tuple with ON_GRID depends on positions."""
        if key not in self._shared:
            self._shared[key] = compute()
        result: Result = self._shared[key]
        return result

    def keep(self, key: Hashable, value: object) -> None:
        """Keep a value for `shared` that was computed for several tokenizers at once."""
        self._shared[key] = value

    def recall(self, key: Hashable) -> Any:
        """Value that was kept under a key; None where there is none."""
        return self._shared.get(key)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The value of a metric, with the learning curve of the reader that it trained.

    Attributes:
        value: Value of the metric; None where it does not apply, say without positions.
        curve: (update, perplexity on the validation split) at every check of the reader; empty without one.
    """

    value: float | None
    curve: Curve = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """A reader of tokens that metrics declare, so that the readers of several tokenizers can be trained as one batch.

    Attributes:
        name: Name of the reader in messages.
        budget: Field of the protocol with its budget, which decides the value of the metric as well.
        train: Function that trains (tokenizer, variant) pairs as one batch, and leaves every reader where
            `Trained.shared` finds it.
        variants: Function of a tokenizer that gives the variants to train on it; none where the reader does not apply.
    """

    name: str
    budget: Literal["reader", "small_reader"]
    train: Callable[[Sequence[tuple["Trained", Any]]], None]
    variants: Callable[["Trained"], Sequence[Any]] = lambda trained: (None,)


@dataclass(frozen=True)
class Effect:
    """Size of the smallest loss of a metric that matters.

    Attributes:
        size: Size in the metric's unit, or as a share of `whole`.
        relative: Whether `size` is a share.
        complement: Whether it is a share of the distance from 1, such as the error that an explained variance leaves.
    """

    size: float
    relative: bool = False
    complement: bool = False

    def of(self, value: float) -> float:
        """Size in the metric's unit, for a loss from a value."""
        return self.size * self.whole(value) if self.relative else self.size

    def whole(self, value: float) -> float:
        """Number of which a relative size is a share, at a value of the metric."""
        return abs(1.0 - value if self.complement else value)


SHARE = Effect(0.05, relative=True)
"""Effect of a metric that declares none: 5 % of its value."""


@dataclass(frozen=True)
class Metric:
    """A number about a trained tokenizer.

    Attributes:
        name: Name of the column in tables.
        function: Function of a `Trained` that returns a float, a `Measurement`, or None where the metric does not
            apply. None in its place marks a metric of several cells of a run, which `bench.analysis.results` computes.
        direction: Better end of the values; "target" means nearest to `target`.
        summary: Formula or definition, and range, in one line.
        needs: Inputs beside codes: "positions" where the metric is blank without them, "curve" for the learning curve
            of the training, "reader" and "small_reader" where it trains readers that it does not declare.
        target: Best value where the direction is "target".
        readers: Readers that the metric asks for.
        scale: Scale on which values are compared, see `bench.stats.scales.to_scale`.
        effect: Smallest loss that matters, for the gate and for equivalence.
        primary: Whether the column is one of the few that a run is judged by; the others are exploratory.
    """

    name: str
    function: Callable[[Trained], "float | Measurement | None"] | None
    direction: Direction
    summary: str
    needs: tuple[str, ...] = ()
    target: float | None = None
    readers: tuple[Reader, ...] = field(default=(), kw_only=True)
    scale: Scale = field(default="linear", kw_only=True)
    effect: Effect = field(default=SHARE, kw_only=True)
    primary: bool = field(default=False, kw_only=True)

    @property
    def budgets(self) -> tuple[str, ...]:
        """Names of the protocol's budgets that decide the value."""
        declared = {reader.budget for reader in self.readers}
        return tuple(name for name in ("reader", "small_reader") if name in declared or name in self.needs)

    def measure(self, trained: Trained) -> Measurement:
        """Measure a tokenizer.

        Raises:
            TypeError: The function returns what is neither a number, a `Measurement` nor None.
        """
        assert self.function is not None, self.name
        measured = self.function(trained)
        if isinstance(measured, Measurement):
            return measured
        if not isinstance(measured, int | float | None):
            raise TypeError(f"expected a float or None, got {type(measured).__name__}; return value.item()")
        return Measurement(value=measured)
