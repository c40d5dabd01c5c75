"""Readers: how well a small GRU learns to predict the next token, barely trained and trained to convergence."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.adam import Adam
from bench.metrics.base import ConvergedBudget, Metric, Trained
from bench.metrics.recurrence import reading_loss, run_states

EMBEDDING = 64
HIDDEN = 128
BATCH = 64
CHUNK = 64
CHECK_EVERY = 5  # updates of the barely trained reader between points of its curve: an epoch of the paper
PUBLISHED_POINT = 17  # updates: SOM-VQ's printed perplexities are those of a reader stopped about here
_EVALUATED_LOGITS = 2**22  # held at once


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


class GRUReader(nn.Module):
    """Next-token model: embedding 64, one GRU layer of 128, linear logits; every draw from the given generator.

    On a CPU the loss takes `recurrence.reading_loss`, elsewhere the plain modules: the same function.

    Args:
        num_codes: K.
        generator: CPU generator of the initial values, so that every device starts from the same ones.
        embedding: Module from tokens (...) to (..., 64) to use in place of a free table, already initialised.
    """

    def __init__(self, num_codes: int, generator: torch.Generator, embedding: nn.Module | None = None) -> None:
        super().__init__()
        self.num_codes = num_codes
        # Built without values: the modules' own initialisation would draw from the global generator.
        with torch.device("meta"):
            self.gru = nn.GRU(EMBEDDING, HIDDEN, batch_first=True)
            self.output = nn.Linear(HIDDEN, num_codes)
            table = nn.Embedding(num_codes, EMBEDDING)
        self.gru.to_empty(device="cpu")
        self.output.to_empty(device="cpu")
        if embedding is None:
            nn.init.normal_(table.to_empty(device="cpu").weight, generator=generator)
        self.embedding = table if embedding is None else embedding
        bound = 1.0 / math.sqrt(HIDDEN)  # the defaults of nn.GRU and nn.Linear at this width
        for parameter in (*self.gru.parameters(), *self.output.parameters()):
            nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) tokens -> (B, T, K) logits of the next token."""
        logits: Tensor = self.output(self.gru(self.embedding(tokens))[0])
        return logits

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats of `targets` (B, T) after `tokens` (B, T)."""
        if tokens.is_cuda:
            return self.plain_loss(tokens, targets)
        return reading_loss(*self._recurrence(), self.output.weight, self.output.bias, tokens, targets)

    def plain_loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """`loss` by the plain modules: the formula that the fast one must equal."""
        return functional.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())

    @torch.inference_mode()
    def cross_entropy(self, sequences: Tensor) -> float:
        """Mean cross-entropy in nats of every token of (n, time) but each first, given all before it."""
        total = 0.0
        for _, targets, states in self._read(sequences):
            rows = max(1, _EVALUATED_LOGITS // self.num_codes)
            for state, target in zip(
                torch.split(states.flatten(0, 1), rows), torch.split(targets.flatten(), rows), strict=True
            ):
                total += float(functional.cross_entropy(self.output(state), target, reduction="sum"))
        return total / (len(sequences) * (sequences.shape[1] - 1))

    def perplexity(self, sequences: Tensor) -> float:
        """The exponential of `cross_entropy`."""
        return math.exp(self.cross_entropy(sequences))

    @torch.inference_mode()
    def most_likely(self, sequences: Tensor) -> Tensor:
        """(n, time) tokens -> (n, time - 1) the likeliest token at every place but the first, given all before it."""
        chosen = []
        for tokens, _, states in self._read(sequences):
            rows = max(1, _EVALUATED_LOGITS // self.num_codes)
            likeliest = [self.output(state).argmax(dim=-1) for state in torch.split(states.flatten(0, 1), rows)]
            chosen.append(torch.cat(likeliest).view_as(tokens))
        return torch.cat(chosen)

    def _read(self, sequences: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Blocks of tokens (B, T), next tokens (B, T) and the states (B, T, 128) that have seen the former."""
        for block in torch.split(sequences, BATCH):
            tokens, targets = block[:, :-1], block[:, 1:]
            yield tokens, targets, self.gru(self.embedding(tokens))[0] if block.is_cuda else self._states(tokens)

    def _states(self, tokens: Tensor) -> Tensor:
        table, recurrent, bias = self._recurrence()
        return run_states(table, recurrent, bias, tokens)[1:].transpose(0, 1)

    def _recurrence(self) -> tuple[Tensor, Tensor, Tensor]:
        """Table, recurrent weights and bias of n as `recurrence` takes them."""
        weight, recurrent, bias, recurrent_bias = self.gru.all_weights[0]
        outside = torch.cat([bias[: 2 * HIDDEN] + recurrent_bias[: 2 * HIDDEN], bias[2 * HIDDEN :]])
        embedded = self.embedding(torch.arange(self.num_codes, device=bias.device))
        return functional.linear(embedded, weight, outside), recurrent, recurrent_bias[2 * HIDDEN :]


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
    train: Tensor,
    test: Tensor,
    num_codes: int,
    *,
    generator: torch.Generator,
    updates: Sequence[int],
    val: Tensor | None = None,
) -> list[Reading]:
    """`barely_trained` read at several numbers of updates, ascending, on its way.

    Validation sequences (v, time), where given, are read every 5 updates and at those numbers, for the curve alone.
    """
    _check(train, test)
    reader = GRUReader(num_codes, generator).to(train.device)
    optimiser = Adam(reader.parameters(), 1e-3)
    batches = _batches(train, train.shape[1] - 1, generator)
    readings = []
    curve: list[tuple[int, float]] = []
    done = 0
    for goal in updates:
        while done < goal:
            _update(reader, optimiser, *next(batches))
            done += 1
            if val is not None and (done % CHECK_EVERY == 0 or done == goal):
                curve.append((done, reader.perplexity(val)))
        readings.append(Reading(reader.perplexity(test), goal, curve=tuple(curve)))
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
    return train_until_converged(GRUReader(num_codes, generator), train, val, test, generator, budget)


def train_until_converged(
    reader: GRUReader,
    train: Tensor,
    val: Tensor,
    test: Tensor,
    generator: torch.Generator,
    budget: ConvergedBudget | None = None,
) -> Reading:
    """Adam on batches of chunks of 64 tokens, early stopping; leaves `reader` at its best check."""
    _check(train, val, test)
    budget = budget or ConvergedBudget()
    reader.to(train.device)
    optimiser = Adam(reader.parameters(), budget.rate)
    batches = _batches(train, min(CHUNK, train.shape[1] - 1), generator, budget.batch)
    best, best_loss, misses = copy.deepcopy(reader.state_dict()), math.inf, 0
    curve: list[tuple[int, float]] = []
    update = 0
    while update < budget.cap and misses < budget.patience:
        if budget.anneal:
            optimiser.learning_rate = budget.rate * (1.0 - update / budget.cap)
        _update(reader, optimiser, *next(batches))
        update += 1
        if update % budget.check_every == 0 or update == budget.cap:
            loss = reader.cross_entropy(val)
            curve.append((update, math.exp(loss)))
            misses += 1
            if loss < best_loss:
                best, best_loss, misses = copy.deepcopy(reader.state_dict()), loss, 0
    reader.load_state_dict(best)
    return Reading(reader.perplexity(test), update, misses >= budget.patience, tuple(curve))


def _update(reader: GRUReader, optimiser: Adam, tokens: Tensor, targets: Tensor) -> None:
    optimiser.clear()
    reader.loss(tokens, targets).backward()  # type: ignore[no-untyped-call]
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
        splits = tokens["train"], tokens["test"]
        generator = trained.generator(1)
        return barely_trained_at(*splits, trained.num_codes, generator=generator, updates=at, val=tokens["val"])

    return trained.shared("barely trained reader", compute)


def _seq_ppl_17(trained: Trained) -> float:
    return _barely_trained(trained)[0].perplexity


def _seq_ppl(trained: Trained) -> float:
    reading = _barely_trained(trained)[1]
    trained.curves["seq_ppl"] = reading.curve
    return reading.perplexity


def converged_reader(trained: Trained) -> tuple[GRUReader, Reading]:
    """The converged reader of this tokenizer at its best check and what it reached, trained once."""

    def compute() -> tuple[GRUReader, Reading]:
        train, val, test = (trained.tokens[split] for split in ("train", "val", "test"))
        generator = trained.generator(2)
        reader = GRUReader(trained.num_codes, generator)
        return reader, train_until_converged(reader, train, val, test, generator, trained.budget)

    return trained.shared("converged reader", compute)


def _seq_ppl_converged(trained: Trained) -> float:
    return converged_reader(trained)[1].perplexity


def _bits_per_frame(trained: Trained) -> float:
    reading = converged_reader(trained)[1]
    trained.curves["bits_per_frame"] = reading.curve
    return math.log2(reading.perplexity)


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
