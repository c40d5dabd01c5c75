"""Losses that the gate looks for: the metrics that it watches, and the smallest loss of each that matters."""

from bench.metrics import METRICS
from bench.metrics.base import SHARE, Effect, Metric
from bench.stats.losses import Losses
from bench.vocabulary import Direction

FLOORS = ("active",)
"""Metrics without a preferred direction that must not fall, e.g. codebook utilisation."""


def effect(name: str) -> Effect:
    """Smallest loss of a metric that matters; 5 % for a metric of a plug-in that is not registered."""
    return METRICS[name].effect if name in METRICS else SHARE


def watched(metric: Metric) -> Direction:
    """Direction that the gate takes for better; "none" where it does not watch the metric."""
    return "higher" if metric.name in FLOORS else metric.direction


def loss(metric: Metric, value: float) -> float:
    """Loss of a value in the metric's unit, by the direction that the gate watches.

    Raises:
        ValueError: The gate does not watch the metric.
    """
    return Losses.of(watched(metric), metric.target, "linear", ()).loss(value)
