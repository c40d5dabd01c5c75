import pandas as pd
import pytest

from reports.document import markdown
from reports.sections.verdict import verdict

QUANTITIES = {"mse": 0.1, "active": 50.0, "topographic_error": None, "bits_per_frame": 0.5, "explained": 0.9}


def line(quantizer, role="family", dataset="lorenz", n=5, **values):
    row = {"quantizer": quantizer, "dataset": dataset, "role": role, "cells": n, "done": n}
    for name, value in (QUANTITIES | values).items():
        blank = value is None
        row |= {name: value, f"{name}_std": None if blank else value / 10, f"{name}_n": 0 if blank else n}
        row[f"{name}_high"] = None if blank or n < 2 else value * 1.1
    return row


def place(quantizer, standing, metric="mse", best="vq", n=5, **more):
    row = {"dataset": "lorenz", "metric": metric, "quantizer": quantizer, "n": n, "mean": 0.1, "best": best}
    row |= {
        "difference": 0.02,
        "low": 0.01,
        "high": 0.03,
        "p": 0.001,
        "p_adjusted": 0.0124,
        "seeds_needed": 12.0,
        "standing": standing,
    }
    return row | more


def claim(against, outcome, metric="seq_ppl_17", quantizer="som-vq:paper", name="paper order", **more):
    row = {"dataset": "lorenz", "claim": name, "metric": metric, "quantizer": quantizer, "against": against, "n": 5}
    row |= {"difference": -60.0, "low": -70.0, "high": -50.0, "p": 0.01, "p_holm": 0.0004, "outcome": outcome}
    return row | more


def gain(quantizer, *outcomes):
    bars = zip(("0", "vector_gain", "vq+sorted"), outcomes, strict=False)
    return [claim(bar, outcome, "topology_gain", quantizer, "topology_gain") for bar, outcome in bars]


def said(summary, rankings=(), claims=(), seeds=5, stand_ins=(), protocol="paper", status="done"):
    cells = [
        {"quantizer": row["quantizer"], "dataset": row["dataset"], "seed": seed, "status": status}
        for row in summary
        for seed in range(seeds)
    ]
    frames = [pd.DataFrame(list(rows)) for rows in (cells, summary, rankings, claims)]
    return markdown.text(verdict(*frames, dict(stand_ins), {"name": protocol}), level=3)


def about(text, title):
    return next((line for line in text.splitlines() if line.startswith(f"- **{title}")), "")


def test_the_best_alone():
    text = said([line("vq"), line("fsq", mse=0.12)], [place("vq", "best", n=5), place("fsq", "behind")])
    assert about(text, "Reconstruction") == (
        "- **Reconstruction** (`mse`, lower is better, n = 5): `vq` (0.100 ± 0.010) is best. "
        "Behind it: `fsq` by 0.020 (0.010 to 0.030, p = 0.012)."
    )


def test_all_standings():
    standings = {"vq": "best", "a": "undecided", "b": "equivalent", "c": "identical", "d": "behind", "e": "untested"}
    text = said([line(name) for name in standings], [place(*item) for item in standings.items()])
    sentence = about(text, "Reconstruction")
    assert "`vq` (0.100 ± 0.010) has the best mean." in sentence
    assert "Equivalent to it: `b` (0.100 ± 0.010). Undecided: `a` (0.100 ± 0.010), 12 seeds would decide." in sentence
    assert "The same on every seed: `c`. Behind it: `d` by" in sentence
    assert sentence.endswith("Not tested against it: `e`.")


def test_a_single_row_with_a_value_is_compared_with_nothing():
    rankings = [place("vq", "best"), place("a", "undecided"), place("a", "untested", "grid_trust") | {"best": None}]
    sentence = about(said([line("vq"), line("a", grid_trust=0.9)], rankings), "Topology, neighbourhoods")
    assert sentence.endswith("only `a` (0.900 ± 0.090) can be ranked.")


def test_the_curve_is_no_finding():
    rankings = [place("vq", "best", "rate_excess"), place("a", "behind", "rate_excess")]
    text = said([line("vq", rate_excess=0.0), line("a", rate_excess=0.1)], rankings)
    assert about(text, "Learnability against").endswith("`vq` is the curve itself: 0 by construction.")


def test_a_metric_that_could_not_be_tested_says_so():
    rankings = [place("vq", "best"), place("a", "undecided")]
    rankings += [place(name, s, "bits_per_frame") for name, s in (("vq", "best"), ("a", "untested"))]
    sentence = about(said([line("vq"), line("a")], rankings), "Learnability at convergence")
    assert sentence.endswith("no comparison could be tested, so nothing can be concluded.")


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_conclude_nothing(seeds):
    rows = [line("vq", n=seeds), line("a", n=seeds)]
    text = said(rows, [place("vq", "best", n=seeds), place("a", "untested", n=seeds)], seeds=seeds)
    assert text == f"### lorenz\n\n**n = {seeds}: with fewer than 3 seeds nothing can be concluded.**"


def test_no_finished_cell_concludes_nothing():
    assert "n = 0: with fewer than 3 seeds nothing can be concluded" in said([line("vq")], status="failed")


def test_nothing_tested_concludes_nothing():
    text = said([line("vq"), line("a")], [place("vq", "best"), place("a", "untested")], [claim("vq", "untested")])
    assert text.endswith("**No comparison could be tested (n = 5): nothing can be concluded.**")


def test_without_rankings_metrics_are_told_as_facts():
    text = said([line("vq"), line("a", mse=0.2)])
    assert about(text, "Reconstruction").endswith("not ranked, n = 5): from `vq` 0.100 ± 0.010 to `a` 0.200 ± 0.020.")
    assert "best" not in text.split("###")[1]


def test_codebook_use_is_a_fact():
    rows = [line("vq", active=90.0), line("fsq", active=28.0), line("none", "reference", active=1.0)]
    assert about(said(rows), "Codebook use") == (
        "- **Codebook use** (`active`, a fact, no score, n = 5): from `fsq` 28.0 ± 2.8 to `vq` 90.0 ± 9.0."
    )


def test_without_positions_topology_is_left_out():
    assert "Topology" not in said([line("vq"), line("a")])


def test_a_lattices_error_is_no_finding():
    rows = [line("fsq", topographic_error=0.0), line("ksom", topographic_error=0.1)]
    ranks = [place("fsq", "best", "topographic_error", "fsq"), place("ksom", "behind", "topographic_error", "fsq")]
    sentence = about(said(rows, ranks), "Topology, frames")
    assert "`fsq` (0 ± 0) has the best mean." in sentence
    assert sentence.endswith("exactly 0 on every seed (`fsq`) is what a lattice has by construction: no finding.")


def test_the_pareto_set():
    rows = [
        line("cheap", bits_per_frame=0.3, explained=0.8),
        line("good", bits_per_frame=0.5, explained=0.95),
        line("twin", bits_per_frame=0.5, explained=0.95),
        line("worse", bits_per_frame=0.6, explained=0.9),
        line("vq@64", "curve", bits_per_frame=0.6, explained=0.7),
        line("none", "reference", bits_per_frame=0.1, explained=1.0),
    ]
    sentence = about(said(rows), "Bits against quality")
    assert "of 5 rows" in sentence
    assert sentence.split("better than ")[1] == (
        "`cheap` (0.300 ± 0.030; 0.800 ± 0.080), `good` (0.500 ± 0.050; 0.950 ± 0.095) and "
        "`twin` (0.500 ± 0.050; 0.950 ± 0.095)."
    )


def test_a_reader_worse_than_a_trigram_is_a_caution():
    rows = [line("vq", ngram_bits=0.4), line("a", ngram_bits=0.6), line("b", ngram_bits=None)]
    sentence = about(said(rows), "Caution")
    assert "on `vq` (0.400 against 0.500, n = 5). There the reader is not trained well enough" in sentence
    assert "Caution" not in said([line("a", ngram_bits=0.6)])


@pytest.mark.parametrize(
    ("outcomes", "verb"),
    [
        (["below", "below"], "holds."),
        (["below", "above"], "holds in part."),
        (["below", "untested"], "holds in part."),
        (["not separable", "identical"], "is not shown."),
        (["not separable", "above"], "does not hold."),
    ],
)
def test_the_papers_order(outcomes, verb):
    claims = [claim(against, outcome) for against, outcome in zip(("vq", "som-hard"), outcomes, strict=True)]
    text = said([line("vq"), line("som-vq:paper", "published")], claims=claims)
    assert f"(`seq_ppl_17`), `som-vq:paper` (n = 5): the order {verb} It is" in text


def test_the_papers_order_names_differences_and_codes_in_use():
    rows = [line("vq", active=96.0), line("som-vq:paper", "published", active=70.0)]
    claims = [claim("vq", "below"), claim("vq-vae", "untested"), claim("vq", "above", "bits_per_frame")]
    text = said(rows, claims=claims)
    assert "easier than `vq` (-60, -70 to -50, p < 0.001); not tested against `vq-vae`" in text
    assert "in use are `som-vq:paper` 70.0 ± 7.0 % and `vq` 96.0 ± 9.6 %." in text
    assert (
        "At convergence (`bits_per_frame`), `som-vq:paper` (n = 5): the order does not hold. It is harder than" in text
    )
    assert text.count("in use are") == 1


def test_an_untested_order_says_only_that():
    text = said([line("vq"), line("a")], [place("vq", "best"), place("a", "undecided")], [claim("vq", "untested")])
    assert "`som-vq:paper` could not be tested (n = 5)." in text
    assert "easier than" not in text


def test_topology_gain_needs_all_three():
    claims = gain("ksom", "above", "above", "above") + gain("som-vq", "above", "not separable", "below")
    claims += gain("plain", "above", "identical") + gain("odd", "above", "above", "untested")
    text = said([line("ksom"), line("som-vq")], claims=claims)
    head = about(text, "What the grid is worth")
    assert "`ksom` is above all three. Not tested against all three: `plain` and `odd`." in head
    assert "`som-vq` (n = 5): above 0 (-60, -70 to -50, p < 0.001); not separable from `vector_gain` (" in text
    assert "below the sorted control `vq+sorted` (" in text
    assert "identical to `vector_gain`." in text
    assert "not tested against the sorted control `vq+sorted`." in text


def test_no_family_gains():
    text = said([line("ksom")], claims=gain("ksom", "above", "below", "not separable"))
    assert "No family is above all three." in text


def test_stand_ins_and_other_protocols_are_named():
    text = said([line("vq")], stand_ins={"lorenz": "AIST++"}, protocol="quick")
    assert "Stand-in data: `lorenz` is generated and not AIST++; what follows holds for the stand-in only." in text
    assert "Protocol `quick`: not the paper's sizes." in text
    assert "Stand-in" not in said([line("vq")])


def test_names_show_as_text():
    name = "<b>|`x`*"
    rows = [line(name), line("vq")]
    text = said(rows, [place(name, "best", best=name), place("vq", "behind", best=name)], gain(name, "above"))
    spans = text.count("`` <b>|`x`* ``")
    assert spans == text.count("<b>") > 2


def test_datasets_are_told_apart_and_frames_may_be_absent():
    rows = [line("vq"), line("vq", dataset="<i>")]
    cells = pd.DataFrame(
        [{"dataset": row["dataset"], "seed": seed, "status": "done"} for row in rows for seed in (0, 1)]
    )
    text = markdown.text(verdict(cells, pd.DataFrame(rows), None, None, {}, {"name": "paper"}), level=3)
    assert text.count("nothing can be concluded") == 2
    assert "### &lt;i&gt;" in text
