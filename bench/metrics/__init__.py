"""Metrics of a trained tokenizer: one name, one definition.

from bench.metrics import METRICS, trustworthiness
METRICS["mse"].function(trained)
trustworthiness(points, codes, vectors, k=10)  # any quantizer's codes, without the harness
"""

from bench.metrics import grid, neighbourhood, readers, reconstruction, usage
from bench.metrics.base import Metric, ReaderBudget, Trained
from bench.metrics.grid import topographic_error
from bench.metrics.neighbourhood import continuity, trustworthiness

METRICS: dict[str, Metric] = {
    metric.name: metric for family in (reconstruction, usage, neighbourhood, grid, readers) for metric in family.METRICS
}

__all__ = [
    "METRICS",
    "Metric",
    "ReaderBudget",
    "Trained",
    "continuity",
    "topographic_error",
    "trustworthiness",
]
