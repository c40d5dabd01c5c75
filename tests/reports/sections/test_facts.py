from reports.sections import facts


def test_rows_of_another_size_are_named():
    sizes = [{"quantizer": name, "built": True, "mismatch": mismatch} for name, mismatch in (("vq", 0.0), ("big", 0.9))]
    assert facts.unmatched(sizes) == " Of another size, and not ranked: `big`."
    assert facts.unmatched(sizes[:1]) == ""


def test_what_cannot_be_built_has_no_capacity():
    rows = [{"quantizer": "odd", "dataset": "lorenz", "built": False, "mismatch": 0.0}]
    _, table = facts.capacity(rows, {"capacity": "published"}, {})
    cells = table.rows[0]
    assert [cell.text for cell in cells if cell.text] == ["odd", "lorenz", "cannot be built"]
    assert all(cell.failed for cell in cells[2:])


def test_values_within_values_are_told_under_both_names():
    assert facts.values({"a": {"b": {"c": 0.1234567}}, "<d>": True}).pairs == (
        ("a.b.c", "0.12346"),
        ("&lt;d&gt;", "True"),
    )
