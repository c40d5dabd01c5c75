"""Looks of families in all figures: markers, lines, and colours for white and black pages and the colour-blind.

Seven colours of middle luminance, at least 3 : 1 against white and against #111 (WCAG 2.1, 1.4.11), found by a search
for the largest least distance in OKLab under normal sight and full protanopia, deuteranopia and tritanopia (Machado et
al. 2009). Okabe and Ito's palette has two colours that white drowns (2.3 : 1). Markers tell families apart, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, filterfalse

import numpy as np
from numpy.typing import ArrayLike, NDArray

INK = "#000000"  # becomes currentColor
COLOURS = ("#0055ff", "#2299ee", "#aa8899", "#dd7733", "#cc1100", "#aa11bb", "#666666")
VARIABLES: Mapping[str, str] = {colour: f"--figure-{index}" for index, colour in enumerate(COLOURS, 1)}
"""Colour -> the CSS variable that a page may set in its place."""

FAMILIES = ("vq", "vq-reset", "som-hard", "ksom", "som-vq", "vq-vae", "fsq")
REFERENCES = {"none": "x", "kmeans": "+"}
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
OTHER_MARKERS = ("<", ">", "p", "h", "*", "d", "8")  # colours repeat, markers do not so soon

LINES = {"family": "-", "published": "--", "control": ":", "curve": "-.", "reference": ":"}

# From dark to light with rising luminance; both ends can be told from white and from black.
_STOPS = ("#3b57c8", "#8a5cc0", "#d0607c", "#ee8a4a", "#f2b84b")


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colour, marker and line of a row.

    Attributes:
        colour: Colour of its family; INK for references.
        marker: Marker of its family, by matplotlib's name.
        line: Line style of its role, by matplotlib's name.
        filled: Whether its markers are filled; those of presets and controls are hollow.
    """

    colour: str
    marker: str
    line: str
    filled: bool


def looks(families: Mapping[str, str], roles: Mapping[str, str]) -> dict[str, Look]:
    """Row -> look, for rows whose family and role are given.

    Families of plug-ins take the colours that none of ours here has, in order; after these, colours repeat.
    """
    here = dict.fromkeys(families.values())
    free = [colour for name, colour in zip(FAMILIES, COLOURS, strict=True) if name not in here] or COLOURS
    of_families = dict(zip(FAMILIES, zip(COLOURS, MARKERS, strict=True), strict=True))
    for name, marker in REFERENCES.items():
        of_families[name] = INK, marker
    others = filterfalse(of_families.__contains__, here)
    of_families.update(zip(list(others), zip(cycle(free), cycle(OTHER_MARKERS), strict=False), strict=False))
    looks_of_rows = {}
    for row, family in families.items():
        role = roles.get(row, "family")
        colour, marker = of_families[family]
        filled = role in ("family", "curve")
        looks_of_rows[row] = Look(colour=colour, marker=marker, line=LINES.get(role, "-"), filled=filled)
    return looks_of_rows


def rgb(colour: str) -> tuple[int, int, int]:
    """Convert "#rrggbb" to red, green and blue from 0 to 255.

    >>> rgb("#0055ff")
    (0, 85, 255)
    """
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def sequential(values: ArrayLike, alpha: ArrayLike = 1.0) -> NDArray[np.uint8]:
    """Values in [0, 1] -> colours (..., 4) of 0 to 255, luminance rising with the value; NaN is transparent.

    Args:
        values: (...) values in [0, 1] or NaN.
        alpha: (...) opacity in [0, 1], of one shape with the values or one for all.
    """
    shares = np.asarray(values, dtype=np.float64)
    stops = np.array(list(map(rgb, _STOPS)), dtype=np.float64)
    places = np.linspace(0.0, 1.0, len(stops))
    finite = np.nan_to_num(shares)
    channels = [np.interp(finite, places, channel) for channel in stops.T]
    opacity = np.where(np.isnan(shares), 0.0, 255.0 * np.broadcast_to(np.asarray(alpha), shares.shape))
    return np.stack([*channels, opacity], axis=-1).round().astype(np.uint8)


def categorical(codes: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Codes (...) -> colours (..., 4) of COLOURS: codes of near numbers differ, codes far apart may share one."""
    table = np.array([(*rgb(colour), 255) for colour in COLOURS], dtype=np.uint8)
    # Multiples of the golden ratio spread evenly whatever the size of the grid (Knuth, volume 3, section 6.4).
    chosen: NDArray[np.uint8] = table[(codes.astype(np.int64) * 2_654_435_761 % 2**32 * len(COLOURS)) >> 32]
    return chosen
