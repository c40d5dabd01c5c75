"""The tokens of a sequence as a walk on the lattice, in their order and shuffled."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reports.document.figure import Figure
from reports.document.text import file_name, number
from reports.figures.drawing.canvas import SIZE, Canvas, marker, styled
from reports.figures.drawing.lattice import Lattice
from reports.figures.drawing.maps import paper_size
from reports.figures.drawing.palette import INK, Look
from reports.figures.tokenizer import TokenizerView

WIDTH, GAP, HEAD, FOOT = 480, 16, 36, 26
LONGEST = 400  # frames
LINE = 110  # px: height of a walk on a line, drawn over time


def draw(tokenizer: TokenizerView) -> Iterator[Figure]:
    """One figure for a tokenizer with a lattice."""
    if tokenizer.lattice is not None:
        yield _walk(tokenizer, tokenizer.lattice)


def mean_move(lattice: Lattice, tokens: NDArray[np.int64]) -> float | None:
    """Mean Euclidean distance on the lattice over the moves of tokens (time,), those that stay left out."""
    steps = np.diff(lattice.positions[tokens], axis=0)
    lengths = np.sqrt((steps**2).sum(axis=1))
    return float(lengths[lengths > 0].mean()) if (lengths > 0).any() else None


@styled
def _walk(tokenizer: TokenizerView, lattice: Lattice) -> Figure:
    tokens = tokenizer.tokens[0, :LONGEST]
    orders = {"in their order": tokens, "shuffled": np.random.default_rng(0).permutation(tokens)}
    line = len(lattice.sides) == 1
    stacked = line or lattice.shape[1] > 2.5 * lattice.shape[0]
    room = WIDTH - 2 * GAP if stacked else (WIDTH - 3 * GAP) / 2
    width, height = (room, LINE) if line else paper_size(lattice, room, 1.6 * room)
    canvas = Canvas(WIDTH, (2 if stacked else 1) * (HEAD + height) + FOOT)
    moves = []
    for index, (name, walk) in enumerate(orders.items()):
        left = GAP if stacked else GAP + index * (room + GAP)
        top = HEAD + (index * (HEAD + height) if stacked else 0)
        move = mean_move(lattice, walk)
        step = "no move" if move is None else f"{number(move)} cells a move"
        canvas.text(left, top - 24, f"{name}: {step}", size=SIZE)
        rows, columns = lattice.cells[walk].T
        shape = lattice.shape
        if line:
            rows, columns = columns, np.arange(len(walk))
            shape = lattice.sides[0], len(walk)
        else:
            canvas.frames(left, top, width, height, lattice)
        x, y = left + (columns + 0.5) * width / shape[1], top + (rows + 0.5) * height / shape[0]
        canvas.page.plot(x, y, color=tokenizer.look.colour, linewidth=1.0, alpha=0.65, clip_on=False)
        for at, filled in ((0, False), (-1, True)):
            dot = marker(Look(colour=INK, marker="o", line="-", filled=filled), 6)
            canvas.page.plot(x[[at]], y[[at]], linestyle="none", clip_on=False, **dot)
        moves.append(f"{name} {step}")
    ends = "hollow: the first frame; filled: the last"
    canvas.text(GAP, canvas.height - 10, f"{ends}; to the right: time, up and down: the place" if line else ends)
    title = f"A sequence of tokens walking the lattice: {tokenizer.what}"
    alt = (
        f"{title}, seed {tokenizer.seed}: the first {len(tokens)} tokens of a test sequence, which take "
        f"{len(np.unique(tokens))} codes. {'; '.join(moves)} (mean distance on the lattice between different tokens)."
    )
    return canvas.finish(file_name("walk", tokenizer.dataset, tokenizer.row), title, alt, tokenizer.section)
