"""The training loop: one seed alone, or all seeds of a pair as one batch of replicas."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state

from bench.adam import Adam
from bench.model import Autoencoder
from quantizers.base import rows_at_once

INITIAL_ROWS = 16_384


@dataclass(frozen=True)
class Schedule:
    """How long and with what a tokenizer is trained.

    Attributes:
        warm_up_epochs: Epochs of the plain autoencoder before the quantizer is put in.
        epochs: Epochs after that, a family's own warm-up share included.
        batch: Frames a step.
        learning_rate: Of Adam.
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


@dataclass
class History:
    """A learning curve, on the frames' own scale, and whether training broke down.

    A point is an epoch, or as many steps as the schedule says.

    Attributes:
        train: Mean reconstruction error of each point's batches; None while the codebook alone learns.
        validation: Error on the validation split at each point.
        diverged: Whether an error was not finite.
    """

    train: list[float | None] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    diverged: bool = False


class Replicas:
    """Autoencoders of one shape, called as one: every input and output has the replica as its first dimension.

    One model is called as it is; several through `torch.func.vmap` over their stacked state, which turns R small
    matrix products into one batched product: on a GPU these models are bound by kernel launches.
    """

    def __init__(self, models: list[Autoencoder]) -> None:
        self.models = models
        self._stacked: tuple[dict[str, Any], dict[str, Any]] | None = None
        if len(models) > 1:
            self._stacked = stack_module_state(models)

    @property
    def parameters(self) -> list[Tensor]:
        """What the optimiser moves."""
        return list(self._stacked[0].values()) if self._stacked else list(self.models[0].parameters())

    def __call__(self, operation: str, *inputs: Tensor, shared: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """Run an operation of the autoencoder on inputs (R, ...), with `shared` inputs the same for all."""
        if self._stacked is None:
            outputs = self.models[0](operation, *(each[0] for each in inputs), *shared)
            return tuple(output[None] for output in outputs)

        def one(parameters: dict[str, Any], buffers: dict[str, Any], *own: Tensor) -> tuple[Tensor, ...]:
            state = (parameters, buffers)
            result: tuple[Tensor, ...] = functional_call(self.models[0], state, (operation, *own, *shared))
            return result

        batched: tuple[Tensor, ...] = torch.vmap(one)(*self._stacked, *inputs)
        return batched

    def map(self, change: Callable[[int, Autoencoder], None]) -> None:
        """Apply `change(index, model)` to each model on its own, its state read before and written back after."""
        with torch.no_grad():
            for index, model in enumerate(self.models):
                state = {name: tensor for part in self._stacked or () for name, tensor in part.items()}
                own = dict(model.named_parameters()) | dict(model.named_buffers())
                for name, tensor in state.items():
                    own[name].copy_(tensor[index])
                change(index, model)
                for name, tensor in state.items():
                    tensor[index].copy_(own[name])

    def train(self, training: bool) -> None:
        """Switch between training and eval."""
        for model in self.models:
            model.train(training)


def train(
    models: list[Autoencoder],
    frames: list[Tensor],
    validation: list[Tensor],
    seeds: list[int],
    schedule: Schedule,
    max_steps: int | None = None,
) -> list[History]:
    """Train autoencoders of one family, one a seed, in place.

    Args:
        models: One a seed, on the device to train on.
        frames: For each, its training frames (N, width), the same N for all.
        validation: For each, its validation frames (M, width).
        seeds: For each, the seed of its batch order.
        schedule: Epochs, batch, optimiser.
        max_steps: Stop the second part after this many steps; None trains to the end.

    Returns:
        For each, its learning curve.
    """
    if len(models) > 1 and not models[0].quantizer.vectorised:
        alone = zip(models, frames, validation, seeds, strict=True)
        return [train([m], [f], [v], [s], schedule, max_steps)[0] for m, f, v, s in alone]
    return _Training(models, frames, validation, seeds, schedule).run(max_steps)


class _Training:
    """The state of one call of `train`."""

    def __init__(
        self,
        models: list[Autoencoder],
        frames: list[Tensor],
        validation: list[Tensor],
        seeds: list[int],
        schedule: Schedule,
    ) -> None:
        self.replicas = Replicas(models)
        self.frames = torch.stack(frames)
        self.validation = torch.stack(validation)
        self.rows = torch.arange(len(models), device=self.frames.device)[:, None]
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.schedule = schedule
        self.batch = min(schedule.batch, self.frames.shape[1])
        self.optimiser = Adam(self.replicas.parameters, schedule.learning_rate)
        self.histories = [History() for _ in models]

    def run(self, max_steps: int | None) -> list[History]:
        steps = self.schedule.steps_per_epoch(self.frames.shape[1])
        total = steps * self.schedule.epochs
        last = total if max_steps is None else min(total, max_steps)
        share = self.replicas.models[0].quantizer.warm_up_share
        self.replicas.train(True)
        for _ in range(self.schedule.warm_up_epochs):
            for x in self._batches(steps):
                self._descend(*self.replicas("unquantized", x))
        self._initialise()
        epochs = itertools.chain.from_iterable(self._batches(steps) for _ in itertools.count())
        span = self.schedule.check_every or steps
        for start in range(0, last, span):
            errors = []
            for step, x in enumerate(itertools.islice(epochs, min(span, last - start)), start):
                progress = torch.tensor(step / total, device=x.device)
                if step / total < share:
                    with torch.no_grad():
                        z, codes = self.replicas("encode", x)
                else:
                    loss, error, z, codes = self.replicas("joint", x)
                    self._descend(loss)
                    errors.append(error.detach())
                with torch.no_grad():
                    self.replicas("update", z.detach(), codes, shared=(progress,))
            self._record(errors)
        self.replicas.map(lambda index, model: None)
        self.replicas.train(False)
        return self.histories

    def _batches(self, count: int) -> Iterator[Tensor]:
        """(R, B, width) batches of an epoch, in an order drawn on the CPU so that devices agree."""
        orders = [torch.randperm(self.frames.shape[1], generator=generator) for generator in self.generators]
        order = torch.stack(orders).to(self.frames.device)
        for index in range(count):
            yield self.frames[self.rows, order[:, index * self.batch : (index + 1) * self.batch]]

    def _descend(self, losses: Tensor) -> None:
        """One step of Adam for every replica: the replicas share no parameter, so their losses may be added."""
        self.optimiser.clear()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def _initialise(self) -> None:
        def start(index: int, model: Autoencoder) -> None:
            count = max(INITIAL_ROWS, model.quantizer.num_codes)
            order = torch.randperm(self.frames.shape[1], generator=self.generators[index])[:count]
            z = model.encoder(self.frames[index][order.to(self.frames.device)])
            if z.isfinite().all():
                model.quantizer.initialise(z)
            else:
                self.histories[index].diverged = True

        self.replicas.map(start)

    def _record(self, errors: list[Tensor]) -> None:
        """Add a point to the learning curves; the only place where the host waits for the device."""
        with torch.no_grad():
            blocks = torch.split(self.validation, rows_at_once(self.replicas.models[0].quantizer.num_codes), dim=1)
            errors_by_block = [self.replicas("error", block)[0] * block.shape[1] for block in blocks]
        validation = torch.stack(errors_by_block).sum(0) / self.validation.shape[1]
        averages = torch.stack(errors).mean(0).tolist() if errors else [None] * len(self.histories)
        for history, average, error in zip(self.histories, averages, validation.tolist(), strict=True):
            history.train.append(average)
            history.validation.append(error)
            history.diverged |= not math.isfinite(error) or not math.isfinite(average or 0.0)
