"""Conversion of matplotlib's SVG to a small one that suits light and dark pages and can lie beside others."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from reports.figures.data import plain
from reports.figures.drawing.palette import INK, VARIABLES

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_REFERENCE = re.compile(r"#([\w-]+)")
_COMMAND = re.compile(r"([MLCQz])([^MLCQz]*)")
_SUBPATH = re.compile(r"M[^M]*")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MEASURES = ("x", "y", "width", "height", "stroke-width", "font-size", "transform", "stroke-dasharray")
_NOT_KEPT = ("font-family", "font")
_OWN = ("id", "d", "x", "y", "href", "transform", "clip-path")  # attributes that an element never leaves to its group
_AS_BY_DEFAULT = {"stroke-linejoin": "round", "text-anchor": "start"}


def tidy(raw: bytes, name: str, title: str, description: str) -> str:
    """Convert to one `<svg>` element.

    Ids begin with a hash of the name, so that figures in one page do not meet; there is no style sheet, because it
    would hold for the whole page. Black becomes currentColor; a family's colour is kept for programs that know no CSS
    variables, with the variable over it.

    Args:
        raw: SVG file as matplotlib wrote it, with text as text.
        name: Name of the figure, safe as a file name.
        title: Title of the figure, plain text.
        description: Description of the figure, plain text.
    """
    drawing = ElementTree.fromstring(raw)
    prefix = f"f{hashlib.sha256(name.encode()).hexdigest()[:10]}"
    width, height = (_short(side, 1) for side in drawing.attrib["viewBox"].split()[2:])
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "figure",
            "role": "img",
            "aria-labelledby": f"{prefix}-title {prefix}-desc",
            "viewBox": f"0 0 {width} {height}",
            "width": width,
            "height": height,
            "fill": "currentColor",
            "font-family": FONTS,
            "stroke-linejoin": "round",
        },
    )
    for tag, text in (("title", title), ("desc", description)):
        ElementTree.SubElement(root, tag, {"id": f"{prefix}-{tag}"}).text = plain(text)
    referenced = _referenced(drawing)
    for child in drawing:
        root.extend(_convert(child, prefix, referenced))
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>")


def _referenced(drawing: Element) -> frozenset[str]:
    """Ids that something refers to."""
    names: set[str] = set()
    for element in drawing.iter():
        for value in element.attrib.values():
            if value.startswith("#") or "url(#" in value:
                names.update(_REFERENCE.findall(value))
    return frozenset(names)


def _convert(element: Element, prefix: str, referenced: frozenset[str]) -> Iterator[Element]:
    """Iterate over what is kept: the element, its children where it is a group without attributes, or nothing."""
    tag = element.tag.rpartition("}")[2]
    if tag in ("metadata", "style"):
        return
    attributes = _attributes(element, tag, prefix, referenced)
    children: list[Element] = []
    for child in element:
        children += _convert(child, prefix, referenced)
    if tag in ("g", "defs") and not children:
        return
    if tag == "g" and not attributes:
        yield from children
        return
    if tag == "path" and (not attributes.get("d") or (attributes.get("fill") == "none" and "stroke" not in attributes)):
        return
    if tag == "g" and len(children) > 1:
        _hoist(attributes, children)
    kept = Element(tag, attributes)
    if tag == "text":
        kept.text = element.text
    kept.extend(children)
    yield kept


def _hoist(attributes: dict[str, str], children: Sequence[Element]) -> None:
    """Move attributes on which all children agree to their group; the markers of one line share most of them."""
    for key, value in list(children[0].attrib.items()):
        if key not in _OWN and key not in attributes and all(child.get(key) == value for child in children):
            attributes[key] = value
            for child in children:
                del child.attrib[key]


def _attributes(element: Element, tag: str, prefix: str, referenced: frozenset[str]) -> dict[str, str]:
    values = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    for declaration in values.pop("style", "").split(";"):
        key, colon, value = declaration.partition(":")
        if colon:
            values[key.strip()] = value.strip()
    identity = values.pop("id", "")
    kept = {"id": f"{prefix}-{identity}"} if identity in referenced else {}
    styles = []
    for key, value in values.items():
        if key in _NOT_KEPT or _AS_BY_DEFAULT.get(key) == value or value.startswith("rotate(-0 "):
            continue
        if key == "d":
            kept[key] = path(value, digits=2 if identity in referenced else 1)
        elif key == "href":
            kept[key] = f"#{prefix}-{value[1:]}" if value.startswith("#") else "".join(value.split())
        elif key in ("fill", "stroke") and value == INK:
            kept[key] = "currentColor"
        elif key in ("fill", "stroke") and value in VARIABLES:
            kept[key] = value
            styles.append(f"{key}:var({VARIABLES[value]},{value})")
        elif "url(#" in value:
            kept[key] = value.replace("url(#", f"url(#{prefix}-")
        elif key in _MEASURES:
            kept[key] = _rounded(value.removesuffix("px"), 3 if key == "transform" else 1)
        else:
            kept[key] = value
    if tag == "text" and kept.get("fill") == "currentColor":
        del kept["fill"]  # the root's
    if styles:
        kept["style"] = ";".join(styles)
    return kept


def path(data: str, digits: int) -> str:
    """Path data in as few characters as show the same: rounded, and straight lines as steps.

    >>> path("M 10.04 20 L 12.01 19.96 L 12.02 25 z", 1)
    'M10 20l2 0 0 5z'
    """
    if "C" in data or "Q" in data:
        return "".join(command + _joined(numbers.split(), digits) for command, numbers in _COMMAND.findall(data))
    scale, parts = 10**digits, []
    for subpath in _SUBPATH.findall(data):
        numbers = np.array(_NUMBER.findall(subpath), dtype=np.float64)
        points = np.rint(numbers * scale).reshape(-1, 2)
        if len(points) < 2:
            continue
        steps = np.diff(points, axis=0)
        # A step shorter than a digit can say is left out, but for a lone dot, which a round end makes visible.
        moving = steps.any(axis=1)
        shown = steps[moving] if moving.any() else steps[:1]
        start, moves = (_joined((values / scale).ravel(), digits) for values in (points[0], shown))
        parts.append(f"M{start}l{moves}{'z' if 'z' in subpath else ''}")
    return "".join(parts)


def _joined(numbers: Iterable[float | str], digits: int) -> str:
    return " ".join(_short(number, digits) for number in numbers).replace(" -", "-")


def _rounded(text: str, digits: int) -> str:
    return _NUMBER.sub(lambda number: _short(number.group(), digits), text)


def _short(number: float | str, digits: int) -> str:
    """A number in as few characters as these decimals need."""
    shown = f"{float(number):.{digits}f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown == "-0" else shown.replace("0.", ".", 1) if shown.lstrip("-").startswith("0.") else shown
