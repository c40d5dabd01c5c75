"""The smallest loss of each metric that matters; apart from the metrics, whose code decides what is measured again."""

from dataclasses import dataclass

from bench.metrics.base import Metric
from bench.vocabulary import Direction

FLOORS = ("active",)
"""Metrics without a better end of which the gate lets no more be lost than of the others."""


@dataclass(frozen=True)
class Effect:
    """What a loss must reach to be called one.

    Attributes:
        size: In the metric's unit, or as a share of its value.
        relative: Whether `size` is such a share.
    """

    size: float
    relative: bool = False

    def of(self, value: float) -> float:
        """In the metric's unit, where `value` is what would be lost from."""
        return self.size * abs(value) if self.relative else self.size


_SHARE = Effect(0.05, relative=True)
EFFECTS = {
    "mse": Effect(0.03, relative=True),
    "explained": Effect(0.01),
    "error_units": Effect(0.02, relative=True),
    "active": Effect(5.0),
    "trust": Effect(0.005),
    "cont": Effect(0.005),
    "trust_latent": Effect(0.005),
    "cont_latent": Effect(0.005),
    "distortion": _SHARE,
    "distortion_max": _SHARE,
    "distortion_ratio": Effect(0.1),
    "topographic_error": Effect(0.05),
    "seq_ppl_converged": _SHARE,
    "bits_per_frame": Effect(0.05),
    "grid_trust": Effect(0.01),
    "grid_cont": Effect(0.01),
    "topographic_product": Effect(0.01),
    "grid_correlation": Effect(0.05),
    "grid_step": Effect(0.05),
    "bits_eighth": Effect(0.05),
    "ngram_bits": Effect(0.05),
    "vector_gain": Effect(0.05),
    "topology_gain": Effect(0.05),
    "rate_excess": Effect(0.05),
    "forecast_error": _SHARE,
}


def effect(name: str) -> Effect:
    """Of a metric; one that is not in the catalogue may lose 5 %."""
    return EFFECTS.get(name, _SHARE)


def watched(metric: Metric) -> Direction:
    """Which way of a metric the gate takes for better; "none" where it does not look."""
    return "higher" if metric.name in FLOORS else metric.direction
