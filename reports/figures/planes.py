"""U-matrix and component planes of a lattice of codes, over the frames that the codes decode to."""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from reports.document.figure import Figure
from reports.document.text import file_name, number
from reports.figures.drawing.canvas import SIZE, Canvas, styled
from reports.figures.drawing.lattice import Lattice
from reports.figures.drawing.maps import KEY, gradient, paper_size, pixels
from reports.figures.tokenizer import TokenizerView

GAP, HEAD, FOOT = 14, 34, 30
WIDE, ROOM = 440, 148  # px: width of a map alone in its row, and of one among others
HEIGHTS_OF = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
MOST = 4  # planes of features that have no name
UNSEEN = 0.3  # opacity of codes that no frame uses: nothing says where they lie


def draw(tokenizer: TokenizerView) -> Iterator[Figure]:
    """One figure for a tokenizer with a lattice."""
    if tokenizer.lattice is not None:
        yield _planes(tokenizer, tokenizer.lattice)


def components(tokenizer: TokenizerView) -> list[tuple[str, int]]:
    """(name, feature) of the planes: heights of a body's ends, else the coordinates of the last point."""
    source = tokenizer.source
    if source is None:
        return [(f"feature {feature}", feature) for feature in range(min(MOST, tokenizer.prototypes.shape[1]))]
    if source.joints:
        heights = []
        for name in HEIGHTS_OF:
            if name in source.joints:
                feature = int(source.points[source.joints.index(name), 1])
                heights.append((f"height of {name.replace('_', ' ')}", feature))
        return heights
    last = list(map(int, source.points[-1][:MOST]))
    names = "xyz" if len(last) <= 3 else map("coordinate {}".format, count(1))
    return list(zip(names, last, strict=False))


@styled
def _planes(tokenizer: TokenizerView, lattice: Lattice) -> Figure:
    maps = [("U-matrix", tokenizer.u_matrix(lattice))]
    maps += [(name, tokenizer.prototypes[:, feature]) for name, feature in components(tokenizer)]
    across = 1 if lattice.shape[1] > 2.5 * lattice.shape[0] else 3 if len(maps) % 3 != 1 else 2
    width = WIDE if across == 1 else ROOM
    size = paper_size(lattice, width, 1.6 * width)
    rows = -(-len(maps) // across)
    canvas = Canvas(max(across * (width + GAP) + GAP, KEY), rows * (HEAD + size[1]) + FOOT)
    alpha = np.where(tokenizer.seen, 1.0, UNSEEN)
    for index, (name, values) in enumerate(maps):
        row, column = divmod(index, across)
        left, top = GAP + column * (width + GAP), row * (HEAD + size[1]) + HEAD
        low, high = _range(values[tokenizer.seen])
        shares = np.clip((values - low) / (high - low), 0.0, 1.0)
        canvas.text(left, top - 22, name, size=SIZE)
        canvas.text(left, top - 9, f"{number(low)} to {number(high)}{tokenizer.unit}")
        canvas.picture(left, top, *size, pixels(lattice, shares, alpha))
        canvas.frames(left, top, *size, lattice)
    gradient(canvas, GAP, rows * (HEAD + size[1]) + 14, "least to most of each map; faint: never used")
    return _finish(canvas, tokenizer, lattice, maps)


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Range of the finite values, never empty: a map of one value is all at the low end."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    return low, high if high > low else low + 1.0


def _finish(
    canvas: Canvas, tokenizer: TokenizerView, lattice: Lattice, maps: Sequence[tuple[str, NDArray[np.float64]]]
) -> Figure:
    title = f"U-matrix and component planes: {tokenizer.what}"
    sides = " x ".join(map(str, lattice.sides))
    ranges = []
    for name, values in maps:
        low, high = _range(values[tokenizer.seen])
        ranges.append(f"{name} from {number(low)} to {number(high)}{tokenizer.unit}")
    slices = ", its slices side by side" if len(lattice.sides) > 2 else ""
    alt = (
        f"{title}, seed {tokenizer.seed}, lattice {sides}{slices}. {'; '.join(ranges)}. "
        f"{_smoothness(tokenizer, lattice)}"
    )
    return canvas.finish(file_name("planes", tokenizer.dataset, tokenizer.row), title, alt, tokenizer.section)


def _smoothness(tokenizer: TokenizerView, lattice: Lattice) -> str:
    """Sentence on the distances of neighbours and of any two codes, among the used ones."""
    pairs = lattice.pairs()
    pairs = pairs[tokenizer.seen[pairs].all(axis=1)]
    used = np.flatnonzero(tokenizer.seen)
    if not len(pairs) or len(used) < 2:
        return "No two neighbours are both used."
    # Every used code against the one half the list away: as many pairs as codes say enough for a sentence.
    others = np.stack([used, np.roll(used, len(used) // 2)], axis=1)
    near = number(float(tokenizer.distances(pairs).mean()))
    far = number(float(tokenizer.distances(others).mean()))
    return f"Used neighbours lie {near}{tokenizer.unit} apart on average, other used codes {far}."
