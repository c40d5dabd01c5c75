"""Columns that a report shows first."""

MAIN = (
    "mse",
    "explained",
    "error_units",
    "active",
    "trust",
    "cont",
    "topographic_error",
    "distortion_ratio",
    "grid_trust",
    "seq_ppl",
    "bits_per_frame",
    "bits_eighth",
    "rate_excess",
    "topology_gain",
    "train_seconds",
)
