"""Perplexity of a small GRU that learns to predict the next token, barely trained and to convergence."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench.metrics.base import Effect, Measurement, Reader, Trained
from bench.metrics.readers.gru import GRUReader
from bench.metrics.readers.indices import IndicesReader
from bench.metrics.readers.training import AnyReader, Reading, barely_trained_at, train_until_converged
from bench.metrics.registry import register

PUBLISHED_POINT = 17
"""Updates after which the reader of the SOM-VQ paper's printed perplexities was stopped, about."""

_SPLITS = ("train", "val", "test")


def _train_barely(pairs: Sequence[tuple[Trained, Any]]) -> None:
    """Train one reader per tokenizer, all of one shape, and read it at the published point and at the end."""
    subjects = [trained for trained, _ in pairs]
    updates = subjects[0].budget.updates
    generators = [trained.generator(1) for trained in subjects]
    readers = list(map(new_reader, subjects, generators))
    train, val, test = (_tokens(subjects, split) for split in _SPLITS)
    points = (min(PUBLISHED_POINT, updates), updates)
    readings = barely_trained_at(readers, train, test, generators, points, val)
    for trained, two_readings in zip(subjects, readings, strict=True):
        trained.keep(BARELY_TRAINED, two_readings)


def _train_to_convergence(pairs: Sequence[tuple[Trained, Any]]) -> None:
    """Train one reader per tokenizer, all of one shape, and keep it at its best check."""
    subjects = [trained for trained, _ in pairs]
    generators = [trained.generator(2) for trained in subjects]
    readers = list(map(new_reader, subjects, generators))
    train, val, test = (_tokens(subjects, split) for split in _SPLITS)
    readings = train_until_converged(readers, train, val, test, generators, subjects[0].budget)
    for trained, reader, reading in zip(subjects, readers, readings, strict=True):
        trained.keep(CONVERGED, (reader, reading))


def new_reader(trained: Trained, generator: torch.Generator, embedding: nn.Module | None = None) -> AnyReader:
    """Untrained reader of a tokenizer's codes, of one index or of several."""
    if trained.combinations is None:
        return GRUReader(trained.num_codes, generator, embedding)
    return IndicesReader(trained.combinations, trained.code_sizes, generator, embedding)


def _tokens(subjects: Sequence[Trained], split: str) -> list[Tensor]:
    return [trained.tokens[split] for trained in subjects]


def _of_one_index(trained: Trained) -> tuple[None, ...]:
    return (None,) if trained.combinations is None else ()


BARELY_TRAINED = Reader(name="barely trained reader", budget="reader", train=_train_barely, variants=_of_one_index)
CONVERGED = Reader(name="converged reader", budget="reader", train=_train_to_convergence)


def _barely_trained(trained: Trained) -> list[Reading]:
    """Readings of the barely trained reader at the published point and at the end; it is trained once."""
    if trained.recall(BARELY_TRAINED) is None:
        _train_barely([(trained, None)])
    readings: list[Reading] = trained.recall(BARELY_TRAINED)
    return readings


def converged_reader(trained: Trained) -> tuple[AnyReader, Reading]:
    """Converged reader of a tokenizer at its best check, and its reading; it is trained once."""
    if trained.recall(CONVERGED) is None:
        _train_to_convergence([(trained, None)])
    reader_and_reading: tuple[AnyReader, Reading] = trained.recall(CONVERGED)
    return reader_and_reading


@register(
    "seq_ppl_17",
    direction="none",
    summary="seq_ppl after 17 of its 50 updates, where the SOM-VQ paper's figures lie; [1, inf), blank for several "
    "indices",
    readers=(BARELY_TRAINED,),
)
def _seq_ppl_17(trained: Trained) -> float | None:
    if trained.combinations is not None:
        return None
    return _barely_trained(trained)[0].perplexity


@register(
    "seq_ppl",
    direction="none",
    summary="test perplexity of a barely trained GRU; [1, inf), blank for several indices",
    readers=(BARELY_TRAINED,),
)
def _seq_ppl(trained: Trained) -> Measurement:
    if trained.combinations is not None:
        return Measurement(value=None)
    reading = _barely_trained(trained)[1]
    return Measurement(value=reading.perplexity, curve=reading.curve)


@register(
    "seq_ppl_converged",
    direction="lower",
    scale="log",
    summary="test perplexity of a converged GRU; [1, inf), blank for several indices",
    readers=(CONVERGED,),
)
def _seq_ppl_converged(trained: Trained) -> float | None:
    if trained.combinations is not None:
        return None
    return converged_reader(trained)[1].perplexity


@register(
    "bits_per_frame",
    direction="lower",
    effect=Effect(0.05),
    primary=True,
    summary="bits a test frame that a converged GRU needs, log2 of seq_ppl_converged; [0, inf); of several indices the "
    "sum, each given those before it",
    readers=(CONVERGED,),
)
def _bits_per_frame(trained: Trained) -> Measurement:
    reading = converged_reader(trained)[1]
    return Measurement(value=math.log2(reading.perplexity), curve=reading.curve)
