"""Readers of one size that learn side by side."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from bench.kernels.adam import Adam

R = TypeVar("R", bound=nn.Module)


class Group(ABC):
    """R readers; every tensor of tokens has the reader as its first dimension.

    What is done for some of them, `which`, leaves the others as they are or unread.
    """

    @abstractmethod
    def update(self, pairs: Tensor, rate: float, which: Sequence[int]) -> None:
        """One step of Adam on (R, 2, B, T) tokens and next tokens, a batch on the CPU."""

    @abstractmethod
    def cross_entropies(self, sequences: Tensor, which: Sequence[int]) -> list[float]:
        """For each of `which`, the mean cross-entropy in nats of every token of (R, n, time) but each first."""

    @abstractmethod
    def keep(self, which: Sequence[int]) -> None:
        """Remember how these are now."""

    @abstractmethod
    def restore(self) -> None:
        """Make every reader what it was when it was last kept."""


class Separate(Group, ABC, Generic[R]):
    """R readers, each a module with its own optimiser.

    Args:
        readers: They are trained in place.
    """

    def __init__(self, readers: Sequence[R]) -> None:
        self.readers = readers
        self.optimisers = [Adam(reader.parameters(), 0.0) for reader in readers]
        self.kept: dict[int, dict[str, Any]] = {}

    def keep(self, which: Sequence[int]) -> None:
        """A copy of all parameters."""
        for index in which:
            self.kept[index] = copy.deepcopy(self.readers[index].state_dict())

    def restore(self) -> None:
        """From the copies."""
        for index, state in self.kept.items():
            self.readers[index].load_state_dict(state)
