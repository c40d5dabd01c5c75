"""The model that every reader is: a GRU between an embedding of tokens and the logits of the next one."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels.gru_cpu import Weights

EMBEDDING = 64
HIDDEN = 128
BATCH = 64  # sequences read at once
_EVALUATED_LOGITS = 2**22  # held at once


class GRUReader(nn.Module):
    """Next-token model: embedding 64, one GRU layer of 128, linear logits; every draw from the given generator.

    What it is by plain modules; `groups` has faster ways to the same numbers.

    Args:
        num_codes: Number K of codes in the codebook.
        generator: CPU generator of the initial values, so that every device starts from the same ones.
        embedding: Module from tokens (...) to (..., 64) to use in place of a free table, already initialised.
    """

    def __init__(self, num_codes: int, generator: torch.Generator, embedding: nn.Module | None = None) -> None:
        super().__init__()
        self.num_codes = num_codes
        self.gru = untrained_gru()
        with torch.device("meta"):
            self.output = nn.Linear(HIDDEN, num_codes)
            table = nn.Embedding(num_codes, EMBEDDING)
        self.output.to_empty(device="cpu")
        if embedding is None:
            nn.init.normal_(table.to_empty(device="cpu").weight, generator=generator)
        self.embedding = table if embedding is None else embedding
        uniform((self.gru, self.output), generator)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) tokens -> (B, T, K) logits of the next token."""
        logits: Tensor = self.output(self.gru(self.embedding(tokens))[0])
        return logits

    def plain_loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats of `targets` (B, T) after `tokens` (B, T), by the plain modules."""
        return functional.cross_entropy(self(tokens).flatten(0, 1), targets.flatten())

    @torch.inference_mode()
    def most_likely(self, sequences: Tensor) -> Tensor:
        """(n, time) tokens -> (n, time - 1) the likeliest token at every place but the first, given all before it."""
        rows, chosen = max(1, _EVALUATED_LOGITS // self.num_codes), []
        for block in torch.split(sequences, BATCH):
            tokens = block[:, :-1]
            states = self.gru(self.embedding(tokens))[0].flatten(0, 1)
            likeliest = [self.output(state).argmax(dim=-1) for state in torch.split(states, rows)]
            chosen.append(torch.cat(likeliest).view_as(tokens))
        return torch.cat(chosen)


def untrained_gru() -> nn.GRU:
    """The GRU without values: a module's own initialisation would draw from the global generator."""
    with torch.device("meta"):
        gru = nn.GRU(EMBEDDING, HIDDEN, batch_first=True)
    return gru.to_empty(device="cpu")


def uniform(modules: Sequence[nn.Module], generator: torch.Generator) -> None:
    """Draw all parameters from the range that is the default of nn.GRU and nn.Linear at a width of 128."""
    bound = 1.0 / math.sqrt(HIDDEN)
    for module in modules:
        for parameter in module.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)


def weights(readers: Sequence[GRUReader]) -> Weights:
    """Their weights as `recurrence` takes them: the embedding goes through the input weights once a token of K."""
    parts = []
    for reader in readers:
        weight, recurrent, bias, recurrent_bias = reader.gru.all_weights[0]
        outside = torch.cat([bias[: 2 * HIDDEN] + recurrent_bias[: 2 * HIDDEN], bias[2 * HIDDEN :]])
        embedded = reader.embedding(torch.arange(reader.num_codes))
        table = functional.linear(embedded, weight, outside)
        parts.append(Weights(table, recurrent, recurrent_bias[2 * HIDDEN :], reader.output.weight, reader.output.bias))
    return Weights(*(torch.stack(part) for part in zip(*parts, strict=True)))
