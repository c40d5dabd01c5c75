"""Readers that get an eighth of the training sequences: where structure in the tokens should pay."""

import math

import torch
from torch import Tensor, nn

from bench.metrics.base import Metric, Trained
from bench.metrics.readers import EMBEDDING, GRUReader, Reading, train_until_converged

SHARE = 8
FEWEST = 8  # sequences: fewer say more about which were drawn than about the tokens

# Streams of `Trained.generator`; 1 and 2 are the readers' of all sequences.
_SEQUENCES, _VALUES, _EMBEDDING = 3, 4, 5


def eighth(train: Tensor, generator: torch.Generator) -> Tensor:
    """An eighth of the sequences (n, time), at least 8 and at most all, drawn without repeats, in their order.

    >>> len(eighth(torch.zeros(280, 297), torch.Generator())), len(eighth(torch.zeros(56, 297), torch.Generator()))
    (35, 8)
    """
    wanted = min(len(train), max(FEWEST, len(train) // SHARE))
    chosen = torch.randperm(len(train), generator=generator)[:wanted].sort().values
    return train[chosen.to(train.device)]


def table_embedding(num_codes: int, generator: torch.Generator) -> nn.Embedding:
    """The index reader's embedding: a free vector from N(0, 1) for each code, torch's default."""
    return nn.Embedding(num_codes, EMBEDDING, _weight=torch.randn(num_codes, EMBEDDING, generator=generator))


def embedding_generator(trained: Trained) -> torch.Generator:
    """For the initial values of an embedding: every embedding starts from the same stream."""
    return trained.generator(_EMBEDDING)


def small_reading(trained: Trained, embedding: nn.Module) -> Reading:
    """Train a reader with this embedding on the eighth.

    All readers of one tokenizer share the eighth, the initial values beside the embedding, and the order of batches, so
    that the difference of two is due to their embeddings as far as it can be.
    """
    train = eighth(trained.tokens["train"], trained.generator(_SEQUENCES))
    generator = trained.generator(_VALUES)
    reader = GRUReader(trained.num_codes, generator, embedding)
    val, test = trained.tokens["val"], trained.tokens["test"]
    return train_until_converged(reader, train, val, test, generator, trained.small_budget)


def bits_eighth(trained: Trained) -> float:
    """Bits a test token of the index reader trained on an eighth of the training sequences, in [0, inf).

    log2 of its test perplexity at the best validation check. Trained once, whoever asks.
    """

    def compute() -> Reading:
        return small_reading(trained, table_embedding(trained.num_codes, embedding_generator(trained)))

    reading = trained.shared("reader of an eighth", compute)
    trained.curves["bits_eighth"] = reading.curve
    return math.log2(reading.perplexity)


METRICS = (
    Metric(
        "bits_eighth",
        bits_eighth,
        "lower",
        "bits_per_frame of a reader that gets an eighth of the training sequences (at least 8); [0, inf)",
        ("small_reader",),
    ),
)
