"""Runs that add seeds until the primary questions are settled."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

import bench
from bench.api import decide
from bench.stats.spending import level

BASICS = {"datasets": ["lorenz"], "protocol": "tiny", "device": "cpu", "progress": False, "until_decided": True}


def plan(run):
    return json.loads((run.folder / "plan.json").read_text())


def written(run):
    return {path.name: path.stat().st_mtime_ns for path in (run.folder / "cells").glob("*.json")}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two quantizers on two epochs: they are not told apart, so that all seeds are used."""
    folder = tmp_path_factory.mktemp("decide") / "run"
    return bench.run(["vq", "vq-reset"], seeds=3, max_seeds=5, out=folder, **BASICS)


@pytest.mark.slow
def test_seeds_are_added_up_to_the_last_look(run):
    assert sorted(set(run.results["seed"])) == [0, 1, 2, 3, 4]
    assert run.complete
    assert plan(run)["significance"] == pytest.approx(level([3, 5], 5))


@pytest.mark.slow
def test_its_tables_use_the_level_of_the_look(run):
    rows = run.rankings[run.rankings["standing"] == "behind"]
    assert (rows["p_adjusted"] <= level([3, 5], 5)).all()
    page = (run.folder / "report.md").read_text()
    assert "this look has" in page


@pytest.mark.slow
def test_the_same_call_resumes(run, capsys):
    before = written(run)
    again = bench.run(["vq", "vq-reset"], seeds=3, max_seeds=5, out=run.folder, **BASICS)
    assert written(again) == before
    assert again.results.equals(run.results)
    assert "of other commands" not in capsys.readouterr().err


@pytest.mark.slow
def test_it_stops_once_nothing_is_open(tmp_path, monkeypatch):
    monkeypatch.setattr(decide, "undecided", lambda run: 0)
    run = bench.run("vq", seeds=3, max_seeds=20, out=tmp_path / "run", **BASICS)
    assert sorted(set(run.results["seed"])) == [0, 1, 2]
    assert plan(run)["significance"] == pytest.approx(level([3], 20))


def test_only_primary_comparisons_with_the_best_are_open(tmp_path):
    rows = [
        ("mse", "a", "a", "undecided", True),  # the best itself
        ("mse", "b", "a", "undecided", True),
        ("mse", "c", "a", "equivalent", True),
        ("mse", "d", "a", "untested", True),
        ("trust", "b", "a", "undecided", False),
    ]
    table = pd.DataFrame(rows, columns=["metric", "quantizer", "best", "standing", "primary"])
    table.to_csv(tmp_path / "rankings.csv", index=False)
    assert decide.undecided(SimpleNamespace(store=SimpleNamespace(root=tmp_path))) == 1


@pytest.mark.parametrize(
    ("choices", "match"),
    [
        ({"seeds": [0, 4]}, "expected a number of --seeds with --until-decided"),
        ({"seeds": 6, "max_seeds": 5}, "--max-seeds: expected at least 6 seeds at the last look, got 5"),
    ],
)
def test_bad_input_is_refused(tmp_path, choices, match):
    with pytest.raises(bench.UsageError, match=match):
        bench.run("vq", out=tmp_path / "run", **BASICS, **choices)
    assert not (tmp_path / "run").exists()
