import pandas as pd
import pytest

from reports.document import markdown
from reports.pages.comparison import OTHER_DATA, Difference, page


def change(quantizer, outcome, metric="mse", difference=0.02, **more):
    row = {"dataset": "lorenz", "quantizer": quantizer, "metric": metric, "n": 3, "first": 0.1, "second": 0.12}
    row |= {"difference": difference, "p": 0.01, "p_holm": 0.0123, "outcome": outcome}
    return row | ({} if "low" in more else {"low": difference - 0.01, "high": difference + 0.01}) | more


def blank(quantizer, outcome, **more):
    return change(quantizer, outcome, low=None, high=None, p=None, p_holm=None, **more)


@pytest.fixture
def compared(make):
    def of(changes, differences=(), first=(), second=()):
        runs = make(folder="before", **dict(first)), make(folder="after", **dict(second))
        return markdown.write(page(*runs, pd.DataFrame(changes), differences))

    return of


def test_what_changed_is_told_in_a_sentence_and_in_its_cell(compared):
    text = compared(
        [
            change("vq", "worse"),
            change("fsq", "better", difference=-0.02, p_holm=0.0004),
            change("ksom", "not separable"),
            blank("som-vq", "identical", difference=0.0),
            blank("vq-vae", "untested", n=2),
            blank("none", OTHER_DATA, difference=None, n=0),
        ]
    )
    assert text.startswith("# quantizer-bench: after against before\n")
    assert "\n6 comparisons: 1 worse, 1 better, 1 not separable, 1 identical, 1 untested, 1 other data." in text
    assert (
        "**Worse**:\n\n- `mse` of `vq` on `lorenz`: 0.100 to 0.120 (difference 0.020 ± 0.010, n = 3, p = 0.012)" in text
    )
    assert "(difference -0.020 ± 0.010, n = 3, p < 0.001)" in text
    cells = dict(line.strip("| ").split(" | ")[::2] for line in text.splitlines() if line.count("|") == 4)
    assert cells["vq"] == "0.020 ± 0.010 **worse**"
    assert cells["fsq"] == "-0.020 ± 0.010 **better**"
    assert cells["ksom"] == "0.020 ± 0.010"
    assert cells["som-vq"] == "="
    assert cells["vq-vae"] == "0.0200"
    assert cells["none"] == "*other data*"


def test_what_differs_is_told_with_the_rows_it_holds_for(compared):
    actual = [
        Difference(what="parameters.decay", first="0.99", second="<b>", rows=("vq on lorenz",)),
        Difference(what="protocol.name", first="a", second="b", rows=()),
    ]
    text = compared([change("vq", "worse")], actual)
    assert "- `parameters.decay`: 0.99 against &lt;b&gt; (vq on lorenz)" in text
    assert "- `protocol.name`: a against b\n" in text
    assert "Nothing: the same rows, made in the same way." in compared([change("vq", "worse")])


def test_rows_of_one_run_alone_are_named(compared):
    text = compared([change("vq", "worse")], first={"names": ("vq", "fsq")}, second={"names": ("vq", "<i>")})
    assert "Only in the first: `fsq` on `lorenz`." in text
    assert "Only in the second: `<i>` on `lorenz`." in text


def test_a_stand_in_stays_marked(compared):
    text = compared([change("vq", "worse")], second={"real": False})
    assert "### lorenz (stand-in, synthetic: not the sky)" in text
    assert "| vq (stand-in) | 3 |" in text
