"""Learning curves: of the tokenizers, and of the readers of their tokens."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import fmean

from matplotlib.ticker import MaxNLocator

from reports.document.figure import Figure
from reports.document.rows import pluck
from reports.document.text import file_name, listed, number
from reports.figures.data import ROWS, Curve, RunData
from reports.figures.drawing.canvas import FAINT, SMALL, Canvas, legend_height, log_scale, styled
from reports.figures.drawing.palette import INK, Look
from reports.studies import studies

WIDTH, LEFT, TOP, SIDE, FOOT = 440, 56, 14, 230, 44
SEEDS = 10  # of a row: more lines say no more
TRAINING = {"epochs": "epochs after the warm-up", "updates": "updates after the warm-up"}
READERS = {
    "seq_ppl": "the barely trained reader",
    "bits_per_frame": "the converged reader",
    "bits_eighth": "the reader of an eighth of the sequences",
}
Lines = Mapping[str, Sequence[Sequence[tuple[float, float]]]]


def draw(run: RunData, dataset: str) -> Iterator[Figure]:
    """Curves of the training and of each reader, as far as they were recorded."""
    for kind, x in TRAINING.items():
        lines = _lines(run, dataset, kind)
        if lines:
            title = f"Validation error in training on {dataset}"
            yield _curves(run, dataset, "training", title, lines, x, "mean squared error of a frame")
    for kind, reader in READERS.items():
        lines = _lines(run, dataset, kind)
        if lines:
            title = f"Validation perplexity of {reader} on {dataset}"
            yield _curves(run, dataset, kind, title, lines, "updates of the reader", "perplexity")


def _lines(run: RunData, dataset: str, kind: str) -> Lines:
    """Row -> a line for each seed that has at least two points."""
    lines: dict[str, list[list[tuple[float, float]]]] = {}
    done = [name for name in pluck(run.rows[dataset], "quantizer") if (dataset, name) in run.done]
    for row in done[:ROWS]:
        for seed in run.done[dataset, row]["seed"].tolist()[:SEEDS]:
            line = _positive(run.curves.get((dataset, row, seed), {}).get(kind, ()))
            if len(line) > 1:
                lines.setdefault(row, []).append(line)
    return lines


def _positive(curve: Curve) -> list[tuple[float, float]]:
    """Points that a logarithmic axis has a place for."""
    return [(x, y) for x, y in curve if y is not None and 0.0 < y < float("inf")]


@styled
def _curves(run: RunData, dataset: str, kind: str, title: str, lines: Lines, x: str, y: str) -> Figure:
    legend_top = TOP + SIDE + FOOT
    canvas = Canvas(WIDTH, legend_top + legend_height(12, WIDTH, [*lines]) + 4)
    axes = canvas.axes(LEFT, TOP, WIDTH - LEFT - 14, SIDE)
    values: list[float] = []
    for row, of_seeds in lines.items():
        for line in of_seeds:
            look = run.looks[row]
            x_values, y_values = zip(*line, strict=True)
            axes.plot(x_values, y_values, color=look.colour, linestyle=look.line, linewidth=1.0, alpha=0.75)
            values += y_values
    log_scale(axes, "y", values)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    for point in _reading_points(kind):
        axes.axvline(point, color=INK, alpha=FAINT, linewidth=0.9, linestyle=":")
        place = axes.get_xaxis_transform()
        axes.text(point, 1.0, f" the paper's reading point: {point} updates", transform=place, fontsize=SMALL, va="top")
    shown: list[tuple[str, Look]] = [(row, run.looks[row]) for row in lines]
    canvas.legend(12, legend_top, shown, lines=True)
    name = file_name("curves", dataset, "training" if kind == "training" else f"reader_{kind}")
    return canvas.finish(name, title, _alt(title, kind, lines, x), f"dataset:{dataset}")


def _reading_points(kind: str) -> list[int]:
    """Updates after which papers read a learning curve off."""
    return [study.reading_points[kind] for study in studies() if kind in study.reading_points]


def _alt(title: str, kind: str, lines: Lines, x_label: str) -> str:
    sentences = []
    for row, of_seeds in lines.items():
        first = fmean(line[0][1] for line in of_seeds)
        last = fmean(line[-1][1] for line in of_seeds)
        sentence = f"{row} from {number(first)} to {number(last)}"
        for point in _reading_points(kind):
            if values := [value for x, value in chain(*of_seeds) if x == point]:
                sentence += f" ({number(fmean(values))} at {point})"
        sentences.append(sentence)
    counts = sorted(set(map(len, lines.values())))
    seeds = f"{listed(list(map(str, counts)))} seed{'' if counts == [1] else 's'} a row"
    return f"{title} by {x_label}, {seeds}, a line each; means of the first and last points: {'; '.join(sentences)}."
