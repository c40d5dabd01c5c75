"""A figure of a report."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawing with its content in words.

    Attributes:
        name: Name of its file without the ending; unique in a run.
        title: Title, one line of plain text.
        alt: Description for a person who cannot see the drawing, plain text made from the data. The drawing carries
            it, too.
        section: Place in the report: "overview", "dataset:NAME" or "row:DATASET:ROW".
        svg: One `<svg>` element that needs nothing outside itself. What is black in it takes the colour of the text
            around it; families' colours are the CSS variables of `reports.figures.drawing.palette`, with a value for
            where nobody sets them.
    """

    name: str
    title: str
    alt: str
    section: str
    svg: str
