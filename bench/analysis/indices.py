"""Use of every index of a code, and of the combinations of indices, over the seeds of a run."""

import statistics

import pandas as pd

from bench.planning.finished import FinishedRun
from bench.typing import JSON

COLUMNS = ("dataset", "quantizer", "index", "size", "used", "usage_ppl", "too_few_frames", "n")


def index_uses(run: FinishedRun) -> pd.DataFrame:
    """Means over seeds, for every row whose codes have several indices.

    Returns:
        One row per (dataset, quantizer, index) and one, with index 0, for the combinations: number of codes (blank for
        combinations, too many to use), mean number of codes used, mean perplexity of their use, whether that is too
        low for want of frames in a seed, and the number n of seeds.
    """
    uses: dict[tuple[str, str], list[JSON]] = {}
    for cell, record in run.done():
        if "indices" in record and not cell.control:
            uses.setdefault((cell.dataset, cell.row), []).append(record["indices"])
    rows = []
    for (dataset, row), seeds in uses.items():
        for place, of_seeds in enumerate(zip(*(seed["indices"] for seed in seeds), strict=True), start=1):
            size = of_seeds[0]["size"]
            used = statistics.fmean(size * use["active"] / 100 for use in of_seeds)
            perplexity = statistics.fmean(use["usage_ppl"] for use in of_seeds)
            rows.append((dataset, row, place, size, used, perplexity, False, len(seeds)))
        joint = [seed["combinations"] for seed in seeds]
        used, perplexity = (statistics.fmean(use[name] for use in joint) for name in ("used", "usage_ppl"))
        few = any(use["too_few_frames"] for use in joint)
        rows.append((dataset, row, 0, None, used, perplexity, few, len(seeds)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
