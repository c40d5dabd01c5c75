"""Pictures of a lattice: one colour per cell."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reports.figures.drawing.canvas import Canvas
from reports.figures.drawing.lattice import Lattice
from reports.figures.drawing.palette import sequential

BAR = (90, 8)  # px
KEY = 330  # px that `gradient` takes with its words


def pixels(lattice: Lattice, shares: NDArray[np.floating], alpha: ArrayLike = 1.0) -> NDArray[np.uint8]:
    """Values of codes in [0, 1], NaN for nothing, and their opacity -> a raster with a pixel per cell."""
    opacity = np.broadcast_to(np.asarray(alpha, dtype=np.float64), shares.shape)
    return sequential(lattice.image(shares), np.nan_to_num(lattice.image(opacity)))


def paper_size(lattice: Lattice, width: float, height: float) -> tuple[float, float]:
    """Width and height in px of the lattice's paper with square cells within a box; a line of codes is 12 px high."""
    rows, columns = lattice.shape
    cell = min(width / columns, height / rows)
    return columns * cell, max(rows * cell, 12.0)


def gradient(canvas: Canvas, left: float, top: float, words: str) -> None:
    """Draw the key to `sequential`, with its meaning in words."""
    canvas.picture(left, top, *BAR, sequential(np.linspace(0.0, 1.0, 64)[None]))
    canvas.text(left + BAR[0] + 8, top + BAR[1] / 2, words)
