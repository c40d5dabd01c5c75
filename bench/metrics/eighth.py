"""Readers that get an eighth of the training sequences: where structure in the tokens should pay."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bench.metrics.base import Metric, Trained
from bench.metrics.embeddings import VectorEmbedding, standardised, table_embedding
from bench.metrics.gru import GRUReader
from bench.metrics.readers import train_until_converged

SHARE = 8
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


def embedding_generator(trained: Trained) -> torch.Generator:
    """For the initial values of an embedding: every embedding starts from the same stream."""
    return trained.generator(_EMBEDDING)


def small_bits(trained: Trained, embeddings: Sequence[nn.Module]) -> list[float]:
    """Bits a test token of readers with these embeddings, trained on the eighth, in [0, inf).

    log2 of the test perplexity at the best validation check. All readers of one tokenizer share the eighth, the initial
    values beside the embedding, and the order of batches, so that the difference of two is due to their embeddings as
    far as it can be.
    """
    train = eighth(trained.tokens["train"], trained.generator(_SEQUENCES))
    val, test = trained.tokens["val"], trained.tokens["test"]
    together = max(1, _TABLES // trained.num_codes)
    bits = []
    for start in range(0, len(embeddings), together):
        readers = []
        for embedding in embeddings[start : start + together]:
            generator = trained.generator(_VALUES)
            readers.append(GRUReader(trained.num_codes, generator, embedding))
        # Every generator is in the same state now.
        found = train_until_converged(readers, train, val, test, generator, trained.small_budget)
        bits += [math.log2(reading.perplexity) for reading in found]
    return bits


def index_and_vector_bits(trained: Trained) -> tuple[float, float]:
    """`small_bits` of a free table and of the code vectors, standardised over the codes of the training split."""

    def compute() -> tuple[float, float]:
        features = standardised(trained.codebook, torch.unique(trained.tokens["train"])).cpu()
        index, vector = small_bits(
            trained,
            [
                table_embedding(trained.num_codes, embedding_generator(trained)),
                VectorEmbedding(features, embedding_generator(trained)),
            ],
        )
        return index, vector

    return trained.shared("bits of an eighth", compute)


def bits_eighth(trained: Trained) -> float:
    """Bits a test token of the index reader trained on an eighth of the training sequences, in [0, inf)."""
    return index_and_vector_bits(trained)[0]


METRICS = (
    Metric(
        "bits_eighth",
        bits_eighth,
        "lower",
        "bits_per_frame of a reader that gets an eighth of the training sequences (at least 8); [0, inf)",
        ("small_reader",),
    ),
)
