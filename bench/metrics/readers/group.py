"""Readers of one size that learn side by side."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor


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
