"""Terminal writer: blocks as plain text with aligned tables, for the end of a command."""

import textwrap
from collections.abc import Iterable, Iterator

from tabulate import tabulate

from reports.document.blocks import Block, Bullets, Prose, Section, Table
from reports.document.inline import plain

WIDTH = 100  # characters of a line of prose


def write(blocks: Iterable[Block]) -> str:
    """Write sections, prose, lists and tables; blocks of other kinds are left out."""
    return "\n\n".join(filter(None, map(_block, blocks)))


def _block(block: Block) -> str:
    match block:
        case Section():
            return f"{plain(block.title)}\n\n{write(block.blocks)}"
        case Prose():
            return textwrap.fill(plain(block.text), WIDTH)
        case Bullets():
            return "\n".join(_bullets(block, ""))
        case Table():
            heads = [plain(column.title) for column in block.columns]
            rows = [[plain(cell.text) for cell in row] for row in block.rows]
            return str(tabulate(rows, heads, tablefmt="simple", disable_numparse=True))
        case _:
            return ""


def _bullets(block: Bullets, indent: str) -> Iterator[str]:
    for item in block.items:
        if isinstance(item, Bullets):
            yield from _bullets(item, indent + "  ")
        else:
            yield textwrap.fill(plain(item), WIDTH, initial_indent=f"{indent}- ", subsequent_indent=f"{indent}  ")
