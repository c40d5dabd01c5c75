"""Figures of a run, each an SVG that needs nothing outside itself: one family of figures a file.

`draw` imports matplotlib; nothing here does before it is called.
"""

from collections.abc import Iterator

from reports.document.figure import Figure
from reports.figures.data import RunData, SourceData
from reports.figures.grid import grid_data

__all__ = ["RunData", "SourceData", "draw", "grid_data"]


def draw(run: RunData) -> Iterator[Figure]:
    """Every figure that the run has data for: those of a dataset, then those of its rows.

    Args:
        run: Run to draw. Failed cells, metrics that no row has and data that are not on this machine are left out.
    """
    from reports.figures import attractor, curves, intervals, pareto, planes, poses, use, walk
    from reports.figures.tokenizer import tokenizers

    for dataset in run.rows:
        for of_dataset in (intervals, pareto, curves):
            yield from of_dataset.draw(run, dataset)
        for tokenizer in tokenizers(run, dataset):
            for of_row in (use, planes, walk, poses, attractor):
                yield from of_row.draw(tokenizer)
