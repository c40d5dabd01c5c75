"""Smallest loss of every metric that matters.

It stands apart from the metrics, because their code decides what is measured again.
"""

from dataclasses import dataclass

from bench.metrics.base import Metric
from bench.vocabulary import Direction

FLOORS = ("active",)
"""Metrics without a preferred direction that must not fall, e.g. codebook utilisation."""


@dataclass(frozen=True)
class Effect:
    """Size of the smallest loss that matters.

    Attributes:
        size: Size in the metric's unit, or as a share of the metric's value.
        relative: Whether `size` is a share.
    """

    size: float
    relative: bool = False

    def of(self, value: float) -> float:
        """Size in the metric's unit, for a loss from a value."""
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
    """Smallest loss of a metric that matters; 5 % for a metric of a plug-in."""
    return EFFECTS.get(name, _SHARE)


def watched(metric: Metric) -> Direction:
    """Direction that the gate takes for better; "none" where it does not watch the metric."""
    return "higher" if metric.name in FLOORS else metric.direction
