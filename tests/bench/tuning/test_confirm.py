"""Tuned parameters against defaults, on records that the tests write."""

import numpy
import pytest

from bench.errors import UsageError
from bench.planning.tuned import UNCONSTRAINED, WINNER, Tuned, dump
from bench.tuning import confirm
from bench.vocabulary import DONE, FAILED
from reports.pages import tuning
from tests.builders import finished

FACTS = {"command": "bench tune", "protocol": "tiny", "datasets": ["lorenz"], "objective": ["mse"]}
FACTS |= {"constraint": "topographic_error<=0.1"}


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "tuned.toml"
    winners = [
        Tuned(quantizer="vq", dataset="lorenz", trials=7, parameters={"decay": 0.9}, values={}),
        Tuned(quantizer="som-vq", dataset="lorenz", trials=7, parameters={"sigma": 2.0}, values={}),
    ]
    path.write_text(
        dump(
            FACTS,
            {
                WINNER: winners,
                UNCONSTRAINED: [
                    Tuned(quantizer="som-vq", dataset="lorenz", trials=7, parameters={"sigma": 0.5}, values={})
                ],
            },
        )
    )
    return confirm.make([path], "3")


def records(made, **values):
    """Candidate -> its metrics by seed; 1, 2, 3 unless told."""
    collected = {}
    for candidate in made.candidates:
        mine = values.get(f"{candidate.quantizer} {candidate.name}".replace("-", "_").replace(" ", "_"), {})
        for seed, cell in enumerate(candidate.cells):
            metrics = {name: series[seed] for name, series in ({"mse": [1.0, 2.0, 3.0]} | mine).items()}
            collected[cell.key] = {"status": DONE, "metrics": metrics}
    return finished(made.plan, collected)


def test_every_candidate_runs_on_seeds_that_tuning_never_saw(made):
    names = [(item.quantizer, item.name) for item in made.candidates]
    assert names == [
        ("vq", "default"),
        ("vq", "tuned on lorenz"),
        ("som-vq", "default"),
        ("som-vq", "tuned on lorenz"),
        ("som-vq", "unconstrained on lorenz"),
    ]
    assert {cell.data_seed for cell in made.plan.cells} == {0, 1, 2}
    assert len(made.plan.cells) == len({cell.key for cell in made.plan.cells}) == 15
    assert {*made.plan.cells[0].metric_keys} == {"mse", "active", "topographic_error"}


def test_differences_are_paired_over_seeds(made):
    rows = confirm.compare(made, records(made, vq_tuned_on_lorenz={"mse": [0.0, 1.2, 1.8]}))
    (row,) = [row for row in rows if row["quantizer"] == "vq" and row["metric"] == "mse"]
    # differences -1, -0.8, -1.2: mean -1, s 0.2, half 4.303 * 0.2 / sqrt(3) = 0.4969
    assert (row["difference"], row["n"], row["outcome"], row["trials"]) == (pytest.approx(-1), 3, "better", 7)
    assert (row["low"], row["high"]) == (pytest.approx(-1.4969, abs=1e-4), pytest.approx(-0.5031, abs=1e-4))
    assert (row["default"].mean, row["value"].mean) == (2.0, 1.0)
    assert confirm.beaten(made, rows) == [("vq", "tuned on lorenz")]


@pytest.mark.parametrize(
    ("series", "outcome"),
    [
        ([1.0, 2.0, 3.0], "identical"),
        ([0.0, 2.0, 4.1], "not separable"),
        ([2.0, 3.2, 3.8], "worse"),
        ([0.0, 1.0, 2.0], "untested"),
    ],
)
def test_what_is_not_better_beats_nothing(made, series, outcome):
    rows = confirm.compare(made, records(made, vq_tuned_on_lorenz={"mse": series}))
    assert [row["outcome"] for row in rows if row["quantizer"] == "vq" and row["metric"] == "mse"] == [outcome]
    assert confirm.beaten(made, rows) == []


def test_a_candidate_that_breaks_the_constraint_becomes_no_default(made):
    good = {"mse": [0.0, 1.2, 1.8]}
    rows = confirm.compare(
        made,
        records(
            made,
            som_vq_default={"mse": [1.0, 2.0, 3.0], "topographic_error": [0.05, 0.05, 0.05]},
            som_vq_tuned_on_lorenz=good | {"topographic_error": [0.05, 0.1, 0.09]},
            som_vq_unconstrained_on_lorenz=good | {"topographic_error": [0.5, 0.4, 0.3]},
        ),
    )
    assert confirm.beaten(made, rows) == [("som-vq", "tuned on lorenz")]


def test_failed_cells_and_blanks_leave_the_seeds_that_both_have(made):
    actual = records(made, vq_tuned_on_lorenz={"mse": [0.0, 1.2, None]})
    actual.records[made.candidates[0].cells[0].key]["status"] = FAILED
    (row,) = [row for row in confirm.compare(made, actual) if row["quantizer"] == "vq"]
    assert (row["n"], row["outcome"]) == (1, "untested")


def test_files_of_different_questions_are_refused(tmp_path):
    paths = []
    for index, objective in enumerate(["mse", "trust"]):
        paths.append(tmp_path / f"{index}.toml")
        entry = Tuned(quantizer="vq", dataset="lorenz", trials=7, parameters={}, values={})
        paths[-1].write_text(dump(FACTS | {"objective": [objective]}, {WINNER: [entry]}))
    with pytest.raises(UsageError, match="differ in their objective"):
        confirm.make(paths, "3")


def test_a_file_of_ones_own_is_found_again(tmp_path):
    numpy.savez(tmp_path / "walks.npz", numpy.random.default_rng(0).normal(size=(12, 32, 3)))
    path = tmp_path / "tuned.toml"
    facts = FACTS | {"datasets": [f"npz:{tmp_path / 'walks.npz'}"], "constraint": ""}
    path.write_text(
        dump(
            facts,
            {WINNER: [Tuned(quantizer="vq", dataset="npz:walks", trials=7, parameters={"decay": 0.9}, values={})]},
        )
    )
    cells = confirm.make([path], "3").plan.cells
    assert {cell.dataset for cell in cells} == {"npz:walks"}
    assert {cell.dataset_parameters["path"] for cell in cells} == {str(tmp_path / "walks.npz")}


def test_the_page_tells_values_intervals_and_what_to_change(made):
    rows = confirm.compare(made, records(made, vq_tuned_on_lorenz={"mse": [0.0, 1.2, 1.8]}))
    page = tuning.report(
        rows,
        beaten=confirm.beaten(made, rows),
        objective="mse",
        constraint="topographic_error<=0.1",
        protocol="tiny",
        seeds=[0, 1, 2],
        commands=["bench tune", "bench confirm"],
        made="On a machine.",
    )
    assert "Better than the defaults on some dataset and worse on none: `vq` (tuned on lorenz)." in page
    (line,) = [line for line in page.splitlines() if line.startswith("| `vq`")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:4] == ["`vq`", "tuned on lorenz", "7", "`mse`"]
    assert cells[6:] == ["-1.00", "-1.50 to -0.50", "3", "better"]
    assert "- `vq` tuned on lorenz: decay 0.9" in page
    assert "No default is beaten" not in page
    assert "No default is beaten" in tuning.report(
        [], beaten=[], objective="mse", constraint="", protocol="tiny", seeds=[0], commands=[], made=""
    )
