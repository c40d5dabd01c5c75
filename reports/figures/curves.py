"""Learning curves: of the tokenizers, and of the readers of their tokens."""

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from reports.document.figure import Figure
from reports.document.text import file_name, listed, number
from reports.figures.data import ROWS, Curve, RunData
from reports.figures.drawing.canvas import FAINT, SMALL, Canvas, legend_height, log_scale, styled
from reports.figures.drawing.palette import INK, Look

WIDTH, LEFT, TOP, SIDE, FOOT = 440, 56, 14, 230, 44
SEEDS = 10  # of a row: more lines say no more
PUBLISHED_POINT = 17  # updates after which the SOM-VQ paper's perplexities are read off
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
    found: dict[str, list[list[tuple[float, float]]]] = {}
    for row in [row["quantizer"] for row in run.rows[dataset] if (dataset, row["quantizer"]) in run.done][:ROWS]:
        for seed in run.done[dataset, row]["seed"].tolist()[:SEEDS]:
            line = _positive(run.curves.get((dataset, row, seed), {}).get(kind, ()))
            if len(line) > 1:
                found.setdefault(row, []).append(line)
    return found


def _positive(curve: Curve) -> list[tuple[float, float]]:
    """Without points that a logarithmic axis has no place for."""
    return [(x, y) for x, y in curve if y is not None and 0.0 < y < float("inf")]


@styled
def _curves(run: RunData, dataset: str, kind: str, title: str, lines: Lines, x: str, y: str) -> Figure:
    legend_top = TOP + SIDE + FOOT
    canvas = Canvas(WIDTH, legend_top + legend_height(12, WIDTH, [*lines]) + 4)
    axes = canvas.axes(LEFT, TOP, WIDTH - LEFT - 14, SIDE)
    for row, own in lines.items():
        for line in own:
            look = run.looks[row]
            axes.plot(*zip(*line, strict=True), color=look.colour, linestyle=look.line, linewidth=1.0, alpha=0.75)
    log_scale(axes, "y", [value for own in lines.values() for line in own for _, value in line])
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if kind == "seq_ppl":
        axes.axvline(PUBLISHED_POINT, color=INK, alpha=FAINT, linewidth=0.9, linestyle=":")
        place = axes.get_xaxis_transform()
        words = f" the paper's reading point: {PUBLISHED_POINT} updates"
        axes.text(PUBLISHED_POINT, 1.0, words, transform=place, fontsize=SMALL, va="top")
    shown: list[tuple[str, Look]] = [(row, run.looks[row]) for row in lines]
    canvas.legend(12, legend_top, shown, lines=True)
    name = file_name("curves", dataset, "training" if kind == "training" else f"reader_{kind}")
    return canvas.finish(name, title, _alt(title, kind, lines, x), f"dataset:{dataset}")


def _alt(title: str, kind: str, lines: Lines, x: str) -> str:
    told = []
    for row, own in lines.items():
        first, last = (sum(line[end][1] for line in own) / len(own) for end in (0, -1))
        told.append(f"{row} from {number(first)} to {number(last)}")
        if kind == "seq_ppl":
            there = [value for line in own for at, value in line if at == PUBLISHED_POINT]
            told[-1] += f" ({number(sum(there) / len(there))} at {PUBLISHED_POINT})" if there else ""
    counts = sorted({len(own) for own in lines.values()})
    seeds = f"{listed([str(count) for count in counts])} seed{'' if counts == [1] else 's'} a row"
    return f"{title} by {x}, {seeds}, a line each; means of the first and last points: {'; '.join(told)}."
