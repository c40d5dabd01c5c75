"""The data as points in space, coloured by their codes and by the codes' places on the lattice."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reports.document.figure import Figure
from reports.document.text import file_name, listed
from reports.figures.data import SourceData
from reports.figures.drawing.canvas import SIZE, Canvas, styled
from reports.figures.drawing.maps import KEY, gradient
from reports.figures.drawing.palette import categorical, sequential
from reports.figures.tokenizer import TokenizerView

GAP, HEAD, FOOT = 12, 22, 30
ALONE, ROOM = 300, 148  # px: of a picture alone, and of one among others
PIXELS = 200  # along the wider side of a picture
AXES = 4  # of a lattice that get a picture each
ORDINALS = ("row", "column")


def draw(tokenizer: TokenizerView) -> Iterator[Figure]:
    """One figure where the data's points have two or three coordinates and are no body."""
    source = tokenizer.source
    if source is not None and not source.joints and source.points.shape[1] in (2, 3):
        yield _attractor(tokenizer, source)


def plane(source: SourceData) -> NDArray[np.float64]:
    """(N, 2) the last point of every test frame, seen along y where it has three coordinates."""
    last = source.points[-1]
    flat = source.frames.reshape(-1, source.frames.shape[-1])
    return flat[:, last[[0, -1]]].astype(np.float64)


def raster(points: NDArray[np.float64], colours: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Points (N, 2), y up, and their colours (N, 4) -> a picture with a mark of 2 x 2 pixels at each point."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (np.array([shape[1], shape[0]]) - 2) / np.maximum(high - low, 1e-12)
    columns, rows = ((points - low) * scale).astype(np.int64).T
    picture = np.zeros((*shape, 4), dtype=np.uint8)
    for down in (0, 1):
        for right in (0, 1):
            picture[shape[0] - 2 - rows + down, columns + right] = colours
    return picture


@styled
def _attractor(tokenizer: TokenizerView, source: SourceData) -> Figure:
    points, tokens = plane(source), tokenizer.tokens.ravel()
    extent = np.ptp(points, axis=0)
    ratio = float(np.clip(extent[1] / max(extent[0], 1e-12), 0.5, 2.0))
    shape = (round(PIXELS * min(ratio, 1.0)), round(PIXELS * min(1.0 / ratio, 1.0)))
    maps = {"by code": categorical(tokens)} | _by_places(tokenizer, tokens)
    across = 1 if len(maps) == 1 else 2 if len(maps) in (2, 4) else 3
    rows = -(-len(maps) // across)
    width = ALONE if across == 1 else ROOM
    height = width * shape[0] / shape[1]
    canvas = Canvas(max(across * (width + GAP) + GAP, KEY), rows * (HEAD + height) + FOOT)
    for index, (name, colours) in enumerate(maps.items()):
        row, column = divmod(index, across)
        left, top = GAP + column * (width + GAP), row * (HEAD + height) + HEAD
        canvas.text(left, top - 8, name, size=SIZE)
        canvas.picture(left, top, width, height, raster(points, colours, shape))
    if len(maps) > 1:
        gradient(canvas, GAP, canvas.height - 18, "first to last place; codes share 7 colours")
    else:
        canvas.text(GAP, canvas.height - 14, "codes share 7 colours")
    title = f"Test frames in space, coloured by code: {tokenizer.what}"
    used = int((tokenizer.hits > 0).sum())
    alt = (
        f"{title}, seed {tokenizer.seed}: {len(points)} frames by their first and last coordinate, coloured "
        f"{listed([*maps])}. {used} of {len(tokenizer.hits)} codes appear.{_order(tokenizer, tokens, points)}"
    )
    return canvas.finish(file_name("attractor", tokenizer.dataset, tokenizer.row), title, alt, tokenizer.section)


def _by_places(tokenizer: TokenizerView, tokens: NDArray[np.int64]) -> dict[str, NDArray[np.uint8]]:
    """Axis of the lattice -> colours of the frames by their code's place along it."""
    lattice = tokenizer.lattice
    if lattice is None:
        return {}
    colours = {}
    for axis, side in enumerate(lattice.sides[:AXES]):
        name = f"by {ORDINALS[axis]}" if len(lattice.sides) == 2 else f"by axis {axis + 1}"
        colours[name] = sequential(lattice.positions[tokens, axis] / max(1, side - 1))
    return colours


def _order(tokenizer: TokenizerView, tokens: NDArray[np.int64], points: NDArray[np.float64]) -> str:
    """Sentence on the share of a frame's place in the picture that row and column explain, by linear regression."""
    lattice = tokenizer.lattice
    if lattice is None:
        return ""
    places = np.column_stack([lattice.positions[tokens], np.ones(len(tokens))]).astype(np.float64)
    centred = points - points.mean(axis=0)
    rest = centred - places @ np.linalg.lstsq(places, centred, rcond=None)[0]
    share = 1.0 - float((rest**2).sum()) / max(float((centred**2).sum()), 1e-12)
    return f" Places on the lattice tell {share:.0%} of the variance of these two coordinates, linearly."
