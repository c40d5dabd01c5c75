from reports.document.blocks import Prose, Section, TableCell, table_of, walk


def test_a_column_with_a_number_to_sort_by_is_numeric():
    table = table_of("t", "T", [{"row": "vq", "n": TableCell("3 of 3", 3), "x": ""}, {"row": "", "n": "", "x": ""}])
    assert [(column.title, column.numeric) for column in table.columns] == [("row", False), ("n", True), ("x", False)]
    assert table.rows[0] == (TableCell("vq", "vq"), TableCell("3 of 3", 3), TableCell("", None))
    assert table_of("t", "T", []).columns == ()


def test_walking_meets_every_block():
    inner = Prose("b")
    section = Section("s", (inner,))
    assert list(walk([Prose("a"), section])) == [Prose("a"), section, inner]
