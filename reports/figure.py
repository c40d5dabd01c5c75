"""A figure of a report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A drawing with what it says in words.

    Attributes:
        name: Of its file, without ending.
        title: One line of plain text.
        alt: What is to be seen in it, for those who cannot; the drawing carries it, too.
        section: Where it belongs: "overview", "dataset:NAME" or "row:DATASET:ROW".
        svg: One `<svg>` element that can stand in a page and takes its colours from the page's variables.
    """

    name: str
    title: str
    alt: str
    section: str
    svg: str
