import re

import pandas as pd
import pytest

from reports import markdown

METRICS = [
    {"name": "mse", "direction": "lower", "target": None, "summary": "error", "needs": []},
    {"name": "active", "direction": "none", "target": None, "summary": "use", "needs": []},
]


NONE = pd.DataFrame()
NO_NULLS = pd.DataFrame(columns=["dataset"])


def page(names=("vq", "fsq"), seeds=3, status="done", real=True, levels=None, values=None, **more):
    rows = [
        {
            "quantizer": name,
            "dataset": "lorenz",
            "real": real,
            "seed": seed,
            "status": status,
            "mse": (values or {}).get(name, 0.1) + 0.01 * seed,
            "active": 50.0,
        }
        for name in names
        for seed in range(seeds)
    ]
    summary = [
        {"quantizer": name, "dataset": "lorenz", "real": real, "cells": seeds, "done": seeds, "mse": 0.1234567}
        | {"mse_high": 0.1244567, "mse_n": seeds, "active": 50.0, "active_high": None, "active_n": seeds - 1}
        for name in names
    ]
    capacities = [
        {"quantizer": name, "dataset": "lorenz", "codebook_size": 16, "bits_per_token": 4.0, "hidden": 128}
        | {"network_parameters": 4368, "mismatch": 0.0, "codebook_values": 128, "frames_seen": 6912, "levels": levels}
        | {"built": True, "trials": 40}
        for name in names
    ]
    return markdown.report(
        table=pd.DataFrame(rows),
        summary=pd.DataFrame(summary),
        capacities=capacities,
        metrics=METRICS,
        protocol={"name": "quick", "purpose": "a purpose", "capacity": "matched"},
        parameters=[{"name": name, "parameters": {"decay": 0.99}} for name in names],
        stand_ins={} if real else {"lorenz": "the sky"},
        failures=[],
        planned=len(rows),
        notes={"lorenz": {"dt": 0.01}},
        units={"lorenz": "cm"},
        environments=[{"python": "3.11", "packages": {"torch": "2"}}],
        made="6 cells",
        command="python -m bench run",
        **({"rankings": NONE, "claims": NONE, "nulls": NO_NULLS, "published_tables": ["main"]} | more),
    )


def test_an_interval_shows_as_many_digits_as_it_justifies():
    assert "| 0.1235 ± 0.0010 |" in page()


@pytest.mark.parametrize(("seeds", "claim"), [(1, True), (2, True), (3, False)])
def test_with_fewer_than_three_seeds_nothing_is_concluded(seeds, claim):
    assert ("nothing can be concluded" in page(seeds=seeds)) == claim


def test_what_a_rows_parameters_cost_stands_beside_its_capacity():
    head, _, *rows = [
        line for line in page().splitlines() if "frames seen" in line or "4,368" in line or "|--" in line
    ][:3]
    column = [cell.strip() for cell in head.split("|")].index("trials")
    assert rows[0].split("|")[column].strip() == "40"


def test_a_stand_in_is_marked_in_opening_and_title():
    text = page(real=False)
    assert "not the sky: compare no figure" in text
    assert "## Results: lorenz (stand-in, synthetic: not the sky)" in text
    assert "stand-in" not in page()


def test_names_show_as_text():
    name = "<script>alert(1)</script>|`x`"
    text = page(names=(name, "vq"))
    assert "<script>" not in re.sub("(`+) .*? \\1", "", text)
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;\|\`x\`" in text


def test_equal_rows_are_told_and_different_ones_are_not():
    assert "`vq`, `fsq` gave the same numbers" in page()
    assert "gave the same numbers" not in page(values={"fsq": 0.2})


def test_a_lattices_use_is_told():
    assert "`vq` (4 x 4) uses 50 % of its codes; `fsq` (4 x 4) uses 50 %" in page(levels=[4, 4])


def test_a_mean_over_fewer_seeds_says_so():
    assert "| 50.0 (n = 2)" in page()


def test_the_title_says_when_it_is_not_the_papers_protocol():
    assert page().startswith("# quantizer-bench: protocol quick (not the paper's)")


def test_a_run_without_any_result_is_still_a_page():
    text = page(status="failed")
    assert "0 of 6 cells done" in text


def test_the_verdict_comes_first_and_published_figures_after_the_results():
    text = page()
    order = [
        "## What can be said",
        "## Capacity",
        "## Results: lorenz",
        "## Published figures beside ours",
        "## How to",
    ]
    assert sorted(order, key=text.index) == order


def test_without_a_published_counterpart_there_is_no_such_section():
    assert "Published figures" not in page(names=("mine",))


def test_rankings_reach_the_verdict_and_the_marks():
    place = {"dataset": "lorenz", "metric": "mse", "n": 3, "mean": 0.123, "best": "vq", "difference": 0.0}
    place |= {"low": -0.1, "high": 0.1, "p": 0.5, "p_holm": 0.5}
    rankings = [place | {"quantizer": name, "standing": s} for name, s in (("vq", "best"), ("fsq", "tied"))]
    text = page(rankings=pd.DataFrame(rankings), claims=pd.DataFrame())
    assert "cannot be told from it at n = 3" in text
    assert "| 0.1235 ± 0.0010 † |" in text


def test_grid_metrics_stand_beside_those_of_shuffled_grids():
    line = {"dataset": "lorenz", "quantizer": "som-vq", "metric": "topographic_error", "n": 3}
    line |= {"value": 0.02, "null": 0.8, "low": 0.75, "high": 0.85, "p": 0.05}
    text = page(nulls=pd.DataFrame([line]))
    assert "**Shuffled grids**" in text
    assert "| 0.0200 " in text
    assert "| 0.750 to 0.850 " in text
    assert "Shuffled grids" not in page()


def test_a_suite_chooses_the_columns_and_the_title():
    text = page(columns=("active",), title="suite ema, protocol quick")
    assert text.startswith("# quantizer-bench: suite ema, protocol quick (not the paper's)")
    table = text.split("## Results: lorenz")[1].split("##")[0]
    assert "active" in table
    assert "mse" not in table


def test_rows_of_another_size_are_named():
    sizes = [{"quantizer": name, "built": True, "mismatch": mismatch} for name, mismatch in (("vq", 0.0), ("big", 0.9))]
    assert markdown._unmatched(sizes) == " Of another size, and not ranked: `big`."
    assert "Of another size" not in page()
