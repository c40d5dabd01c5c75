"""Training of a reader: for a set number of updates, or until the validation sequences improve no more."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from bench.metrics.base import ConvergedBudget
from bench.metrics.readers.group import Group
from bench.metrics.readers.gru import BATCH, GRUReader
from bench.metrics.readers.indices import IndicesReader, OneByOne
from bench.metrics.readers.on_cpu import SideBySide

CHUNK = 64
CHECK_EVERY = 5  # updates of the barely trained reader between points of its curve: an epoch of the paper
_RATE = 1e-3  # of the barely trained reader

Pairs = Iterator[tuple[Tensor, Tensor]]
AnyReader = GRUReader | IndicesReader


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Result of a reader's training.

    Attributes:
        perplexity: exp(mean cross-entropy of the next token on the test sequences), in [1, inf); a token is a frame's
            code, all its indices together.
        updates: Updates made in all, those after the best check included.
        stopped_early: Whether patience ran out before the cap.
        curve: (update, perplexity on the validation sequences) of every check.
    """

    perplexity: float
    updates: int
    stopped_early: bool = False
    curve: tuple[tuple[int, float], ...] = ()


def barely_trained(
    train: Tensor, test: Tensor, num_codes: int, *, generator: torch.Generator, updates: int = 50
) -> Reading:
    """The paper's reader: `updates` of Adam (1e-3) on batches of 64 whole sequences, then the test perplexity.

    Its 10 epochs over 280 sequences are 50 updates; at that point perplexity still falls by about a sixth every five.

    Args:
        train: (n, time) int64 tokens.
        test: (m, time) int64 tokens.
        num_codes: Number K of codes in the codebook.
        generator: CPU generator of initial values and batch order.
        updates: Updates; the last, smaller batch of an epoch counts as one.

    Raises:
        ValueError: Sequences shorter than two tokens, or none.
    """
    reader = GRUReader(num_codes, generator)
    return barely_trained_at([reader], [train], [test], [generator], (updates,))[0][-1]


def barely_trained_at(
    readers: Sequence[AnyReader],
    train: Sequence[Tensor],
    test: Sequence[Tensor],
    generators: Sequence[torch.Generator],
    updates: Sequence[int],
    val: Sequence[Tensor] = (),
) -> list[list[Reading]]:
    """`barely_trained` of several readers side by side, each read at several numbers of updates, ascending.

    Validation sequences (v, time), where given, are read every 5 updates and at those numbers, for the curve alone.
    """
    _check(*train, *test)
    together, all_of_them = group(readers, train[0].device), range(len(readers))
    feeds = _feeds(train, train[0].shape[1] - 1, generators, BATCH)
    asked = torch.stack(list(test))
    checked = torch.stack(list(val)) if val else None
    readings: list[list[Reading]] = [[] for _ in readers]
    curves: list[list[tuple[int, float]]] = [[] for _ in readers]
    done = 0
    for goal in updates:
        while done < goal:
            together.update(_next(feeds), _RATE, all_of_them)
            done += 1
            if checked is not None and (done % CHECK_EVERY == 0 or done == goal):
                for curve, loss in zip(curves, together.cross_entropies(checked, all_of_them), strict=True):
                    curve.append((done, math.exp(loss)))
        for of_reader, curve, loss in zip(readings, curves, together.cross_entropies(asked, all_of_them), strict=True):
            of_reader.append(Reading(perplexity=math.exp(loss), updates=goal, curve=tuple(curve)))
    return readings


def converged(
    train: Tensor,
    val: Tensor,
    test: Tensor,
    num_codes: int,
    *,
    generator: torch.Generator,
    budget: ConvergedBudget,
) -> Reading:
    """A reader trained until the validation sequences gain no more; arguments and errors as `barely_trained`.

    Args:
        train: (n, time) int64 tokens.
        val: (v, time) int64 tokens that decide when to stop.
        test: (m, time) int64 tokens, read once.
        num_codes: Number K of codes in the codebook.
        generator: CPU generator of initial values, chunk offsets and batch order.
        budget: Cap, checks, patience, rate and batch.
    """
    reader = GRUReader(num_codes, generator)
    return train_until_converged([reader], [train], [val], [test], [generator], budget)[0]


def train_until_converged(
    readers: Sequence[AnyReader],
    train: Sequence[Tensor],
    val: Sequence[Tensor],
    test: Sequence[Tensor],
    generators: Sequence[torch.Generator],
    budget: ConvergedBudget,
) -> list[Reading]:
    """Adam on batches of chunks of 64 tokens, early stopping; leaves each reader at its best check.

    Args:
        readers: Readers of one size. Every reader stops by itself: training them side by side gives the results of
            training one after the other, in less time.
        train: Training tokens (n, time) of every reader, int64.
        val: Validation tokens (v, time) of every reader, int64, which decide when to stop.
        test: Test tokens (m, time) of every reader, int64, read once.
        generators: CPU generators of chunk offsets and batch order.
        budget: Cap, checks, patience, rate and batch.

    Returns:
        The result of every reader.

    Raises:
        ValueError: Sequences shorter than two tokens, or none.
    """
    _check(*train, *val, *test)
    together = group(readers, train[0].device)
    feeds = _feeds(train, min(CHUNK, train[0].shape[1] - 1), generators, budget.batch)
    checked = torch.stack(list(val))
    courses = [_Course(budget.patience) for _ in readers]
    going = list(range(len(readers)))
    for update in range(1, budget.cap + 1):
        rate = budget.rate * (1.0 - (update - 1) / budget.cap) if budget.anneal else budget.rate
        together.update(_next(feeds), rate, going)
        if update % budget.check_every == 0 or update == budget.cap:
            losses = together.cross_entropies(checked, going)
            together.keep(
                [index for index, loss in zip(going, losses, strict=True) if courses[index].add(update, loss)]
            )
            going = [index for index in going if not courses[index].stopped_early]
            if not going:
                break
    together.restore()
    ends = together.cross_entropies(torch.stack(list(test)), range(len(readers)))
    return [
        Reading(
            perplexity=math.exp(loss),
            updates=course.curve[-1][0],
            stopped_early=course.stopped_early,
            curve=tuple(course.curve),
        )
        for course, loss in zip(courses, ends, strict=True)
    ]


class _Course:
    """The checks of one reader."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = math.inf
        self.misses = 0
        self.curve: list[tuple[int, float]] = []

    @property
    def stopped_early(self) -> bool:
        return self.misses >= self.patience

    def add(self, update: int, loss: float) -> bool:
        """Whether this check is the best so far."""
        self.curve.append((update, math.exp(loss)))
        if loss < self.best:
            self.best, self.misses = loss, 0
            return True
        self.misses += 1
        return False


def _feeds(train: Sequence[Tensor], length: int, generators: Sequence[torch.Generator], batch: int) -> list[Pairs]:
    return [
        _batches(tokens.cpu(), length, generator, batch) for tokens, generator in zip(train, generators, strict=True)
    ]


def _next(feeds: Sequence[Pairs]) -> Tensor:
    """(R, 2, B, T) tokens and next tokens of every reader, on the CPU."""
    return torch.stack([torch.stack(next(feed)) for feed in feeds])


def _batches(sequences: Tensor, length: int, generator: torch.Generator, batch: int) -> Pairs:
    """Endless epochs of batches of (tokens, next tokens), each (batch or fewer, length), shuffled.

    Sequences are cut into as many chunks as fit, from one random offset an epoch, so that over epochs every token is
    read and chunks begin at many places. All draws are on the CPU.
    """
    predicted = sequences.shape[1] - 1
    chunks, spare = divmod(predicted, length)
    while True:
        offset = int(torch.randint(spare + 1, (), generator=generator))
        tokens = sequences[:, offset : offset + chunks * length].reshape(-1, length)
        targets = sequences[:, offset + 1 : offset + 1 + chunks * length].reshape(-1, length)
        for chosen in torch.split(torch.randperm(len(tokens), generator=generator), batch):
            yield tokens[chosen], targets[chosen]


def _check(*splits: Tensor) -> None:
    for split in splits:
        if split.ndim != 2 or len(split) == 0 or split.shape[1] < 2:
            raise ValueError(f"expected (n, time) tokens with n >= 1 and time >= 2, got {tuple(split.shape)}")


def group(readers: Sequence[AnyReader], device: torch.device) -> Group:
    """The group for readers of one kind on a device."""
    if isinstance(readers[0], IndicesReader):
        return OneByOne(cast(Sequence[IndicesReader], readers), device)
    of_one_index = cast(Sequence[GRUReader], readers)
    if device.type == "cpu":
        return SideBySide(of_one_index)
    from bench.metrics.readers.on_gpu import Stacked

    return Stacked(of_one_index, device)
