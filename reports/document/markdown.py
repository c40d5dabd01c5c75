"""A page as markdown that can be pasted into a pull request."""

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
    """The whole page; without its details where it would be too long for a comment on GitHub."""
    title = f"# {page.title}"
    whole = "\n\n".join([title, text(page.blocks)]) + "\n"
    if len(whole) <= LONGEST:
        return whole
    left_out = [block.title for block in walk(page.blocks) if isinstance(block, Section) and block.detail]
    told = f"Left out, because a comment on GitHub holds no more, and found in report.html: {', '.join(left_out)}."
    return "\n\n".join([title, text(page.blocks, detail=False), told]) + "\n"


def text(blocks: Iterable[Block], level: int = 2, *, detail: bool = True) -> str:
    """Blocks as markdown.

    Args:
        blocks: What to write.
        level: Of the headings of the sections among them.
        detail: Whether to write the sections that are details, too.
    """
    return "\n\n".join(filter(None, (_block(block, level, detail) for block in blocks)))


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as a table."""
    return text([table_of("", "", [{name: str(value) for name, value in row.items()} for row in rows])])


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
    """Not padded: a page must stay short enough for a comment."""
    lines = [[column.title for column in table.columns]]
    lines.append(["--:" if column.numeric else ":--" for column in table.columns])
    lines += [[text for cell in row for text in (_cell(cell), *[""] * (cell.span - 1))] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: TableCell) -> str:
    return " ".join(filter(None, (cell.text, cell.tag and f"({cell.tag})", cell.letter)))
