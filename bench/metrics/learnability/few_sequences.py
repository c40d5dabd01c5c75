"""Readers that get an eighth of the training sequences: where structure in the tokens should pay."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.metrics.base import ConvergedBudget, Effect, Measurement, Reader, Trained
from bench.metrics.learnability.perplexity import new_reader
from bench.metrics.readers.embeddings import (
    GridEmbedding,
    VectorEmbedding,
    standardised,
    table_embedding,
)
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
    """A variant of the reader of few sequences: everything is shared but the embedding of tokens.

    Attributes:
        key: Hashable name under which `Trained.shared` keeps its reading.
        embed: Function that makes its embedding for a tokenizer, all of one width from the same stream of values.
    """

    key: Hashable
    embed: Callable[[Trained, torch.Generator], nn.Module]


def _index_embedding(trained: Trained, generator: torch.Generator) -> nn.Module:
    if trained.combinations is not None:
        return GridEmbedding(trained.combinations.cpu(), generator)
    return table_embedding(trained.num_codes, generator)


def _vector_embedding(trained: Trained, generator: torch.Generator) -> nn.Module:
    """Embedding by the code vectors, standardised over the codes of the training split."""
    features = standardised(trained.codebook, torch.unique(trained.tokens["train"])).cpu()
    return VectorEmbedding(features, generator)


INDEX = Small("index", _index_embedding)
VECTOR = Small("vector", _vector_embedding)


def grid(positions: Tensor) -> Small:
    """Variant that embeds token k by the coordinates of positions[k] (K, g): a table per axis, summed."""
    places = positions.cpu()
    return Small(("grid", places.numpy().tobytes()), lambda trained, generator: GridEmbedding(places, generator))


def small_bits(trained: Trained, variants: Sequence[Small]) -> list[float]:
    """Bits per test token of some variants, in [0, inf).

    These are log2 of the test perplexity at the best validation check.
    """
    return [math.log2(reading.perplexity) for reading in _small_readings(trained, variants)]


def _small_readings(trained: Trained, variants: Sequence[Small]) -> list[Reading]:
    """Readings of some variants; those that have none yet are trained side by side."""
    train_small([(trained, variant) for variant in variants if trained.recall((SMALL, variant.key)) is None])
    return [trained.recall((SMALL, variant.key)) for variant in variants]


def train_small(pairs: Sequence[tuple[Trained, Small]]) -> None:
    """Train variants on tokenizers of one shape, and leave their readings where `small_bits` finds them.

    All readers of one tokenizer share the eighth, the initial values beside the embedding, and the order of batches, so
    that the difference of two is due to their embeddings as far as it can be.
    """
    if not pairs:
        return
    first = pairs[0][0]
    together = max(1, _TABLES // first.num_codes) if first.tokens["train"].device.type == "cpu" else len(pairs)
    for start in range(0, len(pairs), together):
        _train_block(pairs[start : start + together], first.small_budget)


def _train_block(pairs: Sequence[tuple[Trained, Small]], budget: ConvergedBudget) -> None:
    readers, generators = [], []
    train, val, test = [], [], []
    for trained, small in pairs:
        generator = trained.generator(_VALUES)
        embedding = small.embed(trained, trained.generator(_EMBEDDING))
        readers.append(new_reader(trained, generator, embedding))
        generators.append(generator)
        train.append(eighth(trained.tokens["train"], trained.generator(_SEQUENCES)))
        val.append(trained.tokens["val"])
        test.append(trained.tokens["test"])
    readings = train_until_converged(readers, train, val, test, generators, budget)
    for (trained, small), reading in zip(pairs, readings, strict=True):
        trained.keep((SMALL, small.key), reading)


INDEX_READER = Reader(
    name="index reader of an eighth", budget="small_reader", train=train_small, variants=lambda trained: (INDEX,)
)
VECTOR_READER = Reader(
    name="code-vector reader of an eighth", budget="small_reader", train=train_small, variants=lambda trained: (VECTOR,)
)


def index_reading(trained: Trained) -> Reading:
    """Reading of the index reader that gets an eighth of the training sequences."""
    return _small_readings(trained, (INDEX, VECTOR))[0]  # `vector_gain` wants both, and two together cost less


@register(
    "bits_eighth",
    direction="lower",
    effect=Effect(0.05),
    summary="bits_per_frame of a reader that gets an eighth of the training sequences (at least 8); [0, inf)",
    readers=(INDEX_READER, VECTOR_READER),
)
def bits_eighth(trained: Trained) -> Measurement:
    """Bits per test token of the index reader trained on an eighth of the training sequences, in [0, inf)."""
    reading = index_reading(trained)
    return Measurement(value=math.log2(reading.perplexity), curve=reading.curve)
