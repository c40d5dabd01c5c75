import pandas as pd

from reports.document import markdown
from reports.sections.costs import where_the_time_goes

COLUMNS = ["quantizer", "dataset", "seed", "kind", "part", "seconds"]


def table(rows):
    return pd.DataFrame(rows, columns=COLUMNS)


ROWS = table(
    [
        ("vq", "lorenz", 0, "phase", "start-up", 2.0),
        ("vq", "lorenz", 0, "phase", "train", 30.0),
        ("vq", "lorenz", 0, "reader", "seq_ppl", 40.0),
        ("vq", "lorenz", 0, "metric", "mse", 1.0),
        ("ksom", "aist", 0, "phase", "start-up", 2.0),
        ("ksom", "aist", 0, "phase", "train", 50.0),
        ("ksom", "aist", 0, "reader", "seq_ppl", 60.0),
        ("ksom", "aist", 0, "metric", "mse", 15.0),
    ]
)


def told(rows, eager=()):
    return markdown.text(where_the_time_goes(rows, eager))


def line(text, name):
    (actual,) = [row for row in text.splitlines() if row.startswith(f"| {name} ")]
    return [cell.strip() for cell in actual.strip("|").split("|")]


def test_shares_add_up_and_means_are_a_cell():
    text = told(ROWS)
    assert "2 cells took 200 s." in text
    assert line(text, "start-up")[2:] == ["4.00", "2.0%", "2.00"]
    assert line(text, "train")[2:] == ["80.0", "40.0%", "40.0"]
    assert line(text, "metrics that train readers")[2:] == ["100", "50.0%", "50.0"]
    assert line(text, "other metrics")[2:] == ["16.0", "8.0%", "8.00"]
    assert line(text, "data")[2:] == ["0", "0.0%", "0"]


def test_metrics_come_dearest_first_with_the_row_that_paid_most():
    text = told(ROWS)
    assert line(text, "`seq_ppl`") == ["`seq_ppl`", "100", "50.0%", "50.0", "60.0 (`ksom`, aist)"]
    assert text.index("| `seq_ppl`") < text.index("| `mse`")


def test_what_was_not_replayed_is_told_and_names_are_escaped():
    rows = ROWS.replace("ksom", "<b>*x*")
    text = told(rows, [{"quantizer": "<b>*x*", "dataset": "aist", "reason": "it `waits`"}])
    assert "`<b>*x*` on aist: its steps were not replayed as CUDA graphs: it \\`waits\\`" in text


def test_nothing_done_nothing_told():
    assert told(table([])) == ""
