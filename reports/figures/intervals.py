"""Means with their 95 % t intervals and the seeds behind them, one figure per metric."""

from collections.abc import Iterator, Sequence
from typing import Any

from reports.document.figure import Figure
from reports.document.rows import having, pluck, select
from reports.document.text import file_name, interval, is_family, listed, number, number_in, records
from reports.figures.data import ROWS, Row, RunData
from reports.figures.drawing.canvas import CHARACTER, FAINT, PALE, SMALL, Canvas, marker, shortened, styled
from reports.figures.drawing.palette import INK, Look
from reports.selection import MAIN

WIDTH, LINE, TOP, FOOT, KEY = 380, 19, 6, 40, 14
MARK = "\N{MODIFIER LETTER SMALL A}"  # the letter of the tables
CORE = ("family", "published")
BETTER = {"lower": "lower is better", "higher": "higher is better"}


def draw(run: RunData, dataset: str) -> Iterator[Figure]:
    """One figure for each main metric that any row has on a dataset."""
    best = _not_behind(run, dataset)
    for name in MAIN:
        rows = [r for r in run.rows[dataset] if number_in(r, name) is not None or (is_family(r) and r["done"] == 0)]
        if having(rows[:ROWS], name):
            yield _intervals(run, dataset, name, rows[:ROWS], len(rows[ROWS:]), best.get(name, []))


@styled
def _intervals(run: RunData, dataset: str, name: str, rows: Sequence[Row], more: int, best: Sequence[str]) -> Figure:
    notes = []
    if best:
        notes.append(f"{MARK} not behind the best")
    if more:
        notes.append(f"{more} more rows: in the tables")
    labels = []
    for quantizer in pluck(rows, "quantizer"):
        labels.append(f"{shortened(quantizer)} {MARK}" if quantizer in best else shortened(quantizer))
    left = 12 + CHARACTER * max(map(len, labels))
    canvas = Canvas(WIDTH, TOP + LINE * len(rows) + FOOT + KEY * len(notes))
    for place, note in enumerate(reversed(notes)):
        canvas.text(12, canvas.height - KEY * (place + 0.5), note)
    axes = canvas.axes(left, TOP, WIDTH - left - 14, LINE * len(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    limits = _limits(rows, name)
    axes.set_xlim(limits)
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        canvas.text(left - 8, TOP + LINE * (place + 0.5), label, align="right")
        mean = number_in(row, name)
        if mean is None:
            axes.text(0.0, place, "no result", transform=axes.get_yaxis_transform(), va="center", alpha=FAINT)
            continue
        look = run.looks[row["quantizer"]]
        if not limits[0] <= mean <= limits[1]:
            words = (
                f"{number(mean)} \N{RIGHTWARDS ARROW}" if mean > limits[1] else f"\N{LEFTWARDS ARROW} {number(mean)}"
            )
            end, align = (limits[1], "right") if mean > limits[1] else (limits[0], "left")
            axes.text(end, place, words, ha=align, va="center", fontsize=SMALL, color=look.colour)
            continue
        ends = number_in(row, f"{name}_low"), number_in(row, f"{name}_high")
        values = run.done[dataset, row["quantizer"]][name].dropna()
        _row(axes, place, look, mean, ends, values[values.between(*limits)])
    ranked = sum(map(is_family, rows))
    if 0 < ranked < len(rows):
        axes.axhline(ranked - 0.5, color=INK, alpha=PALE, linewidth=0.8)
    metric = next((metric for metric in run.metrics if metric["name"] == name), {})
    target = metric.get("target")
    if target is not None:
        axes.axvline(target, color=INK, alpha=FAINT, linewidth=0.8, linestyle=":")
    better = BETTER.get(str(metric.get("direction")), f"best at {target:g}" if target is not None else "")
    unit = run.units.get(dataset) if name == "error_units" else ""
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(", ".join(filter(None, (f"{name} ({unit})" if unit else name, better))))
    title = f"{name} on {dataset}: means and 95 % t intervals over seeds"
    alt = _alt(title, better, name, rows, more, best)
    return canvas.finish(file_name("intervals", dataset, name), title, alt, f"dataset:{dataset}")


def _not_behind(run: RunData, dataset: str) -> dict[str, list[str]]:
    """Metric -> rows that are not behind its best, where any row was tested against it."""
    rows_by_metric: dict[str, list[str]] = {}
    tested = set()
    for row in select(records(run.rankings), dataset=dataset):
        if row["standing"] in ("best", "undecided", "equivalent", "identical"):
            rows_by_metric.setdefault(row["metric"], []).append(row["quantizer"])
        if row["standing"] not in ("best", "untested"):
            tested.add(row["metric"])
    return {metric: rows for metric, rows in rows_by_metric.items() if metric in tested}


def _limits(rows: Sequence[Row], name: str) -> tuple[float, float]:
    """Limits of the axis: families and published rows are whole; a row far beyond (a control, say) gets an arrow."""
    measured = having(rows, name)
    core = [row for row in measured if str(row.get("role")) in CORE]
    low, high = _extent(core or measured, name)
    span = high - low or abs(high) or 1.0
    near = [row for row in measured if low - span <= row[name] <= high + span]
    if near:
        near_low, near_high = _extent(near, name)
        low, high = min(low, near_low), max(high, near_high)
    margin = 0.04 * (high - low or span)
    return low - margin, high + margin


def _extent(rows: Sequence[Row], name: str) -> tuple[float, float]:
    """Lowest and highest of the means and of the ends of their intervals."""
    ends = [number_in(row, name + end) for row in rows for end in ("", "_low", "_high")]
    values = [end for end in ends if end is not None]
    return min(values), max(values)


def _row(axes: Any, place: int, look: Look, mean: float, ends: tuple[float | None, float | None], values: Any) -> None:
    """Draw a small dot per seed, the interval, and the mean on top."""
    axes.plot(values, [place] * len(values), ".", color=look.colour, alpha=0.45, markersize=5, mew=0, clip_on=False)
    low, high = ends
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=look.colour, linewidth=1.6, linestyle=look.line, clip_on=False)
    axes.plot([mean], [place], linestyle="none", clip_on=False, **marker(look, 6.5))


def _alt(title: str, better: str, name: str, rows: Sequence[Row], more: int, best: Sequence[str]) -> str:
    values = [f"{row['quantizer']} {interval(row, name) or 'no result'}" for row in rows]
    if more:
        values.append(f"{more} more")
    sentences = [f"{title}{f' ({better})' if better else ''}: {'; '.join(values)}"]
    if not having(rows, f"{name}_high"):
        sentences.append("One seed, so there are no intervals")
    if best:
        sentences.append(f"Not behind the best: {listed([*best])}")
    return ". ".join(sentences) + "."
