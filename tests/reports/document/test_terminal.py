from reports.document import terminal
from reports.document.blocks import Bullets, Code, Column, Prose, Section, Table, TableCell

TABLE = Table(
    name="t",
    caption="Caption",
    columns=(Column("quantizer", numeric=False), Column("topology\\_gain")),
    rows=((TableCell("som-vq"), TableCell("★ 0.19")), (TableCell("vq"), TableCell(""))),
)


def test_blocks_are_plain_text():
    text = terminal.write([Section("`lorenz`", (Prose("**Bold** and `code`."), TABLE, Code("python")))])
    assert text.splitlines() == [
        "lorenz",
        "",
        "Bold and code.",
        "",
        "quantizer    topology_gain",
        "-----------  ---------------",
        "som-vq       ★ 0.19",
        "vq",
    ]


def test_lists_are_wrapped_and_indented():
    text = terminal.write([Bullets(("word " * 30, Bullets(("inner",))))])
    first, second, inner = text.splitlines()
    assert first.startswith("- word") and len(first) <= terminal.WIDTH
    assert second.startswith("  word")
    assert inner == "  - inner"
