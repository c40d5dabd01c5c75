import re
import shutil
import subprocess

import pytest

from reports.document import latex
from reports.document.blocks import Column, Page, Prose, Section, Table, TableCell
from reports.document.text import code, escape
from reports.pages.run import report

NASTY = "<script>alert(1)</script> \\input{x} 100% & a_b #1 $x$ ^ ~ {y} | \"q\" `r` 'é' 中 ±"


def wide(columns, rows=(("vq", 1.0), ("fsq", 2.0))):
    heads = (Column("quantizer", numeric=False), *(Column(f"m{index}") for index in range(columns)))
    body = tuple(
        (TableCell(name, name), *(TableCell(f"{value} ± 0.1", value, "a") for _ in range(columns)))
        for name, value in rows
    )
    return Table(name="wide", caption="A caption", columns=heads, rows=body)


def test_a_wide_table_is_set_in_parts_that_repeat_the_names():
    text = latex.write(wide(7))
    assert text.count("\\begin{tabular}") == 2
    assert re.findall(r"^quantizer & (.*) \\\\$", text, re.M) == ["m0 & m1 & m2 & m3", "m4 & m5 & m6"]
    assert text.count(r"1.0 $\pm$ 0.1\textsuperscript{a}") == 7
    assert latex.write(wide(4)).count("\\begin{tabular}") == 1


def test_a_cell_across_columns_stands_in_every_part_of_them():
    row = (TableCell("hangs"), TableCell("timeout", failed=True, span=7))
    table = wide(7)
    text = latex.write(Table(name="t", caption="T", columns=table.columns, rows=(row,)))
    assert r"hangs & \multicolumn{4}{l}{timeout} \\" in text
    assert r"hangs & \multicolumn{3}{l}{timeout} \\" in text


def test_signs_with_a_meaning_are_escaped():
    table = Table(
        name="t",
        caption=escape(NASTY),
        columns=(Column(code("a_b"), numeric=False),),
        rows=((TableCell(escape(NASTY), tag="50 %"),),),
    )
    text = latex.write(table)
    assert r"\textless{}script\textgreater{}alert(1)" in text
    assert r"\textbackslash{}input\{x\} 100\% \& a\_b \#1 \$x\$" in text
    assert "[U+4E2D]" in text
    assert r"\texttt{a\_b}" in text
    assert r"(50 \%)" in text


def test_every_named_table_of_a_page_has_its_file():
    named, unnamed = wide(1), Table(name="", caption="c", columns=wide(1).columns, rows=wide(1).rows)
    page = Page(
        "p", (Section("s", (named, unnamed, Prose("x"), Table(name="empty", caption="c", columns=(), rows=()))),)
    )
    assert list(latex.tables(page)) == ["wide.tex"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")
def test_all_tables_of_a_report_compile_with_booktabs_alone(make, ranked, tmp_path):
    rows = ("vq", NASTY)
    run = make(names=rows, real=False, rankings=ranked(**{"vq": "best", NASTY: "behind"}))
    files = latex.tables(report(run))
    body = "".join(files.values()) + latex.write(wide(12))
    (tmp_path / "all.tex").write_text(
        f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}{body}\\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]
    assert len(files) >= 4
