"""Columns of the tables beside the metrics."""

CAPACITY = ("codebook_size", "bits_per_token", "network_parameters", "codebook_values")
"""Columns of the results that a cell's capacity gives."""

LEADING = ("quantizer", "dataset", "real", "seed", "protocol", "status", *CAPACITY)
"""Columns of the results before the metrics."""

TRAILING = ("train_seconds", "eval_seconds", "device", "key", "role")
"""Columns of the results after the metrics."""

SUMMARY = ("quantizer", "dataset", "role", "real", "protocol", "codebook_size", "cells", "done")
"""Columns of the summary before the metrics."""

PARTS = ("mean", "std", "low", "high", "n")
"""Parts of a metric in the summary: the mean has the metric's own name, the others are called `NAME_PART`."""
