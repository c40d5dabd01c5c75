import pandas as pd
import pytest

from reports.document import markdown
from reports.sections import tables


def row(quantizer, role="family", **values):
    line = {"quantizer": quantizer, "dataset": "lorenz", "role": role, "cells": 3, "done": 3}
    for name, value in ({"mse": 0.1} | values).items():
        line |= {name: value, f"{name}_high": None if value is None else value + 0.01, f"{name}_n": 3}
    return line


def place(quantizer, standing, metric="mse", dataset="lorenz"):
    return {"dataset": dataset, "metric": metric, "quantizer": quantizer, "best": "vq", "standing": standing}


def shown(rows, places=None):
    rankings = None if places is None else pd.DataFrame(places)
    metrics = {"mse": {"direction": "lower"}}
    return markdown.text(tables.results(pd.DataFrame(rows), rankings, metrics, "", missing={}, stand_in=False))


def line(text, quantizer):
    return next(line for line in text.splitlines() if line.startswith(f"| {quantizer} "))


def test_letters_are_those_of_the_standings():
    standings = {"vq": "best", "b": "equivalent", "c": "identical", "d": "behind", "e": "untested", "f": "undecided"}
    text = shown([row(name) for name in standings], [place(*item) for item in standings.items()])
    signs = {name: line(text, name).split("|")[3].strip().removeprefix("0.100 ± 0.010").strip() for name in standings}
    assert signs == {"vq": "a", "b": "a", "c": "a", "d": "b", "e": "?", "f": "?"}
    assert "**0." not in text


def test_the_best_mean_has_its_letter_where_no_row_is_behind():
    text = shown([row("vq"), row("b")], [place("vq", "undecided"), place("b", "undecided")])
    assert [line(text, name).split("|")[3].strip()[-1] for name in ("vq", "b")] == ["a", "?"]


@pytest.mark.parametrize(
    "places",
    [
        None,
        [],
        [place("a", "best")],
        [place("a", "best"), place("b", "untested")],
        [place("a", "undecided", dataset="x")],
    ],
)
def test_a_column_that_was_not_tested_has_no_letters(places):
    text = shown([row("a"), row("b")], places)
    assert line(text, "a") == "| a | 3 of 3 | 0.100 ± 0.010 |"
    assert tables.KEY not in text


def test_rows_that_are_never_ranked_stand_apart():
    rows = [row("vq@16", "curve"), row("vq"), row("none", "reference"), row("vq+sorted", "control")]
    rows += [row("som-vq:paper", "published"), row("odd", "a|role")]
    ranked, output, apart = shown(rows).split("\n\n")
    assert line(ranked, "vq")
    assert len(ranked.splitlines()) == 3
    assert output.startswith("**Reference rows and controls: never ranked.** `none`: reference rows")
    assert [text.split("|")[1].strip() for text in apart.splitlines()[2:]] == [
        *("none", "vq+sorted", "som-vq:paper", "vq@16", "odd")
    ]
    assert r"a\|role" in apart


def test_metrics_without_any_value_have_no_column():
    text = shown([row("a", active=None), row("b", active=None)])
    assert "active" not in text
    assert "mse ↓" in text
