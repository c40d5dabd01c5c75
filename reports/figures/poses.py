"""Motion: poses of the codes laid out on their lattice, and original against reconstructed poses over time."""

from collections.abc import Iterator
from itertools import count

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from reports.document.figure import Figure
from reports.document.text import file_name, number
from reports.figures.data import SourceData
from reports.figures.drawing.canvas import FAINT, PALE, SIZE, Canvas, styled
from reports.figures.drawing.lattice import Lattice
from reports.figures.drawing.palette import INK
from reports.figures.tokenizer import TokenizerView

WIDTH, GAP, HEAD, FOOT = 480, 14, 14, 30
MOST = 10  # poses along a side of the grid
MOMENTS = 8
FILLED = 0.94  # share of a pose's box
CURVE = 70  # height of the error's axes, px

Floats = NDArray[np.float64]


def draw(tokenizer: TokenizerView) -> Iterator[Figure]:
    """Figures of a tokenizer of a body's motion: poses on the lattice, where it has one, and poses over time."""
    source = tokenizer.source
    if source is None or not source.joints:
        return
    if tokenizer.lattice is not None:
        yield _on_lattice(tokenizer, tokenizer.lattice, source)
    yield _over_time(tokenizer, source)


def chosen(lattice: Lattice) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Choose the codes to show.

    A side longer than MOST shows every n-th place; a line of codes shows as many as fill a square, in reading order.

    Returns:
        (n,) codes, their (n, 2) rows and columns in the figure, and the places along the axes beyond the second at
        which the slice is cut.
    """
    if len(lattice.sides) == 1:
        count = min(MOST * MOST, lattice.sides[0])
        across = min(count, MOST)
        wanted = np.linspace(0, lattice.sides[0] - 1, count).round().astype(np.int64)
        at = lattice.positions[:, 0]
        codes = np.flatnonzero(np.isin(at, wanted))
        return codes, np.stack(np.divmod(np.searchsorted(wanted, at[codes]), across), axis=1), []
    cut = [side // 2 for side in lattice.sides[2:]]
    kept = (lattice.positions[:, 2:] == cut).all(axis=1)
    where = np.full((len(lattice.positions), 2), -1, dtype=np.int64)
    for axis in (0, 1):
        side = lattice.sides[axis]
        places = np.linspace(0, side - 1, min(MOST, side)).round().astype(np.int64)
        index = np.full(side, -1, dtype=np.int64)
        index[places] = np.arange(len(places))
        where[:, axis] = index[lattice.positions[:, axis]]
    codes = np.flatnonzero(kept & (where >= 0).all(axis=1))
    return codes, where[codes], cut


@styled
def _on_lattice(tokenizer: TokenizerView, lattice: Lattice, source: SourceData) -> Figure:
    codes, where, cut = chosen(lattice)
    rows, columns = (where.max(axis=0) + 1).tolist()
    cell = (WIDTH - 2 * GAP) / columns if columns >= 5 else 80.0
    canvas = Canvas(WIDTH, HEAD + cell * rows + FOOT)
    poses = source.from_front(tokenizer.prototypes[codes])
    placed = _placed(poses, (where[:, ::-1] + 0.5) * cell + (GAP, HEAD), cell)
    unused = ~tokenizer.seen[codes]
    _bodies(canvas.page, placed[unused], source, INK, INK, PALE)
    _bodies(canvas.page, placed[~unused], source, tokenizer.look.colour, INK, 1.0)
    canvas.text(GAP, canvas.height - 12, "coloured: the left arm and leg; faint: codes that no frame uses")
    title = f"Poses of the codes on their lattice: {tokenizer.what}"
    slices = ""
    if cut:
        slices = " of the slice with " + " and ".join(map("axis {} at {}".format, count(3), cut))
    alt = (
        f"{title}, seed {tokenizer.seed}: {len(codes)} of {len(lattice.positions)} codes{slices}, {rows} rows and "
        f"{columns} columns, each decoded to its pose seen from the front. {int(unused.sum())} of them are used "
        f"by no frame.{_neighbours_alike(tokenizer, lattice)}"
    )
    return canvas.finish(file_name("poses", tokenizer.dataset, tokenizer.row), title, alt, tokenizer.section)


def _neighbours_alike(tokenizer: TokenizerView, lattice: Lattice) -> str:
    pairs = lattice.pairs()
    pairs = pairs[tokenizer.seen[pairs].all(axis=1)]
    if not len(pairs):
        return ""
    apart = number(float(tokenizer.distances(pairs).mean()))
    return f" Joints of neighbouring poses that are used lie {apart}{tokenizer.unit} apart on average."


@styled
def _over_time(tokenizer: TokenizerView, source: SourceData) -> Figure:
    frames = source.frames[0]
    decoded = tokenizer.prototypes[tokenizer.tokens[0]]
    apart = np.sqrt(((frames - decoded)[:, source.points] ** 2).sum(axis=-1)).mean(axis=-1)
    moments = np.linspace(0, len(frames) - 1, min(MOMENTS, len(frames))).round().astype(np.int64)
    seconds = np.arange(len(frames)) / source.rate if source.rate else np.arange(len(frames), dtype=np.float64)
    cell = (WIDTH - 2 * GAP) / MOMENTS
    tall = 1.5 * cell
    top = HEAD + 10
    canvas = Canvas(WIDTH, top + 2 * (tall + HEAD) + 24 + CURVE + 40)
    for row, (name, poses, left) in enumerate(
        (("original", frames, INK), ("reconstructed from tokens", decoded, tokenizer.look.colour))
    ):
        above = top + row * (tall + HEAD + 4)
        canvas.text(GAP, above - 8, name, size=SIZE)
        across = GAP + cell * (np.arange(len(moments)) + 0.5)
        centres = np.stack([across, np.full(len(moments), above + tall / 2)], axis=1)
        _bodies(canvas.page, _placed(source.from_front(poses[moments]), centres, tall), source, left, INK, 1.0)
    axes = canvas.axes(52, canvas.height - CURVE - 38, WIDTH - 52 - GAP, CURVE)
    axes.plot(seconds, apart, color=tokenizer.look.colour, linewidth=1.1)
    axes.plot(seconds[moments], apart[moments], ".", color=INK, markersize=5, alpha=FAINT)
    axes.set_ylim(0.0, None)
    axes.locator_params(axis="y", nbins=3)
    axes.set_xlabel("seconds; dots: the poses above" if source.rate else "frames; dots: the poses above")
    axes.set_ylabel(f"error{f' ({source.unit})' if source.unit else ''}")
    title = f"Original and reconstructed poses over time: {tokenizer.what}"
    changes = int((np.diff(tokenizer.tokens[0]) != 0).sum())
    alt = (
        f"{title}, seed {tokenizer.seed}: the first test sequence of {len(frames)} frames, {len(moments)} of them "
        f"drawn. The joints' mean position error is {number(float(apart.mean()))}{tokenizer.unit} on average, at least "
        f"{number(float(apart.min()))} and at most {number(float(apart.max()))}; the token changes {changes} times."
    )
    return canvas.finish(file_name("reconstruction", tokenizer.dataset, tokenizer.row), title, alt, tokenizer.section)


def _placed(poses: Floats, centres: Floats, room: float) -> Floats:
    """Poses (n, joints, 2) in px around their centres (n, 2), by one scale with which nearly all fit their room."""
    if not len(poses):
        return poses
    middle = (poses.max(axis=1, keepdims=True) + poses.min(axis=1, keepdims=True)) / 2
    extent = float(np.quantile((poses.max(axis=1) - poses.min(axis=1)).max(axis=1), 0.9))
    scale = FILLED * room / max(extent, 1e-9)
    placed: Floats = centres[:, None] + (poses - middle) * scale * np.array([1.0, -1.0])
    return placed


def _bodies(axes: Axes, placed: Floats, source: SourceData, left: str, other: str, alpha: float) -> None:
    """Draw all bodies as two outlines, left limbs and the rest; one element per bone would take ten times the room."""
    if not len(placed):
        return
    sides: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    for start, end in source.edges:
        is_left = source.joints[start].startswith("left") and source.joints[end].startswith("left")
        sides[is_left].append((start, end))
    for colour, edges in ((other, sides[False]), (left, sides[True])):
        points, codes = [], []
        for body in placed:
            at = None
            for start, end in edges:
                # A bone that goes on where the last one ended needs no new beginning.
                points += [body[end]] if at == start else [body[start], body[end]]
                codes += [Path.LINETO] if at == start else [Path.MOVETO, Path.LINETO]
                at = end
        if points:
            outline = Path(np.array(points), codes)
            axes.add_patch(
                PathPatch(
                    outline, fill=False, edgecolor=colour, alpha=alpha, linewidth=1.0, capstyle="round", clip_on=False
                )
            )
