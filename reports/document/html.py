"""HTML writer: one file that needs nothing else, neither network nor another file."""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.document import inline
from reports.document.blocks import Bullets, Page, Section, walk
from reports.document.text import slug

TEMPLATES = Path(__file__).with_name("templates")
_TOGETHER = re.compile(r" (?=[±%])|(?<=±) |(?<=\b[np]) (?=[=<] )|(?<=\b[np] [=<]) ")  # what no line may end in
DIGITS = 4  # of the numbers behind an interactive grid: it is looked at, not computed with


def write(page: Page) -> str:
    """Write a page as HTML, style and script included."""
    anchors = _anchors(page)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "inline": _inline,
        "figures": _figures,
        "kind": lambda block: type(block).__name__,
        "nested": _nested,
        "plain": inline.plain,
    }
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    text = environment.get_template("page.html").render(
        page=page,
        anchor=lambda section: anchors[id(section)],
        style=Markup(_source("page.css")),
        script=Markup(_source("page.js")),
        svg=lambda figure: Markup(figure.svg),
        grid=lambda block: _rounded(dict(block.data)),
    )
    return text.strip() + "\n"


def _inline(text: str) -> Markup:
    return Markup(inline.html(_TOGETHER.sub("\N{NO-BREAK SPACE}", text)))


def _figures(text: str) -> Markup:
    """Text of a cell, which may be broken before its interval where a page is narrow."""
    return Markup(inline.html(text.replace("± ", "±\N{NO-BREAK SPACE}")))


def _nested(block: Bullets) -> list[tuple[str, Bullets | None]]:
    """Pairs of an item and the list that belongs to it, if any."""
    pairs: list[tuple[str, Bullets | None]] = []
    for item in block.items:
        if isinstance(item, str):
            pairs.append((item, None))
        else:
            pairs[-1] = pairs[-1][0], item
    return pairs


def _anchors(page: Page) -> dict[int, str]:
    """Identity of a section -> its anchor."""
    anchors: dict[int, str] = {}
    taken: Counter[str] = Counter()
    for block in walk(page.blocks):
        if isinstance(block, Section):
            name = slug(inline.plain(block.title)) or "section"
            taken[name] += 1
            anchors[id(block)] = name if taken[name] == 1 else f"{name}--{taken[name]}"
    return anchors


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_rounded, value))
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None  # JSON knows no other
