"""Readers that metrics of several tokenizers declare, trained as one batch.

That pays on a GPU, which a reader alone leaves idle; on a CPU every metric trains its own.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from bench.metrics.base import Reader, Trained
from bench.metrics.registry import METRICS

Pair = tuple[Trained, Any]


def train_readers(subjects: Sequence[Trained], names: Collection[str]) -> None:
    """Train the readers that metrics declare, and leave them where `Trained.shared` of each tokenizer finds them.

    Args:
        subjects: Tokenizers of equal K, splits and budgets.
        names: Names of metrics; those without readers may be among them.
    """
    readers: dict[Reader, None] = {}
    for name, metric in METRICS.items():
        if name in names:
            readers |= dict.fromkeys(metric.readers)
    batches: dict[Callable[[Sequence[Pair]], None], list[Pair]] = {}
    for reader in readers:
        # The variants of a kind in a row: they are embedded as one.
        batch = batches.setdefault(reader.train, [])
        for trained in subjects:
            batch += [(trained, variant) for variant in reader.variants(trained)]
    for train, pairs in batches.items():
        if pairs:
            train(pairs)
