"""Bits per frame against explained variance: the cost of a frame for a generative model, and its quality."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from reports.document.figure import Figure
from reports.document.rows import having
from reports.document.text import file_name, interval, listed, number_in
from reports.figures.data import ROWS, Row, RunData
from reports.figures.drawing.canvas import FAINT, SMALL, Canvas, legend_height, marker, styled
from reports.figures.drawing.palette import INK, Look

WIDTH, LEFT, TOP, SIDE, FOOT = 440, 62, 10, 300, 46
COST, QUALITY = "bits_per_frame", "explained"
# Shares of variance not explained that may be ticks of the axis.
TICKS = np.outer(10.0 ** np.arange(-7, 1), (1, 2, 5)).ravel()


def draw(run: RunData, dataset: str) -> Iterator[Figure]:
    """Figure of a dataset, where any family or point of a curve has both metrics."""
    rows = []
    for row in having(run.rows[dataset], COST):
        # A share of exactly 0 or 1 has no place on the axis.
        if row.get("role") in ("family", "curve") and (number_in(row, QUALITY) or 1.0) < 1.0:
            rows.append(row)
    if rows:
        yield _pareto(run, dataset, rows[:ROWS])


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, quality) that no other one beats in both, by rising cost.

    >>> front([(2.0, 0.9), (1.0, 0.8), (3.0, 0.85)])
    [1, 0]
    """
    highest, chosen = float("-inf"), []
    for index in sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1])):
        if points[index][1] > highest:
            highest = points[index][1]
            chosen.append(index)
    return chosen


@styled
def _pareto(run: RunData, dataset: str, rows: Sequence[Row]) -> Figure:
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(run.families[row["quantizer"]], []).append(row)
    legend_top = TOP + SIDE + FOOT
    canvas = Canvas(WIDTH, legend_top + legend_height(LEFT, WIDTH, [*families]) + 4)
    axes = canvas.axes(LEFT, TOP, WIDTH - LEFT - 14, SIDE)
    points = np.array([(row[COST], row[QUALITY]) for row in rows], dtype=np.float64)
    best = front(points.tolist())
    axes.plot(
        points[best, 0],
        1.0 - points[best, 1],
        color=INK,
        alpha=FAINT,
        linewidth=1.0,
        linestyle=":",
        drawstyle="steps-post",
    )
    entries = []
    for name, members in families.items():
        look = run.looks[members[0]["quantizer"]]
        _family(axes, sorted(members, key=itemgetter("codebook_size")), look)
        entries.append((name, look))
    _scale(axes, 1.0 - points[:, 1])
    axes.set_xlabel("bits_per_frame, fewer is better")
    axes.set_ylabel("explained variance, more is better")
    canvas.legend(LEFT, legend_top, entries, lines=False)
    title = f"Bits a frame against explained variance on {dataset}"
    values = "; ".join(f"{r['quantizer']} {interval(r, COST)} bits, explained {interval(r, QUALITY)}" for r in rows)
    on_front = listed([rows[index]["quantizer"] for index in best])
    alt = (
        f"{title}, means of seeds: {values}. On the front, where no other has fewer bits and explains more: {on_front}."
    )
    return canvas.finish(file_name("pareto", dataset), title, alt, f"dataset:{dataset}")


def _family(axes: Any, rows: Sequence[Row], look: Look) -> None:
    """Draw a family's points by rising K, joined and labelled with K where there are several."""
    if len(rows) > 1:
        points = np.array([(row[COST], 1.0 - row[QUALITY]) for row in rows], dtype=np.float64)
        axes.plot(*points.T, color=look.colour, linewidth=0.9, alpha=FAINT)
    for row in rows:
        x, y = float(row[COST]), 1.0 - float(row[QUALITY])
        thin = {"color": look.colour, "linewidth": 0.9, "alpha": FAINT}
        cheapest, dearest = number_in(row, f"{COST}_low"), number_in(row, f"{COST}_high")
        if cheapest is not None and dearest is not None:
            axes.plot([cheapest, dearest], [y, y], **thin)
        least, most = number_in(row, f"{QUALITY}_low"), number_in(row, f"{QUALITY}_high")
        if least is not None and most is not None:
            # An interval may reach beyond 1, which a logarithmic axis has no place for.
            axes.plot([x, x], [1.0 - least, max(1.0 - most, y / 10)], **thin)
        axes.plot([x], [y], linestyle="none", **marker(look, 7))
        if len(rows) > 1:
            words = f"{row['codebook_size']:.0f}"
            axes.annotate(words, (x, y), (5, 5), textcoords="offset points", fontsize=SMALL - 1.5, color=look.colour)


def _scale(axes: Any, shares: NDArray[np.float64]) -> None:
    """Set a logarithmic axis of unexplained shares, upside down and labelled by the explained ones.

    So .99 and .999 lie far apart.
    """
    axes.set_yscale("log")
    smallest, largest = float(shares.min()), float(shares.max())
    margin = 1.05 * (largest / smallest) ** 0.15
    low, high = smallest / margin, largest * margin
    axes.set_ylim(high, low)
    inside = TICKS[(low <= TICKS) & (high >= TICKS)].tolist()
    few = len(inside) < 3  # less than a decade: ticks at equal steps
    axes.yaxis.set_major_locator(MaxNLocator(5) if few else FixedLocator(inside[:: len(inside) // 8 + 1]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * (1 - share):.6g} %"))
