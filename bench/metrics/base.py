"""What a metric is and what it may look at."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from datasets.base import Sequences

Result = TypeVar("Result")
Direction = Literal["lower", "higher", "target", "none"]


def as_array(values: ArrayLike | Tensor) -> NDArray[Any]:
    """An array of any array-like or tensor, from any device, outside any gradient."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


@dataclass(frozen=True)
class ReaderBudget:
    """How long the readers of token sequences are trained (PROTOCOL.md gives the values; the report prints them).

    Attributes:
        updates: Updates of the paper's barely trained reader (`seq_ppl`).
        cap: Most updates of the converged reader.
        check_every: Updates between two looks at the validation split.
        patience: Looks without improvement after which training stops.
        rate: Adam's learning rate of the converged reader.
        anneal: Whether that rate falls linearly to 0 at the cap. Best checks then come last, so early stopping seldom
            ends such a training before the cap.
    """

    updates: int = 50
    cap: int = 600
    check_every: int = 25
    patience: int = 3
    rate: float = 3e-3
    anneal: bool = False


@dataclass(frozen=True)
class Trained:
    """One trained tokenizer on one dataset, as the metrics see it. Tensors share one device.

    Attributes:
        data: The dataset; `data.frames["test"]` is what is measured.
        num_codes: K.
        tokens: Split -> (n_sequences, time) int64 codes.
        decoded: (n_sequences, time, width) reconstruction of the test frames.
        latents: (N, D) test frames, in order, in the space where the quantizer picks the nearest code.
        latent_codebook: (K, D) the codes in that space.
        codebook: (K, C) code vectors as the decoder gets them.
        positions: (K, g) int64 lattice position of each code, or None.
        sample: (n,) indices of the at most 2,000 test frames that the neighbourhood metrics use.
        seed: Seed of the readers' generators.
        budget: The readers' budget.
    """

    data: Sequences
    num_codes: int
    tokens: Mapping[str, Tensor]
    decoded: Tensor
    latents: Tensor
    latent_codebook: Tensor
    codebook: Tensor
    positions: Tensor | None
    sample: Tensor
    seed: int
    budget: ReaderBudget = ReaderBudget()
    _shared: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def codes(self) -> Tensor:
        """(N,) codes of the test frames, in order."""
        return self.tokens["test"].flatten()

    @property
    def used(self) -> Tensor:
        """(U,) sorted codes hit at least once on the whole test split."""
        used: Tensor = torch.unique(self.codes)
        return used

    def generator(self, stream: int) -> torch.Generator:
        """A CPU generator for one purpose, so that metrics do not disturb each other's draws."""
        return torch.Generator().manual_seed(self.seed * 1_000 + stream)

    def shared(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """Compute once what several metrics need (a trained reader, say)."""
        if key not in self._shared:
            self._shared[key] = compute()
        result: Result = self._shared[key]
        return result


@dataclass(frozen=True)
class Metric:
    """A number about a trained tokenizer.

    Attributes:
        name: Column name.
        function: `Trained` -> float, or None where the metric does not apply (no positions, say).
        direction: Which way is better; "target" means nearest to `target`.
        summary: One line: formula or definition, and range.
        needs: What beside codes it looks at: "positions" where it is blank without them, "reader" where it trains one.
        target: The best value where direction is "target".
    """

    name: str
    function: Callable[[Trained], float | None]
    direction: Direction
    summary: str
    needs: tuple[str, ...] = ()
    target: float | None = None
