"""Readers: how well a small GRU learns to predict the next token, barely trained and trained to convergence."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.adam import Adam
from bench.metrics.base import ConvergedBudget, Metric, Trained
from bench.metrics.gru import BATCH, GRUReader, cross_entropies, losses

CHUNK = 64
PUBLISHED_POINT = 17  # updates: SOM-VQ's printed perplexities are those of a reader stopped about here


@dataclass(frozen=True)
class Reading:
    """What a reader reached.

    Attributes:
        perplexity: exp(mean cross-entropy of the next token on the test sequences), in [1, inf).
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
        num_codes: K.
        generator: CPU generator of initial values and batch order.
        updates: Updates; the last, smaller batch of an epoch counts as one.

    Raises:
        ValueError: Sequences shorter than two tokens, or none.
    """
    return barely_trained_at(train, test, num_codes, generator=generator, updates=(updates,))[-1]


def barely_trained_at(
    train: Tensor, test: Tensor, num_codes: int, *, generator: torch.Generator, updates: Sequence[int]
) -> list[Reading]:
    """`barely_trained` read at several numbers of updates, ascending, on its way."""
    _check(train, test)
    reader = GRUReader(num_codes, generator).to(train.device)
    optimiser = Adam(reader.parameters(), 1e-3)
    batches = _batches(train, train.shape[1] - 1, generator)
    readings = []
    done = 0
    for goal in updates:
        for _ in range(goal - done):
            _update([reader], [optimiser], *next(batches))
        done = goal
        readings.append(Reading(reader.perplexity(test), goal))
    return readings


def converged(
    train: Tensor,
    val: Tensor,
    test: Tensor,
    num_codes: int,
    *,
    generator: torch.Generator,
    budget: ConvergedBudget | None = None,
) -> Reading:
    """A reader trained until the validation sequences gain no more; arguments and errors as `barely_trained`.

    Args:
        train: (n, time) int64 tokens.
        val: (v, time) int64 tokens that decide when to stop.
        test: (m, time) int64 tokens, read once.
        num_codes: K.
        generator: CPU generator of initial values, chunk offsets and batch order.
        budget: Cap, checks, patience, rate and batch.
    """
    reader = GRUReader(num_codes, generator)
    return train_until_converged([reader], train, val, test, generator, budget)[0]


def train_until_converged(
    readers: Sequence[GRUReader],
    train: Tensor,
    val: Tensor,
    test: Tensor,
    generator: torch.Generator,
    budget: ConvergedBudget | None = None,
) -> list[Reading]:
    """Adam on batches of chunks of 64 tokens, early stopping; leaves each reader at its best check.

    Args:
        readers: Of one size. They get the same batches, and each stops on its own: training them side by side gives
            what training one after the other gives, from generators in one state, in less time.
        train: (n, time) int64 tokens.
        val: (v, time) int64 tokens that decide when to stop.
        test: (m, time) int64 tokens, read once.
        generator: CPU generator of chunk offsets and batch order.
        budget: Cap, checks, patience, rate and batch.

    Returns:
        For each, what it reached.
    """
    _check(train, val, test)
    budget = budget or ConvergedBudget()
    courses = [_Course(reader.to(train.device), budget) for reader in readers]
    batches = _batches(train, min(CHUNK, train.shape[1] - 1), generator, budget.batch)
    going = courses
    for update in range(1, budget.cap + 1):
        if budget.anneal:
            for course in going:
                course.optimiser.learning_rate = budget.rate * (1.0 - (update - 1) / budget.cap)
        _update([course.reader for course in going], [course.optimiser for course in going], *next(batches))
        if update % budget.check_every == 0 or update == budget.cap:
            for course, loss in zip(going, cross_entropies([course.reader for course in going], val), strict=True):
                course.check(update, loss)
            going = [course for course in going if not course.stopped_early]
            if not going:
                break
    for course in courses:
        course.reader.load_state_dict(course.best)
    return [
        Reading(math.exp(loss), course.curve[-1][0], course.stopped_early, tuple(course.curve))
        for course, loss in zip(courses, cross_entropies(readers, test), strict=True)
    ]


class _Course:
    """The training of one reader: its optimiser, its checks and its best state."""

    def __init__(self, reader: GRUReader, budget: ConvergedBudget) -> None:
        self.reader = reader
        self.optimiser = Adam(reader.parameters(), budget.rate)
        self.patience = budget.patience
        self.best = copy.deepcopy(reader.state_dict())
        self.best_loss = math.inf
        self.misses = 0
        self.curve: list[tuple[int, float]] = []

    @property
    def stopped_early(self) -> bool:
        return self.misses >= self.patience

    def check(self, update: int, loss: float) -> None:
        self.curve.append((update, math.exp(loss)))
        self.misses += 1
        if loss < self.best_loss:
            self.best, self.best_loss, self.misses = copy.deepcopy(self.reader.state_dict()), loss, 0


def _update(readers: Sequence[GRUReader], optimisers: Sequence[Adam], tokens: Tensor, targets: Tensor) -> None:
    """One step of Adam for every reader: they share no parameter, so their losses may be added."""
    for optimiser in optimisers:
        optimiser.clear()
    losses(readers, tokens, targets).sum().backward()  # type: ignore[no-untyped-call]
    for optimiser in optimisers:
        optimiser.step()


def _batches(
    sequences: Tensor, length: int, generator: torch.Generator, batch: int = BATCH
) -> Iterator[tuple[Tensor, Tensor]]:
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
            chosen = chosen.to(sequences.device)
            yield tokens[chosen], targets[chosen]


def _check(*splits: Tensor) -> None:
    for split in splits:
        if split.ndim != 2 or len(split) == 0 or split.shape[1] < 2:
            raise ValueError(f"expected (n, time) tokens with n >= 1 and time >= 2, got {tuple(split.shape)}")


def _barely_trained(trained: Trained) -> list[Reading]:
    """Of this tokenizer: at the point where the published figures lie, and at the end."""
    tokens, updates = trained.tokens, trained.budget.updates

    def compute() -> list[Reading]:
        at = (min(PUBLISHED_POINT, updates), updates)
        return barely_trained_at(
            tokens["train"], tokens["test"], trained.num_codes, generator=trained.generator(1), updates=at
        )

    return trained.shared("barely trained reader", compute)


def _seq_ppl_17(trained: Trained) -> float:
    return _barely_trained(trained)[0].perplexity


def _seq_ppl(trained: Trained) -> float:
    return _barely_trained(trained)[1].perplexity


def converged_reader(trained: Trained) -> tuple[GRUReader, Reading]:
    """The converged reader of this tokenizer at its best check and what it reached, trained once."""

    def compute() -> tuple[GRUReader, Reading]:
        train, val, test = (trained.tokens[split] for split in ("train", "val", "test"))
        generator = trained.generator(2)
        reader = GRUReader(trained.num_codes, generator)
        return reader, train_until_converged([reader], train, val, test, generator, trained.budget)[0]

    return trained.shared("converged reader", compute)


def _seq_ppl_converged(trained: Trained) -> float:
    return converged_reader(trained)[1].perplexity


def _bits_per_frame(trained: Trained) -> float:
    return math.log2(converged_reader(trained)[1].perplexity)


_NEEDS = ("reader",)
METRICS = (
    Metric(
        "seq_ppl_17",
        _seq_ppl_17,
        "none",
        "seq_ppl after 17 of its 50 updates, where the SOM-VQ paper's figures lie; [1, inf)",
        _NEEDS,
    ),
    Metric("seq_ppl", _seq_ppl, "none", "test perplexity of a barely trained GRU; [1, inf)", _NEEDS),
    Metric("seq_ppl_converged", _seq_ppl_converged, "lower", "test perplexity of a converged GRU; [1, inf)", _NEEDS),
    Metric("bits_per_frame", _bits_per_frame, "lower", "log2 of seq_ppl_converged; [0, inf)", _NEEDS),
)
