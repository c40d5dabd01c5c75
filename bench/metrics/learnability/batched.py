"""The readers that several metrics of several tokenizers will ask for, trained as one batch.

Worth it on a GPU, where a reader alone leaves it idle; on a CPU each metric trains its own.
"""

from collections.abc import Collection, Sequence

from bench.metrics.base import Trained
from bench.metrics.learnability import few_sequences, gains, perplexity

BARELY_TRAINED = ("seq_ppl_17", "seq_ppl")
CONVERGED = ("seq_ppl_converged", "bits_per_frame", "forecast_error")
SMALL = ("bits_eighth", "vector_gain", "topology_gain")


def train_readers(subjects: Sequence[Trained], names: Collection[str]) -> None:
    """Train what the metrics of these names need, and leave it where each tokenizer's `shared` finds it.

    Args:
        subjects: Tokenizers of equal K, splits and budgets.
        names: Of metrics; those that need no reader may be among them.
    """
    if not set(names).isdisjoint(BARELY_TRAINED):
        for subject, readings in zip(subjects, perplexity.barely_trained_readings(subjects), strict=True):
            subject.keep(perplexity.BARELY_TRAINED, readings)
    if not set(names).isdisjoint(CONVERGED):
        for subject, found in zip(subjects, perplexity.converged_readers(subjects), strict=True):
            subject.keep(perplexity.CONVERGED, found)
    if not set(names).isdisjoint(SMALL):
        # Those of a kind in a row: they are embedded as one.
        pairs = [(each, small) for small in (few_sequences.INDEX, few_sequences.VECTOR) for each in subjects]
        if "topology_gain" in names:
            with_grid = [each for each in subjects if each.positions is not None]
            pairs += [(each, small) for each in with_grid for small in gains.placements(each)]
        few_sequences.train_small(pairs)
