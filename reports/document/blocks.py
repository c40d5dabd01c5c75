"""A report as a tree of plain blocks: said once, then written as markdown, as HTML or as LaTeX.

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
    """What the interactive grid of one row on one dataset shows; only HTML has it.

    Attributes:
        data: `dataset`, `row`, `unit`, `sides` (rows, columns), `kind`, for poses `edges` (pairs of joints), and lists
            over cells, row by row: `use` (test frames), `umatrix` and `values`, None where nothing is known. A value is
            the coordinates of a "point", or a "pose" as a text of two digits to the right and two upwards a joint.
    """

    data: Mapping[str, Any]


@dataclass(frozen=True)
class TableCell:
    """A cell of a table.

    Attributes:
        text: What it shows; blank where nothing applies.
        value: What its column is sorted by; None goes last.
        letter: The group of rows that it belongs to.
        tag: A remark to the text, such as "stand-in".
        failed: Whether a result is missing here that should be there.
        span: Columns that it fills.
    """

    text: str = ""
    value: float | str | None = None
    letter: str = ""
    tag: str = ""
    failed: bool = False
    span: int = 1


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its heading.
        numeric: Whether it holds numbers.
        hint: What it means.
    """

    title: str
    numeric: bool = True
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table. The first cell of a row names the row.

    Attributes:
        name: Of its LaTeX file, without ending; "" for none.
        caption: What it holds, in one line.
        columns: From left to right.
        rows: Each as wide as the columns.
        notes: Sentences to be read with it.
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
    """A heading and what stands under it.

    Attributes:
        title: Heading.
        blocks: What it holds, sections of the next level too.
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
        title: Of the page.
        blocks: What it holds.
    """

    title: str
    blocks: tuple[Block, ...]


def walk(blocks: Iterable[Block]) -> Iterator[Block]:
    """Every block, depth first."""
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
    """A table of rows with the same keys; a column holds numbers where one of its cells is sorted by a number."""
    lines = [
        [TableCell(cell, cell or None) if isinstance(cell, str) else cell for cell in row.values()] for row in rows
    ]
    columns = [
        Column(title, any(isinstance(line[index].value, int | float) for line in lines))
        for row in rows[:1]
        for index, title in enumerate(row)
    ]
    return Table(
        name=name,
        caption=caption,
        columns=tuple(columns),
        rows=tuple(map(tuple, lines)),
        notes=notes,
        sortable=sortable,
    )
