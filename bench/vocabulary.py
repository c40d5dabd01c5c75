"""Closed lists of words: directions, scales, standings, roles, references, controls and statuses."""

from typing import Literal

Direction = Literal["lower", "higher", "target", "none"]

Scale = Literal["linear", "log", "log complement", "arcsine"]

Mark = Literal["best", "behind", "equivalent", "undecided", "identical", "untested"]

FAMILY, PUBLISHED, REFERENCE, CONTROL, CURVE, NULL = ROLES = (
    "family",
    "published",
    "reference",
    "control",
    "curve",
    "null",
)

REFERENCES = {
    "none": "the autoencoder without a quantizer: the floor of mse",
    "kmeans": "K-means of the frames themselves, without an encoder (scikit-learn's MiniBatchKMeans)",
}

SORTED, SHUFFLED, SHUFFLED_GRID = "sorted", "shuffled", "shuffled-grid"

CONTROLS = {
    SORTED: "the trained codes laid on a square grid afterwards: what the topology of a map must beat",
    SHUFFLED: "the tokens with their order in time destroyed: the ceiling of bits",
    SHUFFLED_GRID: "every grid metric under random permutations of the positions: its null line",
}

DONE, FAILED, TIMEOUT, DIVERGED, UNAVAILABLE, INTERRUPTED = (
    "done",
    "failed",
    "timeout",
    "diverged",
    "unavailable",
    "interrupted",
)

STATUSES = (DONE, FAILED, TIMEOUT, DIVERGED, UNAVAILABLE, INTERRUPTED)
