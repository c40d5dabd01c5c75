"""Blocks of a report: a tree that is made once, then written as markdown, as HTML or as LaTeX.

Every text in it is inline markdown as `reports.document.text` makes it: code spans, `**strong**`, `*emphasis*` and
escapes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from reports.document.figure import Figure


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list; a list among its items belongs to the item before it."""

    items: tuple["str | Bullets", ...]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Lines to be copied as they are: plain text, no markdown."""

    text: str


@dataclass(frozen=True)
class Grid:
    """Contents of the interactive grid of one row on one dataset; only HTML has it.

    Attributes:
        data: Mapping of `dataset`, `row`, `unit`, `sides` (rows, columns), `kind`, for poses `edges` (pairs of
            joints), and lists over cells, row by row: `use` (test frames), `umatrix` and `values`, None where nothing
            is known. A value is the coordinates of a "point", or a "pose" as a text that has two digits to the right
            and two upwards per joint.
    """

    data: Mapping[str, Any]


@dataclass(frozen=True)
class TableCell:
    """A cell of a table.

    Attributes:
        text: Text as inline markdown; blank where nothing applies.
        value: Value that its column is sorted by; None goes last.
        letter: Letter of the group of rows that it belongs to.
        tag: Remark to the text, such as "stand-in".
        failed: Whether a result is missing here that should be there.
        span: Number of columns that it fills.
        kind: Colour of the cell: "good", "bad", "open", or "" for none. The text says the same without colour.
    """

    text: str = ""
    value: float | str | None = None
    letter: str = ""
    tag: str = ""
    failed: bool = False
    span: int = 1
    kind: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Heading of the column.
        numeric: Whether the column holds numbers.
        hint: Meaning of the column, shown where there is room.
    """

    title: str
    numeric: bool = True
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table. The first cell of a row names the row.

    Attributes:
        name: Name of its LaTeX file without the ending; "" for none.
        caption: Contents of the table, in one line.
        columns: Columns from left to right.
        rows: Rows, with one cell per column.
        notes: Sentences to be read with the table.
        sortable: Whether its rows may be put into another order.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[str, ...] = ()
    sortable: bool = True


@dataclass(frozen=True)
class Section:
    """A heading and the blocks under it.

    Attributes:
        title: Heading of the section.
        blocks: Blocks under the heading, sections of the next level among them.
        detail: Whether it is for looking things up: folded in HTML, and left out of markdown that grows too long.
    """

    title: str
    blocks: tuple["Block", ...]
    detail: bool = False


Block: TypeAlias = Prose | Bullets | Facts | Code | Table | Figure | Grid | Section


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title: Title of the page.
        blocks: Blocks of the page, in their order.
    """

    title: str
    blocks: tuple[Block, ...]


def walk(blocks: Iterable[Block]) -> Iterator[Block]:
    """Iterate over all blocks, depth first."""
    for block in blocks:
        yield block
        if isinstance(block, Section):
            yield from walk(block.blocks)


def table_of(
    name: str,
    caption: str,
    rows: Sequence[Mapping[str, TableCell | str]],
    notes: tuple[str, ...] = (),
    sortable: bool = True,
) -> Table:
    """Table of rows with the same keys; a column holds numbers where one of its cells is sorted by a number."""
    lines = [tuple(map(_cell, row.values())) for row in rows]
    columns = []
    for title, cells in zip(rows[0] if rows else (), zip(*lines, strict=True), strict=True):
        columns.append(Column(title, any(isinstance(cell.value, int | float) for cell in cells)))
    return Table(name=name, caption=caption, columns=tuple(columns), rows=tuple(lines), notes=notes, sortable=sortable)


def _cell(content: TableCell | str) -> TableCell:
    return TableCell(content, content or None) if isinstance(content, str) else content
