"""Utilisation of the codes: on the lattice where there is one, else by rank."""

from collections.abc import Iterator

import numpy as np

from reports.document.figure import Figure
from reports.document.text import file_name
from reports.figures.drawing.canvas import PALE, SMALL, Canvas, styled
from reports.figures.drawing.lattice import Lattice
from reports.figures.drawing.maps import gradient, paper_size, pixels
from reports.figures.drawing.palette import INK
from reports.figures.tokenizer import TokenizerView

WIDTH, LEFT, TOP, SIDE, FOOT = 360, 48, 10, 150, 42
PAPER = 340, 300  # px: largest size of a lattice


def draw(tokenizer: TokenizerView) -> Iterator[Figure]:
    """Figure of a tokenizer."""
    if tokenizer.lattice is None:
        yield _ranked(tokenizer)
    else:
        yield _on_lattice(tokenizer, tokenizer.lattice)


@styled
def _on_lattice(tokenizer: TokenizerView, lattice: Lattice) -> Figure:
    hits = tokenizer.hits
    most = int(hits.max())
    # Logarithmic: a few codes that sequences rest on would leave all others dark.
    shares = np.where(hits > 0, np.log1p(hits) / np.log1p(max(most, 1)), np.nan)
    width, height = paper_size(lattice, *PAPER)
    canvas = Canvas(WIDTH, TOP + height + FOOT)
    left = (WIDTH - width) / 2
    canvas.picture(left, TOP, width, height, pixels(lattice, shares))
    canvas.frames(left, TOP, width, height, lattice)
    gradient(canvas, 10, TOP + height + 14, f"1 to {most} test frames, logarithmic; empty: none")
    return _finish(canvas, tokenizer, "on its lattice")


@styled
def _ranked(tokenizer: TokenizerView) -> Figure:
    """Draw one outline instead of K bars, which would look the same and take fifty times the room."""
    percent = 100.0 * np.sort(tokenizer.hits)[::-1] / max(1, tokenizer.hits.sum())
    canvas = Canvas(WIDTH, TOP + SIDE + FOOT)
    axes = canvas.axes(LEFT, TOP, WIDTH - LEFT - 14, SIDE)
    axes.stairs(percent, fill=True, color=tokenizer.look.colour, linewidth=0)
    used = int((tokenizer.hits > 0).sum())
    axes.axvline(used, color=INK, alpha=PALE, linewidth=0.8)
    axes.text(used, 0.97, f"{used} ", ha="right", va="top", transform=axes.get_xaxis_transform(), fontsize=SMALL)
    axes.set_xlim(0, len(percent))
    axes.set_ylim(0, max(float(percent.max()), 1e-9) * 1.05)
    axes.set_xlabel("codes, the most used first")
    axes.set_ylabel("% of test frames")
    return _finish(canvas, tokenizer, "by rank")


def _finish(canvas: Canvas, tokenizer: TokenizerView, how: str) -> Figure:
    hits = np.sort(tokenizer.hits)[::-1]
    total, count = max(1, int(hits.sum())), len(hits)
    used = int((hits > 0).sum())
    half = int(np.searchsorted(hits.cumsum(), total / 2)) + 1
    title = f"Use of each code {how}: {tokenizer.what}"
    alt = (
        f"{title}, seed {tokenizer.seed}. {used} of {count} codes are used on the test split ({used / count:.0%}); the "
        f"{half} most used hold half of its {total} frames, the most used one {hits[0] / total:.1%}."
    )
    return canvas.finish(file_name("use", tokenizer.dataset, tokenizer.row), title, alt, tokenizer.section)
