"""Drawing with matplotlib's objects: no pyplot, no state that outlives a figure, nothing of the user's own settings."""

import io
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from reports.document.figure import Figure
from reports.figures.data import plain
from reports.figures.drawing.lattice import Lattice
from reports.figures.drawing.palette import INK, Look
from reports.figures.drawing.svg import tidy

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

SIZE = 10.5  # px of text
SMALL = 9.5
CHARACTER = 5.5  # px: what a character of small text takes, on average
FAINT, PALE = 0.6, 0.2

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": (0.0, 0.0, 0.0, FAINT),
    "axes.facecolor": "none",
    "axes.labelsize": SMALL,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "axes.formatter.limits": (-5, 6),
    "axes.formatter.useoffset": False,
    "font.size": SIZE,
    "image.composite_image": False,
    "lines.linewidth": 1.2,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "figure",
    "text.parse_math": False,  # names may hold dollar signs
    "xtick.labelsize": SMALL,
    "xtick.major.size": 3.0,
    "ytick.labelsize": SMALL,
    "ytick.major.size": 3.0,
}


def styled(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorator: draw in our style, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def inside(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with matplotlib.rc_context(), warnings.catch_warnings():
            # Text stays text, so that whether a glyph is in the font by which its width is guessed does not matter.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            return draw(*args, **kwargs)

    return inside


class Canvas:
    """A page to draw on, measured in pixels from its upper left corner.

    Args:
        width: Width of the page in px.
        height: Height of the page in px.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = round(width), round(height)
        self.drawing = Drawing(figsize=(self.width / 72, self.height / 72), dpi=72)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """New axes in a box."""
        box = left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height
        return self.drawing.add_axes(box)

    @cached_property
    def page(self) -> Axes:
        """Axes over the whole page, in pixels and without ticks; drawing on them is cheaper than on new axes."""
        axes = self.axes(0, 0, self.width, self.height)
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        axes.set_autoscale_on(False)
        return axes

    def picture(self, left: float, top: float, width: float, height: float, pixels: NDArray[Any]) -> None:
        """A raster (rows, columns, 4) in a box.

        It lies in the SVG as a PNG: thousands of cells or points would be megabytes as vectors.
        """
        extent = (left, left + width, top + height, top)
        self.page.imshow(pixels, interpolation="none", aspect="auto", extent=extent, clip_on=False)

    def frames(self, left: float, top: float, width: float, height: float, lattice: Lattice) -> None:
        """Outlines of a lattice's slices, its paper spread over a box."""
        cell = np.array([width / lattice.shape[1], height / lattice.shape[0]])
        high, wide = lattice.slice_shape
        corners = lattice.corners[:, ::-1] * cell + (left, top)
        outline = np.array([(0, 0), (wide, 0), (wide, high), (0, high), (0, 0)]) * cell
        path = Path.make_compound_path(*(Path(outline + corner) for corner in corners))
        self.page.add_patch(PathPatch(path, fill=False, edgecolor=INK, alpha=FAINT, linewidth=0.7, clip_on=False))

    def text(self, left: float, top: float, words: str, *, size: float = SMALL, align: str = "left") -> None:
        """Text whose first line is centred on `top`."""
        place = left / self.width, 1 - top / self.height
        self.drawing.text(*place, plain(words), fontsize=size, ha=align, va="center", color=INK)

    def legend(self, left: float, top: float, entries: Sequence[tuple[str, Look]], *, lines: bool) -> None:
        """Rows of names with their markers, as many in a row as fit; `legend_height` tells how high they are."""
        places = _legend_places(left, self.width, [name for name, _ in entries])
        for (name, look), (row, column) in zip(entries, places, strict=True):
            y = 1 - (top + LEGEND_LINE * (row + 0.5)) / self.height
            style: Any = look.line if lines else "none"
            x = [column / self.width, (column + 18) / self.width]
            self.drawing.add_artist(Line2D(x, [y, y], color=look.colour, linestyle=style))
            self.drawing.add_artist(Line2D([sum(x) / 2], [y], linestyle="none", **marker(look)))
            self.text(column + 24, top + LEGEND_LINE * (row + 0.5), name)

    def finish(self, name: str, title: str, alt: str, section: str) -> Figure:
        """Finish the drawing as a figure of a report."""
        file = io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        self.drawing.savefig(file, format="svg", metadata=nothing)
        return Figure(
            name=name, title=plain(title), alt=plain(alt), section=section, svg=tidy(file.getvalue(), name, title, alt)
        )


LEGEND_LINE = 16


def legend_height(left: float, width: float, names: Sequence[str]) -> float:
    """Height of `Canvas.legend` in px."""
    places = _legend_places(left, width, names)
    return LEGEND_LINE * (1 + places[-1][0]) if places else 0


def _legend_places(left: float, width: float, names: Sequence[str]) -> list[tuple[int, float]]:
    """(row, x) of each entry."""
    places, row, x = [], 0, left
    for name in names:
        wide = 38 + CHARACTER * len(name)
        if x > left and x + wide > width:
            row, x = row + 1, left
        places.append((row, x))
        x += wide
    return places


def marker(look: Look, size: float = 6.0) -> dict[str, Any]:
    """Properties of a look's marker, by matplotlib's names."""
    face = look.colour if look.filled else "none"
    return {"marker": look.marker, "markersize": size, "mfc": face, "mec": look.colour, "mew": 1.2}


def shortened(name: str, most: int = 24) -> str:
    """Name, shortened to at most `most` characters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def log_scale(axes: Axes, which: str, values: Iterable[float]) -> None:
    """Make an axis over positive values logarithmic, with few ticks, labelled by plain numbers."""
    positive = list(values)
    low, high = min(positive), max(positive)
    getattr(axes, f"set_{which}scale")("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    powers = 10.0 ** np.arange(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for leading in ((1,), (1, 3), (1, 2, 5)):
        ticks = np.outer(powers, leading).ravel()
        if ((low <= ticks) & (ticks <= high)).sum() >= 3:
            axis.set_major_locator(FixedLocator(ticks.tolist()))
            break
    else:
        axis.set_major_locator(MaxNLocator(4))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))
