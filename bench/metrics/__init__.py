"""Metrics of a trained tokenizer: one name, one definition.

from bench.metrics import METRICS, trustworthiness
METRICS["mse"].function(trained)
trustworthiness(points, codes, vectors, k=10)  # any quantizer's codes, without the harness

`register` adds one of your own.
"""

from bench.metrics import (
    convergence,
    eighth,
    forecast,
    gains,
    grid,
    grid_neighbourhood,
    neighbourhood,
    ngram,
    rate,
    readers,
    reconstruction,
    topology,
    usage,
)
from bench.metrics._registry import METRICS, register
from bench.metrics.base import ConvergedBudget, Metric, ReaderBudget, Trained
from bench.metrics.grid import topographic_error
from bench.metrics.neighbourhood import continuity, trustworthiness
from bench.metrics.rate import rate_excess
from bench.metrics.topology import grid_correlation, topographic_product

_FAMILIES = (
    reconstruction,
    usage,
    neighbourhood,
    grid,
    readers,
    grid_neighbourhood,
    topology,
    eighth,
    ngram,
    gains,
    rate,
    forecast,
    convergence,
)
METRICS.update({metric.name: metric for family in _FAMILIES for metric in family.METRICS})

__all__ = [
    "METRICS",
    "ConvergedBudget",
    "Metric",
    "ReaderBudget",
    "Trained",
    "continuity",
    "grid_correlation",
    "rate_excess",
    "register",
    "topographic_error",
    "topographic_product",
    "trustworthiness",
]
