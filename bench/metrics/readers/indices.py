"""Readers of codes of several indices: one GRU over frames, and one head for each index of the next frame."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.metrics.readers.embeddings import GridEmbedding
from bench.metrics.readers.group import Separate
from bench.metrics.readers.gru import BATCH, EMBEDDING, HIDDEN, uniform, untrained_gru


class IndicesReader(nn.Module):
    """Next-frame model of codes of M indices, log p(k) = sum over m of log p(k_m | past frames, k_1 .. k_(m-1)).

    A frame enters the GRU as the sum of an embedding of each of its indices. The head of the first index is the linear
    layer of `GRUReader`. The head of index m is a layer of 128 units with ReLU on the GRU's state and the summed
    embeddings of the indices before it in the same frame, and a linear layer: the depth model of RQ-Transformer (Lee et
    al. 2022, arXiv 2203.01941, section 3.2), with two layers in the place of its attention.

    Tokens are rows of the table of combinations, as in `bench.metrics.base.Trained`.

    Args:
        combinations: (K, M) int64 indices of every code.
        code_sizes: Number of codes of every index.
        generator: CPU generator of the initial values.
        embedding: Module from tokens (...) to (..., 64) to use in place of the sum of free tables.
    """

    combinations: Tensor

    def __init__(
        self,
        combinations: Tensor,
        code_sizes: Sequence[int],
        generator: torch.Generator,
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__()
        combinations = combinations.cpu()
        self.register_buffer("combinations", combinations)
        self.embedding = GridEmbedding(combinations, generator) if embedding is None else embedding
        self.gru = untrained_gru()
        earlier = code_sizes[:-1]
        with torch.device("meta"):
            self.hidden = nn.ModuleList(nn.Linear(HIDDEN + EMBEDDING, HIDDEN) for _ in earlier)
            self.outputs = nn.ModuleList(nn.Linear(HIDDEN, size) for size in code_sizes)
            self.before = nn.ModuleList(nn.Embedding(size, EMBEDDING) for size in earlier)
        for part in (self.hidden, self.outputs, self.before):
            part.to_empty(device="cpu")
        uniform((self.gru, self.outputs, self.hidden), generator)
        for table in self.before.parameters():
            nn.init.normal_(table, generator=generator)

    def states(self, tokens: Tensor) -> Tensor:
        """(B, T) tokens -> (B, T, 128) states that have seen them."""
        states: Tensor = self.gru(self.embedding(tokens))[0]
        return states

    def head(self, place: int, states: Tensor, indices: Tensor) -> Tensor:
        """Logits (N, size) of the index at a place, from states (N, 128) and the indices (N, >= place) before it."""
        if place:
            tables = zip(list(self.before)[:place], indices.unbind(1), strict=False)
            embedded = torch.stack([table(index) for table, index in tables]).sum(dim=0)
            states = self.hidden[place - 1](torch.cat([states, embedded], dim=1)).relu()
        logits: Tensor = self.outputs[place](states)
        return logits

    def cross_entropy(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Mean cross-entropy in nats of the codes `targets` (B, T) after `tokens` (B, T), all indices added up."""
        states, wanted = self.states(tokens).flatten(0, 1), self.combinations[targets.flatten()]
        losses = [
            functional.cross_entropy(self.head(place, states, wanted), index)
            for place, index in enumerate(wanted.unbind(1))
        ]
        return torch.stack(losses).sum()

    @torch.inference_mode()
    def most_likely(self, sequences: Tensor) -> Tensor:
        """(n, time) tokens -> (n, time - 1, M) indices, each the likeliest given the past and the ones before it."""
        chosen = []
        for block in torch.split(sequences, BATCH):
            states = self.states(block[:, :-1]).flatten(0, 1)
            indices = self.combinations.new_empty(len(states), 0)
            for place in range(len(self.outputs)):
                likeliest = self.head(place, states, indices).argmax(dim=-1, keepdim=True)
                indices = torch.cat([indices, likeliest], dim=1)
            chosen.append(indices.view(len(block), -1, indices.shape[1]))
        return torch.cat(chosen)


class OneByOne(Separate[IndicesReader]):
    """Readers of several indices, each with its own optimiser, on any device.

    Args:
        readers: They are trained in place.
        device: Device that they are trained on.
    """

    def __init__(self, readers: Sequence[IndicesReader], device: torch.device) -> None:
        super().__init__([reader.to(device) for reader in readers])
        self.device = device

    def update(self, pairs: Tensor, rate: float, which: Sequence[int]) -> None:
        """One step of each."""
        for index in which:
            tokens, targets = pairs[index].to(self.device)
            self.optimisers[index].learning_rate = rate
            self.optimisers[index].clear()
            self.readers[index].cross_entropy(tokens, targets).backward()  # type: ignore[no-untyped-call]
            self.optimisers[index].step()

    @torch.inference_mode()
    def cross_entropies(self, sequences: Tensor, which: Sequence[int]) -> list[float]:
        """By blocks of sequences."""
        means = []
        for index in which:
            total = 0.0
            for block in torch.split(sequences[index], BATCH):
                total += float(self.readers[index].cross_entropy(block[:, :-1], block[:, 1:])) * len(block)
            means.append(total / len(sequences[index]))
        return means
