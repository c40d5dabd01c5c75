"""Bits a frame against explained variance: what a frame costs a generative model at which quality."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reports.document.figure import Figure
from reports.document.text import file_name, interval, known, listed
from reports.figures.data import ROWS, Row, RunData
from reports.figures.drawing.canvas import FAINT, SMALL, Canvas, legend_height, marker, styled
from reports.figures.drawing.palette import INK, Look

WIDTH, LEFT, TOP, SIDE, FOOT = 440, 62, 10, 300, 46
COST, QUALITY = "bits_per_frame", "explained"
# Shares of variance not explained that may be told on the axis.
TICKS = [digit * 10.0**exponent for exponent in range(-7, 1) for digit in (1, 2, 5)]


def draw(run: RunData, dataset: str) -> Iterator[Figure]:
    """The figure of a dataset, where any family or point of a curve has both metrics."""
    rows = [
        row
        for row in run.rows[dataset]
        if row.get("role") in ("family", "curve")
        and known(row, COST) is not None
        and (known(row, QUALITY) or 1.0) < 1.0
    ]
    if rows:
        yield _pareto(run, dataset, rows[:ROWS])


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, quality) that no other one beats in both, by rising cost.

    >>> front([(2.0, 0.9), (1.0, 0.8), (3.0, 0.85)])
    [1, 0]
    """
    best, chosen = float("-inf"), []
    for index in sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1])):
        if points[index][1] > best:
            best = points[index][1]
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
    points = [(float(row[COST]), float(row[QUALITY])) for row in rows]
    best = front(points)
    axes.plot(
        [points[index][0] for index in best],
        [1.0 - points[index][1] for index in best],
        color=INK,
        alpha=FAINT,
        linewidth=1.0,
        linestyle=":",
        drawstyle="steps-post",
    )
    for own in families.values():
        _family(axes, sorted(own, key=lambda row: row["codebook_size"]), run.looks[own[0]["quantizer"]])
    _scale(axes, [1.0 - quality for _, quality in points])
    axes.set_xlabel("bits_per_frame, fewer is better")
    axes.set_ylabel("explained variance, more is better")
    entries = [(name, run.looks[own[0]["quantizer"]]) for name, own in families.items()]
    canvas.legend(LEFT, legend_top, entries, lines=False)
    title = f"Bits a frame against explained variance on {dataset}"
    told = "; ".join(f"{r['quantizer']} {interval(r, COST)} bits, explained {interval(r, QUALITY)}" for r in rows)
    on_front = listed([rows[index]["quantizer"] for index in best])
    alt = f"{title}, means of seeds: {told}. On the front, where no other has fewer bits and explains more: {on_front}."
    return canvas.finish(file_name("pareto", dataset), title, alt, f"dataset:{dataset}")


def _family(axes: Any, rows: Sequence[Row], look: Look) -> None:
    """Its points by rising K, joined and told their K where there are several."""
    if len(rows) > 1:
        costs, lost = [float(row[COST]) for row in rows], [1.0 - float(row[QUALITY]) for row in rows]
        axes.plot(costs, lost, color=look.colour, linewidth=0.9, alpha=FAINT)
    for row in rows:
        x, y = float(row[COST]), 1.0 - float(row[QUALITY])
        ends = [known(row, f"{name}_{end}") for name in (COST, QUALITY) for end in ("low", "high")]
        thin = {"color": look.colour, "linewidth": 0.9, "alpha": FAINT}
        if ends[0] is not None and ends[1] is not None:
            axes.plot(ends[:2], [y, y], **thin)
        if ends[2] is not None and ends[3] is not None:
            # An interval may reach beyond 1, which a logarithmic axis has no place for.
            axes.plot([x, x], [1.0 - ends[2], max(1.0 - ends[3], y / 10)], **thin)
        axes.plot([x], [y], linestyle="none", **marker(look, 7))
        if len(rows) > 1:
            words = f"{row['codebook_size']:.0f}"
            axes.annotate(words, (x, y), (5, 5), textcoords="offset points", fontsize=SMALL - 1.5, color=look.colour)


def _scale(axes: Any, shares: Sequence[float]) -> None:
    """What is not explained on a logarithmic axis, upside down and told as what is: .99 and .999 lie far apart."""
    axes.set_yscale("log")
    margin = 1.05 * (max(shares) / min(shares)) ** 0.15
    low, high = min(shares) / margin, max(shares) * margin
    axes.set_ylim(high, low)
    inside = [tick for tick in TICKS if low <= tick <= high]
    few = len(inside) < 3  # less than a decade: ticks at equal steps
    axes.yaxis.set_major_locator(MaxNLocator(5) if few else FixedLocator(inside[:: len(inside) // 8 + 1]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * (1 - share):.6g} %"))
