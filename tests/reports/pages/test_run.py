import re

import pandas as pd
import pytest

from reports.document import markdown
from reports.document.blocks import Grid, Section, walk
from reports.document.figure import Figure
from reports.pages.run import report

ORDER = [
    *("What was run", "What can be said", "Results", "Capacity", "Published figures beside ours", "Figures"),
    *("Row by row", "Data", "Protocol", "Environment", "Reproduce"),
]


@pytest.fixture
def page(make):
    """The report as markdown."""
    return lambda **options: markdown.write(report(make(**options)))


def table(text, title):
    """The first table under a heading from the results on."""
    under = text.split("## Results\n")[1].split(f"{title}\n")[1]
    return next(block for block in under.strip().split("\n\n") if block.startswith("|"))


def test_the_sections_stand_in_their_order(make):
    drawing = Figure(name="a", title="A", alt="a", section="overview", svg="<svg/>")
    titles = [block.title for block in report(make(), [drawing]).blocks]
    assert titles == ORDER
    assert [block.title for block in report(make(published_tables=())).blocks] == [
        title for title in ORDER if title not in ("Published figures beside ours", "Figures")
    ]


def test_an_interval_shows_as_many_digits_as_it_justifies(page):
    assert "| 0.1235 ± 0.0010 |" in page()


@pytest.mark.parametrize(("seeds", "claim"), [(1, True), (2, True), (3, False)])
def test_with_fewer_than_three_seeds_nothing_is_concluded(page, seeds, claim):
    assert ("nothing can be concluded" in page(seeds=seeds)) == claim


def test_what_was_run_is_told_first(page):
    text = page(statuses={"fsq": ["done", "failed", "timeout"]}, planned=8)
    opening = text.split("## What can be said")[0]
    assert "- Protocol: `quick`: a purpose" in opening
    assert "- Data: `lorenz` (real)" in opening
    assert "- Seeds: 3 (0, 1, 2)" in opening
    assert "- Cells: 4 of 8 done; 1 failed; 1 timeout; 2 not run" in opening
    assert "- Hardware: Abacus, 2 cores" in opening
    assert "- Folder: `quick`" in opening


def test_data_that_are_not_on_this_machine_are_not_called_real(page):
    assert "- Data: `lorenz` (not on this machine)" in page(status="unavailable")


def test_a_stand_in_is_marked_in_opening_titles_and_every_row(page):
    text = page(real=False)
    assert "`lorenz` (stand-in, generated)" in text
    assert "not the sky: compare no figure" in text
    assert "### lorenz (stand-in, synthetic: not the sky)" in text
    for title in ("### lorenz (stand-in, synthetic: not the sky)", "## Capacity"):
        head, _, *rows = table(text, title).splitlines()
        assert "quantizer" in head
        assert len(rows) == 2
        assert all("(stand-in)" in row for row in rows)
    assert "| metric | lorenz (stand-in) |" in text
    assert "stand-in" not in page()


def test_names_show_as_text(page):
    name = "<script>alert(1)</script>|`x`"
    text = page(names=(name, "vq"), folder=name)
    assert "<script>" not in re.sub("(`+) .*? \\1", "", text)
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\|\`x\`" in text
    assert f"- Folder: `` {name} ``" in text


def test_equal_rows_are_told_and_different_ones_are_not(page):
    assert "`vq`, `fsq` gave the same numbers" in page()
    assert "gave the same numbers" not in page(values={"fsq": 0.2})


def test_a_lattices_use_is_told(page):
    assert "`vq` (4 x 4) uses 50 % of its codes; `fsq` (4 x 4) uses 50 %" in page(levels=[4, 4])


def test_a_mean_over_fewer_seeds_says_so(page):
    assert "| 50.0 (n = 2)" in page()


def test_the_title_says_when_it_is_not_the_papers_protocol(page):
    assert page().startswith("# quantizer-bench: protocol quick (not the paper's)")


def test_a_run_without_any_result_is_still_a_page(page):
    text = page(status="failed")
    assert "- Cells: 0 of 6 done; 6 failed" in text
    assert "| vq | 0 of 3 (failed) |" in text


def test_a_row_without_a_result_stands_in_its_table_with_its_cause(page):
    text = page(
        statuses={"fsq": ["timeout", "diverged", "timeout"], "vq": ["done", "unavailable", "done"]},
        failures=[{"quantizer": "fsq", "dataset": "lorenz", "seed": 0, "status": "timeout", "cause": "<b> 20 s"}],
    )
    rows = table(text, "### lorenz").splitlines()
    assert rows[2] == "| vq | 2 of 3 (unavailable) | 0.1235 ± 0.0010 | 50.0 |"
    assert rows[3] == "| fsq | 0 of 3 | timeout, diverged |  |"
    assert "| fsq | lorenz | 0 | timeout | &lt;b&gt; 20 s |" in text


def test_rankings_reach_the_verdict_and_the_letters(page, ranked):
    text = page(rankings=ranked(vq="best", fsq="behind"))
    assert "Behind it: `fsq` by 0.01" in text
    rows = table(text, "### lorenz").splitlines()
    assert rows[2].startswith("| vq | 3 of 3 | 0.1235 ± 0.0010 a |")
    assert rows[3].startswith("| fsq | 3 of 3 | 0.1235 ± 0.0010 b |")
    assert "rows that share **b** were not compared with each other" in text
    assert "**b**" not in page()


def test_grid_metrics_stand_beside_those_of_shuffled_grids(page):
    line = {"dataset": "lorenz", "quantizer": "som-vq", "metric": "topographic_error", "n": 3}
    line |= {"value": 0.02, "null": 0.8, "low": 0.75, "high": 0.85, "p": 0.05}
    text = page(nulls=pd.DataFrame([line]))
    assert "**Shuffled grids**" in text
    assert "| 0.0200 |" in text
    assert "| 0.750 to 0.850 |" in text
    assert "Shuffled grids" not in page()


def test_a_suite_chooses_the_columns_and_the_title(page):
    text = page(columns=("active",), title="suite ema, protocol quick")
    assert text.startswith("# quantizer-bench: suite ema, protocol quick (not the paper's)")
    assert table(text, "### lorenz").splitlines()[0] == "| quantizer | n | active |"


def test_every_row_has_its_parameters_metrics_figures_and_grid(make):
    drawings = [
        Figure(name="walk", title="Walk", alt="a walk", section="row:lorenz:fsq", svg="<svg/>"),
        Figure(name="curves", title="Curves", alt="curves", section="dataset:lorenz", svg="<svg/>"),
    ]
    page = report(make(), drawings, [{"dataset": "lorenz", "row": "fsq"}])
    sections = {block.title: block for block in walk(page.blocks) if isinstance(block, Section)}
    inside = list(walk(sections["`fsq`"].blocks))
    assert drawings[0] in inside
    assert Grid({"dataset": "lorenz", "row": "fsq"}) in inside
    assert drawings[1] in walk(sections["Figures"].blocks)
    text = markdown.text([sections["`vq`"]])
    assert "Walk" not in text
    assert "- decay: 0.99" in text
    assert "| mse ↓ | 0.1235 ± 0.0010 |" in text


def test_protocol_data_environment_and_command_close_the_page(page):
    text = page()
    assert "- schedule.epochs: 24" in text.split("## Protocol")[1]
    assert "- sequences: 80\n- dt: 0.01" in text.split("## Data")[1]
    assert "- packages.torch: 2" in text.split("## Environment")[1]
    assert text.endswith("## Reproduce\n\n    python -m bench run\n")


def test_the_spread_over_seeds_is_told_apart_by_its_source(page):
    measured = {"dataset": "lorenz", "metric": "mse", "data": 0.62, "training": 0.21, "rest": 0.17}
    text = page(spread=pd.DataFrame([measured, measured | {"metric": "bits", "training": None, "rest": 0.38}]))
    (line,) = (line for line in text.splitlines() if line.startswith("**Spread"))
    first, second = line.split("; ")
    assert first == (
        "**Spread over seeds** on `lorenz`: of `mse` 62 % is the draw of the data, 21 % training seed and reader and "
        "17 % the reaction of a row to the data"
    )
    assert second == (
        "of `bits` 62 % is the draw of the data and 38 % training seed, reader and the reaction of a row to the data."
    )
