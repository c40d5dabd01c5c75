"""Readers that get an eighth of the training sequences: where structure in the tokens should pay."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.metrics.base import Trained
from bench.metrics.readers.embeddings import (
    GridEmbedding,
    VectorEmbedding,
    standardised,
    table_embedding,
)
from bench.metrics.readers.gru import GRUReader
from bench.metrics.readers.training import Reading, train_until_converged
from bench.metrics.registry import register

SHARE = 8
SMALL = "reader of an eighth"  # where `Trained.shared` keeps them
FEWEST = 8  # sequences: fewer say more about which were drawn than about the tokens

# Streams of `Trained.generator`; 1 and 2 are the readers' of all sequences.
_SEQUENCES, _VALUES, _EMBEDDING = 3, 4, 5
_TABLES = 2**13  # codes of the readers that are trained side by side: what they hold grows with it


def eighth(train: Tensor, generator: torch.Generator) -> Tensor:
    """An eighth of the sequences (n, time), at least 8 and at most all, drawn without repeats, in their order.

    >>> len(eighth(torch.zeros(280, 297), torch.Generator())), len(eighth(torch.zeros(56, 297), torch.Generator()))
    (35, 8)
    """
    wanted = min(len(train), max(FEWEST, len(train) // SHARE))
    chosen = torch.randperm(len(train), generator=generator)[:wanted].sort().values
    return train[chosen.to(train.device)]


@dataclass(frozen=True)
class Small:
    """A reader of the eighth.

    Attributes:
        key: What `Trained.shared` keeps what it reached under.
        embed: Makes its embedding for a tokenizer, all of one width from the same stream of values.
    """

    key: Hashable
    embed: Callable[[Trained, torch.Generator], nn.Module]


def _vector_embedding(trained: Trained, generator: torch.Generator) -> nn.Module:
    """Of the code vectors, standardised over the codes of the training split."""
    features = standardised(trained.codebook, torch.unique(trained.tokens["train"])).cpu()
    return VectorEmbedding(features, generator)


INDEX = Small("index", lambda trained, generator: table_embedding(trained.num_codes, generator))
VECTOR = Small("vector", _vector_embedding)


def grid(positions: Tensor) -> Small:
    """A reader that embeds token k by the coordinates of positions[k] (K, g): a table for each axis, summed."""
    places = positions.cpu()
    return Small(("grid", places.numpy().tobytes()), lambda trained, generator: GridEmbedding(places, generator))


def small_bits(trained: Trained, wanted: Sequence[Small]) -> list[float]:
    """Bits a test token of these readers, in [0, inf): log2 of the test perplexity at the best validation check."""
    return [math.log2(reading.perplexity) for reading in _small_readings(trained, wanted)]


def _small_readings(trained: Trained, wanted: Sequence[Small]) -> list[Reading]:
    """Trained side by side where they have not been before."""
    train_small([(trained, each) for each in wanted if trained.recall((SMALL, each.key)) is None])
    return [trained.recall((SMALL, each.key)) for each in wanted]


def train_small(pairs: Sequence[tuple[Trained, Small]]) -> None:
    """Train readers of tokenizers of one shape, and leave what they reached where `small_bits` finds it.

    All readers of one tokenizer share the eighth, the initial values beside the embedding, and the order of batches, so
    that the difference of two is due to their embeddings as far as it can be.
    """
    if not pairs:
        return
    first = pairs[0][0]
    together = max(1, _TABLES // first.num_codes) if first.tokens["train"].device.type == "cpu" else len(pairs)
    for start in range(0, len(pairs), together):
        block = pairs[start : start + together]
        generators = [trained.generator(_VALUES) for trained, _ in block]
        readers = [
            GRUReader(trained.num_codes, generator, small.embed(trained, trained.generator(_EMBEDDING)))
            for (trained, small), generator in zip(block, generators, strict=True)
        ]
        train = [eighth(trained.tokens["train"], trained.generator(_SEQUENCES)) for trained, _ in block]
        val, test = ([trained.tokens[split] for trained, _ in block] for split in ("val", "test"))
        found = train_until_converged(readers, train, val, test, generators, first.small_budget)
        for (trained, small), reading in zip(block, found, strict=True):
            trained.keep((SMALL, small.key), reading)


@register(
    "bits_eighth",
    direction="lower",
    summary="bits_per_frame of a reader that gets an eighth of the training sequences (at least 8); [0, inf)",
    needs=("small_reader",),
)
def bits_eighth(trained: Trained) -> float:
    """Bits a test token of the index reader trained on an eighth of the training sequences, in [0, inf)."""
    reading, _ = _small_readings(trained, (INDEX, VECTOR))  # `vector_gain` wants both, and two together cost less
    trained.curves["bits_eighth"] = reading.curve
    return math.log2(reading.perplexity)
