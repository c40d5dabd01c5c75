"""A figure of a report."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawing with what it says in words.

    Attributes:
        name: Of its file, without ending; unique in a run.
        title: One line of plain text.
        alt: Plain text made from the data: what a person who cannot see it should know; the drawing carries it, too.
        section: Where it belongs: "overview", "dataset:NAME" or "row:DATASET:ROW".
        svg: One `<svg>` element that needs nothing outside itself. What is black in it takes the colour of the text
            around it; families' colours are the CSS variables of `reports.figures.drawing.palette`, with a value for
            where nobody sets them.
    """

    name: str
    title: str
    alt: str
    section: str
    svg: str
