from reports.document import markdown
from reports.document.blocks import Bullets, Code, Column, Facts, Grid, Page, Prose, Section, Table, TableCell
from reports.document.figure import Figure

TABLE = Table(
    name="name",
    caption="caption",
    columns=(Column("row", numeric=False), Column("n"), Column("mse ↓")),
    rows=(
        (TableCell("vq", "vq", tag="stand-in"), TableCell("3 of 3", 3), TableCell("0.1", 0.1, letter="a")),
        (TableCell("fsq", "fsq"), TableCell("failed", failed=True, span=2)),
    ),
    notes=("A note.",),
)


def test_every_kind_of_block():
    blocks = [
        Prose("Some `prose`."),
        Bullets(("one", "two", Bullets(("under two",)))),
        Facts((("name", "value"),)),
        Code("python -m bench\n--out x"),
        Grid({}),
        Figure(name="walk--lorenz", title="A *walk*", alt="alt", section="overview", svg="<svg/>"),
        TABLE,
    ]
    assert markdown.write(Page("Title", (Section("Above", (Section("Below", tuple(blocks)),)),))) == (
        "# Title\n\n## Above\n\n### Below\n\nSome `prose`.\n\n- one\n- two\n  - under two\n\n- name: value\n\n"
        "    python -m bench\n    --out x\n\nA \\*walk\\*: `figures/walk--lorenz.svg`\n\n"
        "| row | n | mse ↓ |\n| :-- | --: | --: |\n| vq (stand-in) | 3 of 3 | 0.1 a |\n| fsq | failed |  |\n\nA note.\n"
    )


def test_a_page_too_long_for_a_comment_leaves_its_details_out():
    def page(length):
        detail = Section("`vq`", (Prose("x" * length),), detail=True)
        return Page("Title", (Section("Kept", (Prose("kept"),)), Section("Rows", (detail,))))

    short, long = markdown.write(page(100)), markdown.write(page(70_000))
    assert "x" * 100 in short
    assert len(long) < markdown.LONGEST
    assert "## Kept\n\nkept" in long
    assert "Rows" not in long
    assert "Left out" in long.splitlines()[-1]
    assert "report.html: `vq`." in long.splitlines()[-1]
    assert "Left out" not in short


def test_sections_and_tables_without_anything_are_left_out():
    empty = Table(name="name", caption="caption", columns=(), rows=())
    assert markdown.text([Section("Empty", (empty,)), Section("None", ())]) == ""
