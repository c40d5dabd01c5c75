"""Markdown writer: a page that can be pasted into a pull request."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reports.document.blocks import (
    Block,
    Bullets,
    Code,
    Facts,
    Grid,
    Page,
    Prose,
    Section,
    Table,
    TableCell,
    table_of,
    walk,
)
from reports.document.figure import Figure
from reports.document.text import code, escape

LONGEST = 65_536  # characters of a comment on GitHub


def write(page: Page) -> str:
    """Write a page, without its details where it would be too long for a comment on GitHub."""
    title = f"# {page.title}"
    whole = "\n\n".join([title, text(page.blocks)]) + "\n"
    if len(whole) <= LONGEST:
        return whole
    left_out = [block.title for block in walk(page.blocks) if isinstance(block, Section) and block.detail]
    note = f"Left out, because a comment on GitHub holds no more, and found in report.html: {', '.join(left_out)}."
    return "\n\n".join([title, text(page.blocks, detail=False), note]) + "\n"


def text(blocks: Iterable[Block], level: int = 2, *, detail: bool = True) -> str:
    """Blocks as markdown.

    Args:
        blocks: Blocks to write, in their order.
        level: Level of the headings of the sections among them.
        detail: Whether to write the sections that are details, too.
    """
    return "\n\n".join(filter(None, (_block(block, level, detail) for block in blocks)))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as a table."""
    shown = [dict(zip(row, map(str, row.values()), strict=True)) for row in rows]
    return text([table_of("", "", shown)])


def _block(block: Block, level: int, detail: bool) -> str:
    match block:
        case Section():
            inside = "" if block.detail and not detail else text(block.blocks, level + 1, detail=detail)
            return inside and f"{'#' * level} {block.title}\n\n{inside}"
        case Prose():
            return block.text
        case Bullets():
            return "\n".join(_bullets(block, ""))
        case Facts():
            return "\n".join(f"- {name}: {value}" for name, value in block.pairs)
        case Code():
            return textwrap.indent(block.text, "    ")
        case Table():
            return "\n\n".join([_table(block), *block.notes]) if block.rows else ""
        case Figure():
            return f"{escape(block.title)}: {code(f'figures/{block.name}.svg')}"
        case Grid():
            return ""


def _bullets(block: Bullets, indent: str) -> Iterable[str]:
    for item in block.items:
        if isinstance(item, Bullets):
            yield from _bullets(item, indent + "  ")
        else:
            yield f"{indent}- {item}"


def _table(table: Table) -> str:
    """Table without padding: a page must stay short enough for a comment."""
    titles, rules = [], []
    for column in table.columns:
        titles.append(column.title)
        rules.append("--:" if column.numeric else ":--")
    return "\n".join(map(_line, [titles, rules, *map(_texts, table.rows)]))


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _texts(row: Sequence[TableCell]) -> list[str]:
    """Texts of a row, one per column."""
    texts = []
    for cell in row:
        texts += [_cell(cell), *[""] * (cell.span - 1)]
    return texts


def _cell(cell: TableCell) -> str:
    return " ".join(filter(None, (cell.text, cell.tag and f"({cell.tag})", cell.letter)))
