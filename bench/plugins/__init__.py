"""Other people's quantizers, datasets and metrics: found, loaded, guarded and identified by their code."""

from bench.plugins.loading import (
    GROUPS,
    OF_DATASETS,
    OF_METRICS,
    OF_QUANTIZERS,
    PREFIX,
    broken,
    discover,
    entry_points,
    load,
    names_of,
    needed,
    origin,
    refuse_broken,
    source,
)

__all__ = [
    "GROUPS",
    "OF_DATASETS",
    "OF_METRICS",
    "OF_QUANTIZERS",
    "PREFIX",
    "broken",
    "discover",
    "entry_points",
    "load",
    "names_of",
    "needed",
    "origin",
    "refuse_broken",
    "source",
]
