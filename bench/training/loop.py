"""The training loop: one seed alone, or all seeds of a pair as one batch of replicas."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bench.kernels.adam import Adam
from bench.kernels.clock import seconds
from bench.kernels.cuda_graphs import Captured
from bench.training.autoencoder import Autoencoder
from bench.training.observations import observe
from bench.training.replicas import Replicas
from bench.training.schedule import History, Schedule
from quantizers.learned import rows_at_once

INITIAL_ROWS = 16_384


def train(
    models: list[Autoencoder],
    frames: list[Tensor],
    validation: list[Tensor],
    seeds: list[int],
    schedule: Schedule,
    max_steps: int | None = None,
    ceiling: Sequence[float | None] = (),
) -> list[History]:
    """Train autoencoders of one family, one a seed, in place.

    Args:
        models: One a seed, on the device to train on.
        frames: For each, its training frames (N, width), the same N for all.
        validation: For each, its validation frames (M, width).
        seeds: For each, the seed of its batch order.
        schedule: Schedule with epochs, batch size and learning rate.
        max_steps: Stop the second part after this many steps; None trains to the end.
        ceiling: Training is given up at a point of the learning curve where every seed's least validation error so far
            is above this; None, and points beyond it, never.

    Returns:
        For each, its learning curve.
    """
    if len(models) > 1 and not models[0].quantizer.vectorised:
        alone = zip(models, frames, validation, seeds, strict=True)
        return [train([m], [f], [v], [s], schedule, max_steps, ceiling)[0] for m, f, v, s in alone]
    return _Training(models, frames, validation, seeds, schedule, ceiling).run(max_steps)


class _Training:
    """The state of one call of `train`, in tensors that stay in place, so that its steps can be captured."""

    def __init__(
        self,
        models: list[Autoencoder],
        frames: list[Tensor],
        validation: list[Tensor],
        seeds: list[int],
        schedule: Schedule,
        ceiling: Sequence[float | None],
    ) -> None:
        self.ceiling = ceiling
        self.replicas = Replicas(models)
        self.frames = torch.stack(frames)
        self.validation = torch.stack(validation)
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.schedule = schedule
        self.optimiser = Adam(self.replicas.parameters, schedule.learning_rate)
        self.histories = [History() for _ in models]
        count, device = self.frames.shape[1], self.frames.device
        self.steps = schedule.steps_per_epoch(count)
        self.batch = min(schedule.batch, count)
        self.rows = torch.zeros(self.steps, len(models) * self.batch, dtype=torch.int64, device=device)
        self.progress = torch.zeros(self.steps, device=device)
        self.place = torch.zeros(1, dtype=torch.int64, device=device)  # of the next step in the epoch
        self.one_each = torch.ones(len(models), device=device)
        self.errors = torch.zeros(len(models), dtype=torch.float64, device=device)
        self.former_codes: Sequence[Tensor] | Tensor = ()

    def run(self, max_steps: int | None) -> list[History]:
        total = self.steps * self.schedule.epochs
        last = total if max_steps is None else min(total, max_steps)
        share = self.replicas.models[0].quantizer.warm_up_share
        begun = seconds(self.frames.device.type)
        self.replicas.train(True)
        plain, alone, joint = map(self._captured, (self._plain_step, self._codebook_step, self._joint_step))
        for _ in range(self.schedule.warm_up_epochs):
            self._begin_epoch(0)
            for _ in range(self.steps):
                plain()
        self._initialise()
        self._check()
        warm = (seconds(self.frames.device.type) - begun) / len(self.histories)
        span = self.schedule.check_every or self.steps
        for start in range(0, last, span):
            counted = 0
            for step in range(start, min(start + span, last)):
                if step % self.steps == 0:
                    self._begin_epoch(step)
                if step / total < share:
                    alone()
                else:
                    joint()
                    counted += 1
            self._record(counted)
            if self._hopeless():
                for history in self.histories:
                    history.given_up = True
                break
        for history in self.histories:
            history.eager, history.warm_up_seconds = joint.reason, warm
        self.replicas.map(lambda index, model: None)
        self.replicas.train(False)
        return self.histories

    def _hopeless(self) -> bool:
        point = len(self.histories[0].validation)
        bound = self.ceiling[point - 1] if point <= len(self.ceiling) else None
        return bound is not None and all(min(history.validation) > bound for history in self.histories)

    def _captured(self, step: Callable[[], None]) -> Captured:
        # A family that says so may draw numbers or count steps in Python, which a replay would leave out.
        vectorised = self.replicas.models[0].quantizer.vectorised
        return Captured(step, self.frames.device, "" if vectorised else "the family is not vectorised")

    def _plain_step(self) -> None:
        """Make a step of the autoencoder without its quantizer."""
        self._descend(*self.replicas("unquantized", self._next()[0]))

    @torch.no_grad()
    def _codebook_step(self) -> None:
        """Make a step of the codebook alone; encoder and decoder stand still."""
        x, progress = self._next()
        z, codes = self.replicas("encode", x)
        self.replicas("update", z, codes, shared=(progress,))

    def _joint_step(self) -> None:
        x, progress = self._next()
        loss, error, z, codes = self.replicas("joint", x)
        self._descend(loss)
        with torch.no_grad():
            self.errors.add_(error)
            self.replicas("update", z.detach(), codes, shared=(progress,))

    def _begin_epoch(self, step: int) -> None:
        """Draw every replica's order of its frames, on the CPU so that devices agree."""
        count = self.frames.shape[1]
        orders = [torch.randperm(count, generator=generator) for generator in self.generators]
        chosen = torch.stack([order[: self.rows.numel() // len(orders)] for order in orders])
        chosen += torch.arange(len(orders))[:, None] * count  # rows of all replicas' frames, one below the other
        self.rows.copy_(chosen.view(len(orders), self.steps, self.batch).transpose(0, 1).reshape(self.rows.shape))
        steps = torch.arange(step, step + self.steps, dtype=torch.float64)
        self.progress.copy_(steps / max(1, self.steps * self.schedule.epochs))
        self.place.zero_()

    def _next(self) -> tuple[Tensor, Tensor]:
        """(R, B, width) frames and () progress of the next step; its place is a tensor, so that a replay finds it."""
        rows = self.rows.index_select(0, self.place)[0]
        progress = self.progress.index_select(0, self.place)[0]
        self.place.add_(1)
        count, _, width = self.frames.shape
        return self.frames.view(-1, width).index_select(0, rows).view(count, self.batch, width), progress

    def _descend(self, losses: Tensor) -> None:
        """One step of Adam for every replica: they share no parameter, so each gets the gradient of its own loss."""
        self.optimiser.clear()
        losses.backward(self.one_each)  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def _initialise(self) -> None:
        def start(index: int, model: Autoencoder) -> None:
            count = max(INITIAL_ROWS, *model.quantizer.code_sizes)
            order = torch.randperm(self.frames.shape[1], generator=self.generators[index])[:count]
            z = model.encoder(self.frames[index][order.to(self.frames.device)])
            if z.isfinite().all():
                model.quantizer.initialise(z)
            else:
                self.histories[index].diverged = True

        self.replicas.map(start)

    def _record(self, counted: int) -> None:
        """Add a point to the learning curves; the only place where the host waits for the device.

        Args:
            counted: Steps whose errors were added up since the last point.
        """
        validation = self._check()
        averages = (self.errors / counted).tolist() if counted else [None] * len(self.histories)
        self.errors.zero_()
        for history, average, error in zip(self.histories, averages, validation.tolist(), strict=True):
            history.train.append(average)
            history.validation.append(error)
            history.diverged |= not math.isfinite(error) or not math.isfinite(average or 0.0)

    @torch.no_grad()
    def _check(self) -> Tensor:
        """Error (R,) of every replica on its validation split; the state of its codebook goes into its history."""
        quantizer = self.replicas.models[0].quantizer
        blocks = torch.split(self.validation, rows_at_once(max(quantizer.code_sizes)), dim=1)
        checks = [self.replicas("check", block) for block in blocks]
        latents, codes = (torch.cat(parts, dim=1) for parts in list(zip(*checks, strict=True))[1:])
        several = len(quantizer.code_sizes) > 1
        (vectors,) = self.replicas("latent_vectors", codes) if several else self.replicas("latent_codebook")
        for index, history in enumerate(self.histories):
            former = self.former_codes[index] if len(self.former_codes) else None
            for name, value in observe(
                latents[index], codes[index], vectors[index], former, quantizer.code_sizes
            ).items():
                history.codebook.setdefault(name, []).append(value)
        self.former_codes = codes
        weighted = [error * block.shape[1] for (error, *_), block in zip(checks, blocks, strict=True)]
        return torch.stack(weighted).sum(0) / self.validation.shape[1]
