"""LaTeX writer: tables of a page, which need the package booktabs and nothing else."""

import itertools
import re
from collections.abc import Iterator, Sequence

from reports.document.blocks import Page, Table, TableCell, walk
from reports.document.inline import tokens

WIDEST = 4  # columns side by side, names of rows apart: what a page holds
_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': "''",
    "±": r"$\pm$",
    "→": r"$\to$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "★": r"$\star$",
    "☆": r"$\circ$",
    "≈": r"$\approx$",
    "▼": r"$\bigtriangledown$",
    "†": r"\dag{}",
}
_MARKS = {"strong_open": r"\textbf{", "em_open": r"\emph{", "strong_close": "}", "em_close": "}"}
_UNKNOWN = re.compile("[^ -~À-ÏÑ-ÖØ-Ýß-ïñ-öø-ýÿ]")  # beyond what pdflatex sets without further packages


def tables(page: Page) -> dict[str, str]:
    """File name -> LaTeX, for every named table of a page."""
    files = {}
    for block in walk(page.blocks):
        if isinstance(block, Table) and block.name and block.rows:
            files[f"{block.name}.tex"] = write(block)
    return files


def write(table: Table) -> str:
    """Write a `table` environment; a table that is wider than a page is set in parts, one above the other."""
    names = list(itertools.takewhile(lambda index: not table.columns[index].numeric, range(len(table.columns))))
    others = range(len(names), len(table.columns))
    parts = [_part(table, names, list(others[at : at + WIDEST])) for at in range(0, max(len(others), 1), WIDEST)]
    lines = [
        "% Needs \\usepackage{booktabs}.",
        "\\begin{table}",
        "\\centering\\footnotesize",
        f"\\caption{{{_text(table.caption)}}}",
        f"\\label{{tab:{table.name}}}",
        "\n\\par\\medskip\n".join(parts),
        *(f"\\par\\medskip\\raggedright {_text(note)}" for note in table.notes),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _part(table: Table, names: list[int], others: list[int]) -> str:
    shown = [*names, *others]
    kinds = "".join("r" if table.columns[index].numeric else "l" for index in shown)
    lines = [
        f"\\begin{{tabular}}{{@{{}}{kinds}@{{}}}}",
        "\\toprule",
        " & ".join(_text(table.columns[index].title) for index in shown) + " \\\\",
        "\\midrule",
        *(" & ".join(_cells(row, shown)) + " \\\\" for row in table.rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines)


def _cells(row: Sequence[TableCell], shown: Sequence[int]) -> Iterator[str]:
    """Cells in the shown columns; one that fills several columns stands once over those of them."""
    filled: list[tuple[int, TableCell]] = []
    for number, cell in enumerate(row):
        filled += [(number, cell)] * cell.span
    for (_, cell), group in itertools.groupby(map(filled.__getitem__, shown)):
        yield f"\\multicolumn{{{len(list(group))}}}{{l}}{{{_cell(cell)}}}" if cell.span > 1 else _cell(cell)


def _cell(cell: TableCell) -> str:
    letter = f"\\textsuperscript{{{_plain(cell.letter)}}}" if cell.letter else ""
    return _text(cell.text) + (f" ({_text(cell.tag)})" if cell.tag else "") + letter


def _text(inline: str) -> str:
    parts = []
    for token in tokens(inline):
        text = _plain(token.content)
        parts.append(f"\\texttt{{{text}}}" if token.type == "code_inline" else _MARKS.get(token.type, text))
    return "".join(parts)


def _plain(text: str) -> str:
    return "".join(map(_sign, text))


def _sign(sign: str) -> str:
    if sign in _SIGNS:
        return _SIGNS[sign]
    return f"[U+{ord(sign):04X}]" if _UNKNOWN.match(sign) else sign
