"""Rows of a table as mappings: chosen, and read by column."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from reports.document.text import code, number_in

Row = TypeVar("Row", bound=Mapping[str, Any])


def select(rows: Iterable[Row], **values: Any) -> list[Row]:
    """Rows that have all of these values."""
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def having(rows: Iterable[Row], column: str) -> list[Row]:
    """Rows with a number in a column."""
    return [row for row in rows if number_in(row, column) is not None]


def pluck(rows: Iterable[Mapping[str, Any]], column: str) -> list[Any]:
    """Values of a column, in the order of the rows."""
    return [row[column] for row in rows]


def unique(rows: Iterable[Mapping[str, Any]], column: str) -> list[Any]:
    """Different values of a column, in the order of their first rows."""
    return list(dict.fromkeys(pluck(rows, column)))


def by_name(rows: Iterable[Row], column: str = "quantizer") -> dict[str, Row]:
    """Value of a column -> the row that has it."""
    return {row[column]: row for row in rows}


def codes(names: Iterable[object]) -> list[str]:
    """Names as code spans."""
    return list(map(code, names))


def quantizers(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the rows' quantizers, as code spans."""
    return codes(pluck(rows, "quantizer"))
