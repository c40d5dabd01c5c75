"""Rate of every family against plain VQ's at equal quality, over the codebook sizes of a run."""

import math

import pandas as pd

from bench.planning.finished import FinishedRun
from bench.stats.bd_rate import bd_rate
from bench.stats.estimates import estimate

COLUMNS = ("dataset", "quantizer", "sizes", "n", "difference", "low", "high")
REFERENCE = "vq"
FEWEST_SIZES = 3

Key = tuple[str, str]


def rate_differences(run: FinishedRun) -> pd.DataFrame:
    """Bjontegaard's difference of `bits_per_frame` at equal explained variance, with its interval over seeds.

    The quality is that of reconstruction in decibels, -10 log10(1 - explained). A quantizer, with its preset, has a
    curve where it was run at three sizes or more with the same parameters.

    Returns:
        One row per (dataset, quantizer) with a curve beside plain VQ's: mean difference as a share, the ends of its
        95 % t interval (NaN for one seed), and n, the number of seeds in which the curves have a common quality.
    """
    curves: dict[Key, dict[int, list[tuple[float, float]]]] = {}
    sizes: dict[Key, set[int]] = {}
    for cell, record in run.done():
        explained, bits = (record["metrics"].get(name) for name in ("explained", "bits_per_frame"))
        if cell.control or explained is None or bits is None or not (explained < 1 and bits > 0):
            continue
        key = cell.dataset, cell.quantizer
        decibels = -10 * math.log10(1 - explained)
        curves.setdefault(key, {}).setdefault(cell.seed, []).append((decibels, bits))
        sizes.setdefault(key, set()).add(cell.capacity.codebook_size)
    rows = []
    for (dataset, quantizer), seeds in curves.items():
        reference = curves.get((dataset, REFERENCE), {})
        fewest = min(len(sizes[dataset, quantizer]), len(sizes.get((dataset, REFERENCE), ())))
        if quantizer == REFERENCE or fewest < FEWEST_SIZES:
            continue
        values = [bd_rate(points, reference.get(seed, ())) for seed, points in seeds.items()]
        present = [value for value in values if value is not None]
        if present:
            mean = estimate(present)
            ends = (math.nan if end is None else end for end in (mean.low, mean.high))
            rows.append((dataset, quantizer, len(sizes[dataset, quantizer]), len(present), mean.mean, *ends))
    return pd.DataFrame(rows, columns=list(COLUMNS))
