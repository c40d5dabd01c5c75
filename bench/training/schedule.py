"""Schedule of a training, and the history that it records."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Schedule of the training of a tokenizer.

    Attributes:
        warm_up_epochs: Epochs of the plain autoencoder before the quantizer is put in.
        epochs: Epochs after that, a family's own warm-up share included.
        batch: Number of frames per step.
        learning_rate: Learning rate of Adam.
        check_every: Steps between two points of the learning curve; 0 takes one an epoch.
    """

    warm_up_epochs: int
    epochs: int
    batch: int
    learning_rate: float
    check_every: int = 0

    def steps_per_epoch(self, frames: int) -> int:
        """Whole batches; the few frames left over change with the order of each epoch."""
        return max(1, frames // self.batch)

    def checks(self, frames: int) -> tuple[int, ...]:
        """Steps made at each point of the learning curve; the last span may be shorter.

        >>> Schedule(warm_up_epochs=0, epochs=2, batch=64, learning_rate=1e-3, check_every=15).checks(frames=640)
        (15, 20)
        """
        steps = self.steps_per_epoch(frames)
        span, total = self.check_every or steps, steps * self.epochs
        return tuple(min(start + span, total) for start in range(0, total, span))


@dataclass(kw_only=True)
class History:
    """A learning curve, on the frames' own scale, and whether training broke down.

    A point is an epoch, or as many steps as the schedule says.

    Attributes:
        train: Mean reconstruction error of each point's batches; None while the codebook alone learns.
        validation: Error on the validation split at each point.
        diverged: Whether an error was not finite.
        given_up: Whether training ended early, above its ceiling.
        eager: Why its steps were not replayed as CUDA graphs, on a GPU; else empty.
        warm_up_seconds: Seconds of its share of the warm-up.
        codebook: Name of an observation of the codebook -> its values on the validation split, the first before any
            step with the quantizer, then one at each point; see `bench.training.observations`.
    """

    train: list[float | None] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    diverged: bool = False
    given_up: bool = False
    eager: str = ""
    warm_up_seconds: float = field(default=0.0, compare=False)
    codebook: dict[str, list[float | None]] = field(default_factory=dict, compare=False)
