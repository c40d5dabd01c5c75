"""Metrics of a trained tokenizer: one name, one definition.

from bench.metrics import METRICS, trustworthiness
METRICS["mse"].measure(trained).value
trustworthiness(points, codes, vectors, k=10)  # any quantizer's codes, without the harness

`register` adds one of your own.
"""

import importlib

from bench.metrics.base import ConvergedBudget, Metric, ReaderBudget, Trained
from bench.metrics.registry import METRICS, register

for _module in (  # in the order of the tables' columns
    "reconstruction",
    "usage",
    "topology.trustworthiness",
    "topology.distortion",
    "topology.topographic_error",
    "learnability.perplexity",
    "topology.grid_trustworthiness",
    "topology.topographic_product",
    "topology.grid_correlation",
    "topology.grid_step",
    "learnability.few_sequences",
    "learnability.ngram",
    "learnability.gains",
    "learnability.rate_excess",
    "learnability.forecast",
    "convergence",
    "robustness",
    "map_agreement",
    "labels",
):
    importlib.import_module(f"bench.metrics.{_module}")

from bench.metrics.learnability.rate_excess import rate_excess  # noqa: E402 - after the catalogue, whose order is fixed
from bench.metrics.topology.grid_correlation import grid_correlation  # noqa: E402
from bench.metrics.topology.topographic_error import topographic_error  # noqa: E402
from bench.metrics.topology.topographic_product import topographic_product  # noqa: E402
from bench.metrics.topology.trustworthiness import continuity, trustworthiness  # noqa: E402

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
