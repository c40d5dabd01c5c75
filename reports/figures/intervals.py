"""Means with their 95 % t intervals and the seeds behind them, a figure a metric."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.figures.canvas import CHARACTER, FAINT, PALE, SMALL, Canvas, marker, shortened, styled
from reports.figures.data import Figure, RunData, file_name
from reports.figures.palette import INK, Look, looks
from reports.figures.tokenizer import roles
from reports.tables import MAIN
from reports.text import interval, is_family, known, listed, number, records

WIDTH, LINE, TOP, FOOT, KEY = 380, 19, 6, 40, 14
MARK = "\N{MODIFIER LETTER SMALL A}"  # the letter of the tables
CORE = ("family", "published")
BETTER = {"lower": "lower is better", "higher": "higher is better"}
Row = Mapping[str, Any]


def draw(run: RunData, dataset: str) -> Iterator[Figure]:
    """One figure for each main metric that any row has on a dataset."""
    rows = [row for row in records(run.summary) if row["dataset"] == dataset]
    rows.sort(key=lambda row: not is_family(row))
    best = _not_told_apart(run, dataset)
    directions = {metric["name"]: metric for metric in run.metrics}
    for name in MAIN:
        shown = [row for row in rows if known(row, name) is not None or (is_family(row) and row["done"] == 0)]
        if any(known(row, name) is not None for row in shown):
            unit = run.units.get(dataset, "") if name == "error_units" else ""
            yield _intervals(run, dataset, name, unit, directions.get(name, {}), shown, best.get(name, []))


@styled
def _intervals(
    run: RunData,
    dataset: str,
    name: str,
    unit: str,
    metric: Mapping[str, Any],
    rows: Sequence[Row],
    best: Sequence[str],
) -> Figure:
    labels = [f"{shortened(row['quantizer'])}{f' {MARK}' if row['quantizer'] in best else ''}" for row in rows]
    left = 12 + CHARACTER * max(map(len, labels))
    canvas = Canvas(WIDTH, TOP + LINE * len(rows) + FOOT + (KEY if best else 0))
    if best:
        canvas.text(12, canvas.height - KEY / 2, f"{MARK} cannot be told from the best")
    axes = canvas.axes(left, TOP, WIDTH - left - 14, LINE * len(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    seen = looks(run.families, roles(run))
    table = run.table[(run.table["dataset"] == dataset) & (run.table["status"] == "done")]
    limits = _limits(rows, name)
    axes.set_xlim(limits)
    for place, (row, label) in enumerate(zip(rows, labels, strict=True)):
        canvas.text(left - 8, TOP + LINE * (place + 0.5), label, align="right")
        mean = known(row, name)
        if mean is None:
            axes.text(0.0, place, "no result", transform=axes.get_yaxis_transform(), va="center", alpha=FAINT)
            continue
        values = table[table["quantizer"] == row["quantizer"]][name].dropna()
        if not limits[0] <= mean <= limits[1]:
            words = (
                f"{number(mean)} \N{RIGHTWARDS ARROW}" if mean > limits[1] else f"\N{LEFTWARDS ARROW} {number(mean)}"
            )
            end, align = (limits[1], "right") if mean > limits[1] else (limits[0], "left")
            colour = seen[row["quantizer"]].colour
            axes.text(end, place, words, ha=align, va="center", fontsize=SMALL, color=colour)
            continue
        ends = known(row, f"{name}_low"), known(row, f"{name}_high")
        _row(axes, place, seen[row["quantizer"]], mean, ends, values[values.between(*limits)])
    ranked = sum(is_family(row) for row in rows)
    if 0 < ranked < len(rows):
        axes.axhline(ranked - 0.5, color=INK, alpha=PALE, linewidth=0.8)
    target = metric.get("target")
    if metric.get("direction") == "target" and target is not None:
        axes.axvline(target, color=INK, alpha=FAINT, linewidth=0.8, linestyle=":")
    better = BETTER.get(str(metric.get("direction")), f"best at {target:g}" if target is not None else "")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(", ".join(filter(None, (f"{name} ({unit})" if unit else name, better))))
    title = f"{name} on {dataset}: means and 95 % t intervals over seeds"
    alt = _alt(title, better, name, rows, best)
    return canvas.finish(file_name("intervals", dataset, name), title, alt, f"dataset:{dataset}")


def _not_told_apart(run: RunData, dataset: str) -> dict[str, list[str]]:
    """Metric -> the rows that cannot be told from its best, where any row was tested against it."""
    rows = [row for row in records(run.rankings) if row["dataset"] == dataset]
    tested = {row["metric"] for row in rows if row["standing"] not in ("best", "untested")}
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["metric"] in tested and row["standing"] in ("best", "tied", "identical"):
            found.setdefault(row["metric"], []).append(row["quantizer"])
    return found


def _limits(rows: Sequence[Row], name: str) -> tuple[float, float]:
    """Of the axis: families and published rows whole; what lies far beyond (a control, say) gets an arrow instead."""
    spans = []
    for row in rows:
        mean = known(row, name)
        if mean is not None:
            ends = (known(row, f"{name}{end}") for end in ("", "_low", "_high"))
            spans.append((str(row.get("role")), [end for end in ends if end is not None]))
    core = [end for role, ends in spans if role in CORE for end in ends] or [end for _, ends in spans for end in ends]
    low, high = min(core), max(core)
    span = high - low or abs(high) or 1.0
    near = [end for _, ends in spans for end in ends if low - span <= ends[0] <= high + span]
    low, high = min(low, *near), max(high, *near)
    margin = 0.04 * (high - low or span)
    return low - margin, high + margin


def _row(axes: Any, place: int, look: Look, mean: float, ends: tuple[float | None, float | None], values: Any) -> None:
    """Of small dots a seed each, the interval, and the mean on top."""
    axes.plot(values, [place] * len(values), ".", color=look.colour, alpha=0.45, markersize=5, mew=0, clip_on=False)
    low, high = ends
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=look.colour, linewidth=1.6, linestyle=look.line, clip_on=False)
    axes.plot([mean], [place], linestyle="none", clip_on=False, **marker(look, 6.5))


def _alt(title: str, better: str, name: str, rows: Sequence[Row], best: Sequence[str]) -> str:
    told = [f"{row['quantizer']} {interval(row, name) or 'no result'}" for row in rows]
    few = [] if any(known(row, f"{name}_high") is not None for row in rows) else ["One seed, so there are no intervals"]
    tied = [f"Cannot be told from the best: {listed([*best])}"] if best else []
    return ". ".join([f"{title}{f' ({better})' if better else ''}: {'; '.join(told)}", *few, *tied]) + "."
