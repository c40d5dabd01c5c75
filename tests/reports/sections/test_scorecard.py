import pandas as pd
import pytest

from reports.document import markdown
from reports.document.blocks import Bullets, Section, Table
from reports.sections.scorecard import QUESTIONS, scorecards

PAPER = {"name": "paper"}


def place(quantizer, standing, metric="mse", best="vq", mean=0.1, **more):
    row = {"dataset": "lorenz", "metric": metric, "quantizer": quantizer, "n": 5, "mean": mean, "best": best}
    row |= {"difference": 0.054, "low": 0.038, "high": 0.07, "seeds_needed": None, "primary": metric == "mse"}
    return row | {"standing": standing} | more


def cards(*rankings, stand_ins=(), protocol=PAPER, seeds=5):
    names = dict.fromkeys(row["quantizer"] for row in rankings)
    cells = [
        {"quantizer": name, "dataset": "lorenz", "seed": seed, "status": "done"}
        for name in names
        for seed in range(seeds)
    ]
    return scorecards(pd.DataFrame(cells), pd.DataFrame(list(rankings)), dict(stand_ins), protocol)


def parts(blocks):
    (section,) = (block for block in blocks if isinstance(block, Section))
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    (bullets,) = (block for block in section.blocks if isinstance(block, Bullets))
    return table, bullets.items


def cells(table, column):
    index = [head.title.replace("\\", "").split(" ")[0] for head in table.columns].index(column)
    return {row[0].text: (row[index].text, row[index].kind) for row in table.rows}


def test_every_standing_has_a_sign_and_a_colour():
    table, _ = parts(
        cards(
            place("vq", "best"),
            place("a", "behind"),
            place("b", "equivalent"),
            place("c", "identical"),
            place("d", "undecided", seeds_needed=9.0),
            place("e", "undecided"),
            place("f", "untested"),
        )
    )
    assert cells(table, "mse") == {
        "vq": ("★ 0.100", "good"),
        "a": ("▼ +54 % (38 to 70)", "bad"),
        "b": ("≈", "good"),
        "c": ("=", "good"),
        "d": ("? needs 9 seeds", "open"),
        "e": ("? needs more than 1,000 seeds", "open"),
        "f": ("", ""),
    }


def test_advice_names_what_to_take_and_what_it_costs():
    _, sentences = parts(
        cards(
            place("vq", "best"),
            place("som-vq", "behind"),
            place("vq", "behind", "topographic_error", "som-vq", difference=0.05, low=0.01, high=0.12),
            place("som-vq", "best", "topographic_error", "som-vq"),
        )
    )
    assert sentences[0] == (
        "**For reconstruction** take `vq`; the closest row shown to be worse, `som-vq`, has 54 % more error (`mse`), "
        "38 to 70. "
        "`vq` costs 5.0 points more of the frames out of order (`topographic_error`), 1.0 to 12.0."
    )
    assert sentences[1].startswith(
        "**For a map to navigate** take `som-vq`; the closest row shown to be worse, `vq`, has 5.0 points"
    )
    assert sentences[1].endswith("`som-vq` costs 54 % more error (`mse`), 38 to 70.")


def test_equivalent_rows_are_taken_together():
    _, (sentence,) = parts(cards(place("vq", "equivalent"), place("b", "equivalent")))
    assert sentence == "**For reconstruction** take `vq` and `b`, which do not differ by more than matters."


def test_where_nothing_is_decided_the_page_says_so():
    table, (sentence,) = parts(
        cards(
            place("vq", "undecided"),
            place("b", "undecided", seeds_needed=7.0),
            place("c", "undecided", seeds_needed=9.0),
        )
    )
    assert cells(table, "mse")["vq"] == ("☆ 0.100", "open")
    assert sentence == (
        "**For reconstruction** nothing is decided: `vq` has the best mean, and `b` and `c` are undecided, "
        "7 to 9 seeds would decide."
    )


def test_a_smaller_gain_is_less():
    table, _ = parts(
        cards(place("vq", "best", "topology_gain"), place("b", "behind", "topology_gain"), place("vq", "best"))
    )
    assert cells(table, "topology_gain")["b"][0] == "▼ 0.05 bits less (0.04 to 0.07)"


def test_exploratory_columns_are_marked():
    table, _ = parts(cards(place("vq", "best"), place("b", "behind"), place("b", "behind", "train_seconds", "b")))
    assert [head.title for head in table.columns] == ["quantizer", "mse", "train\\_seconds †"]


def test_stand_ins_and_small_protocols_are_named():
    rows = (place("vq", "best"), place("b", "behind"))
    text = markdown.text(cards(*rows, stand_ins={"lorenz": "AIST++"}, protocol={"name": "quick"}))
    assert "Protocol `quick`, 5 seeds. These are not the sizes of the papers" in text
    assert "the advice holds for the stand-in only" in text
    assert "sizes of the papers" not in markdown.text(cards(*rows))


@pytest.mark.parametrize(
    "rankings", [None, pd.DataFrame(), pd.DataFrame([place("vq", "best"), place("b", "untested")])]
)
def test_without_a_test_there_is_no_scorecard(rankings):
    table = pd.DataFrame([{"quantizer": "vq", "dataset": "lorenz", "seed": 0, "status": "done"}])
    assert scorecards(table, rankings, {}, PAPER) == []


def test_at_most_eight_sentences_per_dataset():
    assert 2 * sum(question.advised for question in QUESTIONS) <= 8
