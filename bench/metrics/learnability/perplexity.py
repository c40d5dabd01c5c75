"""Metrics of readers: how well a small GRU learns to predict the next token, barely trained and to convergence."""

import math
from collections.abc import Sequence

from bench.metrics.base import Trained
from bench.metrics.readers.gru import GRUReader
from bench.metrics.readers.training import Reading, barely_trained_at, train_until_converged
from bench.metrics.registry import register

PUBLISHED_POINT = 17  # updates: SOM-VQ's printed perplexities are those of a reader stopped about here
BARELY_TRAINED, CONVERGED = "barely trained reader", "converged reader"  # where `Trained.shared` keeps them


def barely_trained_readings(subjects: Sequence[Trained]) -> list[list[Reading]]:
    """Of each tokenizer, all of one shape: at the point where the published figures lie, and at the end."""
    updates = subjects[0].budget.updates
    generators = [each.generator(1) for each in subjects]
    readers = [GRUReader(each.num_codes, own) for each, own in zip(subjects, generators, strict=True)]
    train, val, test = ([each.tokens[split] for each in subjects] for split in ("train", "val", "test"))
    return barely_trained_at(readers, train, test, generators, (min(PUBLISHED_POINT, updates), updates), val)


def converged_readers(subjects: Sequence[Trained]) -> list[tuple[GRUReader, Reading]]:
    """Of each tokenizer, all of one shape: its reader at the best check, and what it reached."""
    generators = [each.generator(2) for each in subjects]
    readers = [GRUReader(each.num_codes, own) for each, own in zip(subjects, generators, strict=True)]
    train, val, test = ([each.tokens[split] for each in subjects] for split in ("train", "val", "test"))
    readings = train_until_converged(readers, train, val, test, generators, subjects[0].budget)
    return list(zip(readers, readings, strict=True))


def _barely_trained(trained: Trained) -> list[Reading]:
    return trained.shared(BARELY_TRAINED, lambda: barely_trained_readings([trained])[0])


@register(
    "seq_ppl_17",
    direction="none",
    summary="seq_ppl after 17 of its 50 updates, where the SOM-VQ paper's figures lie; [1, inf)",
    needs=("reader",),
)
def _seq_ppl_17(trained: Trained) -> float:
    return _barely_trained(trained)[0].perplexity


@register(
    "seq_ppl",
    direction="none",
    summary="test perplexity of a barely trained GRU; [1, inf)",
    needs=("reader",),
)
def _seq_ppl(trained: Trained) -> float:
    reading = _barely_trained(trained)[1]
    trained.curves["seq_ppl"] = reading.curve
    return reading.perplexity


def converged_reader(trained: Trained) -> tuple[GRUReader, Reading]:
    """The converged reader of this tokenizer at its best check and what it reached, trained once."""
    return trained.shared(CONVERGED, lambda: converged_readers([trained])[0])


@register(
    "seq_ppl_converged",
    direction="lower",
    summary="test perplexity of a converged GRU; [1, inf)",
    needs=("reader",),
)
def _seq_ppl_converged(trained: Trained) -> float:
    return converged_reader(trained)[1].perplexity


@register(
    "bits_per_frame",
    direction="lower",
    summary="log2 of seq_ppl_converged; [0, inf)",
    needs=("reader",),
)
def _bits_per_frame(trained: Trained) -> float:
    reading = converged_reader(trained)[1]
    trained.curves["bits_per_frame"] = reading.curve
    return math.log2(reading.perplexity)
