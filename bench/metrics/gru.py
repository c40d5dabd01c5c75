"""The model that every reader is: a GRU between an embedding of tokens and the logits of the next one."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.metrics.recurrence import Weights, reading_losses, run_states

EMBEDDING = 64
HIDDEN = 128
BATCH = 64  # sequences read at once
_EVALUATED_LOGITS = 2**22  # held at once


class GRUReader(nn.Module):
    """Next-token model: embedding 64, one GRU layer of 128, linear logits; every draw from the given generator.

    On a CPU `losses` takes `recurrence.reading_losses`, elsewhere the plain modules: the same function.

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

    def plain_loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats of `targets` (B, T) after `tokens` (B, T), by the plain modules."""
        return functional.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())

    def perplexity(self, sequences: Tensor) -> float:
        """exp(mean cross-entropy of every token of (n, time) but each first, given all before it)."""
        return math.exp(cross_entropies([self], sequences)[0])

    @torch.inference_mode()
    def most_likely(self, sequences: Tensor) -> Tensor:
        """(n, time) tokens -> (n, time - 1) the likeliest token at every place but the first, given all before it."""
        chosen = []
        for tokens, _, (states,) in _read([self], sequences):
            rows = max(1, _EVALUATED_LOGITS // self.num_codes)
            likeliest = [self.output(state).argmax(dim=-1) for state in torch.split(states.flatten(0, 1), rows)]
            chosen.append(torch.cat(likeliest).view_as(tokens))
        return torch.cat(chosen)


def losses(readers: Sequence[GRUReader], tokens: Tensor, targets: Tensor) -> Tensor:
    """(R,) `plain_loss` of readers of one size, side by side on a CPU."""
    if tokens.is_cuda:
        return torch.stack([reader.plain_loss(tokens, targets) for reader in readers])
    return reading_losses(_weights(readers), tokens, targets)


@torch.inference_mode()
def cross_entropies(readers: Sequence[GRUReader], sequences: Tensor) -> list[float]:
    """Of readers of one size: mean cross-entropy in nats of every token of (n, time) but each first."""
    totals = [0.0] * len(readers)
    for _, targets, states in _read(readers, sequences):
        rows = max(1, _EVALUATED_LOGITS // readers[0].num_codes)
        for index, (reader, own) in enumerate(zip(readers, states, strict=True)):
            blocks = zip(torch.split(own.flatten(0, 1), rows), torch.split(targets.flatten(), rows), strict=True)
            for state, target in blocks:
                totals[index] += float(functional.cross_entropy(reader.output(state), target, reduction="sum"))
    return [total / (len(sequences) * (sequences.shape[1] - 1)) for total in totals]


def _read(readers: Sequence[GRUReader], sequences: Tensor) -> Iterator[tuple[Tensor, Tensor, Sequence[Tensor]]]:
    """Blocks of tokens (B, T), next tokens (B, T) and each reader's states (B, T, 128) that have seen the former."""
    weights = None if sequences.is_cuda else _weights(readers)
    for block in torch.split(sequences, BATCH):
        tokens = block[:, :-1]
        if weights is None:
            states: Sequence[Tensor] = [reader.gru(reader.embedding(tokens))[0] for reader in readers]
        else:
            states = run_states(weights, tokens).unbind()
        yield tokens, block[:, 1:], states


def _weights(readers: Sequence[GRUReader]) -> Weights:
    """Their weights as `recurrence` takes them: the embedding goes through the input weights once a token of K."""
    parts = []
    for reader in readers:
        weight, recurrent, bias, recurrent_bias = reader.gru.all_weights[0]
        outside = torch.cat([bias[: 2 * HIDDEN] + recurrent_bias[: 2 * HIDDEN], bias[2 * HIDDEN :]])
        embedded = reader.embedding(torch.arange(reader.num_codes, device=bias.device))
        table = functional.linear(embedded, weight, outside)
        parts.append(Weights(table, recurrent, recurrent_bias[2 * HIDDEN :], reader.output.weight, reader.output.bias))
    return Weights(*(torch.stack(part) for part in zip(*parts, strict=True)))
