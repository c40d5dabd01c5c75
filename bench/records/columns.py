"""Columns of the tables beside the metrics."""

LEADING = (
    "quantizer",
    "dataset",
    "real",
    "seed",
    "protocol",
    "status",
    "codebook_size",
    "bits_per_token",
    "network_parameters",
    "codebook_values",
)
SUMMARY = ("quantizer", "dataset", "role", "real", "protocol", "codebook_size", "cells", "done")
TRAILING = ("train_seconds", "eval_seconds", "device", "key", "role")
PARTS = ("mean", "std", "low", "high", "n")
"""Of a metric in the summary: the mean under its own name, the others as `NAME_PART`."""
