"""Tuning, with children that compute what a formula says instead of training."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

import datasets
import quantizers
from bench.errors import LostError, UsageError
from bench.execution.engine import Children, Outcome
from bench.execution.local import Local
from bench.execution.runner import Options
from bench.planning.planner import make
from bench.planning.request import Request
from bench.planning.tuned import FRONT, UNCONSTRAINED, load
from bench.records.record import SCHEMA
from bench.records.store import Store
from bench.tuning.study import ROUND
from bench.tuning.task import task_of
from bench.tuning.tuner import GIVEN_UP, JOURNAL, Tuner
from bench.vocabulary import DONE, FAILED
from tests.builders import job, work

ROOT = Path(__file__).resolve().parents[3]
FIRST = datasets.TUNING


def mse(cell):
    """Best at commitment 0.25; every seed adds its own constant."""
    return 1 + math.log10(cell["parameters"]["commitment"] / 0.25) ** 2 + 0.01 * (cell["seed"] - FIRST)


def topographic_error(cell):
    """Worse the better the other."""
    return 0.2 - 0.1 * (mse(cell) - 1)


FORMULAS = {"mse": mse, "topographic_error": topographic_error, "active": lambda cell: 50.0}


@pytest.fixture
def measured(monkeypatch):
    """Replace the child; returns the (key, seed, quantizer) that were measured, and lets a test interfere."""
    seen = []

    def child(self, spec, log, timeout, threads):
        kept = json.loads(spec.read_text())
        for task in kept["tasks"]:
            cell = task["cell"] | {"missing": task["missing"], "ceiling": task["ceiling"]}
            seen.append((cell["key"], cell["data_seed"], cell["quantizer"]))
            child.before(cell, len(seen))
            values = {name: FORMULAS[name](cell) for name in cell["missing"]}
            status = child.status(cell)
            record = {"schema": SCHEMA, "key": cell["key"], "status": status, "finished": 0.0, "cell": cell}
            record |= {
                "metric_keys": cell["metric_keys"],
                "metrics": values,
                "history": {"validation": [9.0, 9.0, mse(cell)]},
            }
            record |= {"error": {"type": "RuntimeError", "message": "no reason"}}
            if child.obeys and any(bound is not None and mse(cell) > bound for bound in cell["ceiling"][2:]):
                record |= {"status": FAILED, "error": {"type": "GivenUpError", "message": "given up at point 3"}}
            cells = Path(kept["root"]) / "cells"
            (cells / f"{cell['key']}.safetensors").touch()
            (cells / f"{cell['key']}.json").write_text(json.dumps(record))
        log.touch()
        return Outcome(0, timed_out=False)

    child.obeys = False
    child.before = lambda cell, count: None
    child.status = lambda cell: DONE
    seen_by = type("Seen", (), {"cells": seen, "child": child})
    monkeypatch.setattr(Children, "run", child)
    return seen_by


def task(families="vq,som-vq", objective="mse", constraint="", seeds=2, trials=4, protocol="tiny", source="lorenz"):
    request = Request(quantizers=families, datasets=source, protocol=protocol)
    return task_of(request, objective=objective, constraint=constraint, seeds=seeds, trials=trials)


def tuner(folder, asked):
    store = Store(folder)
    lines = []
    made = Tuner(asked, store, Options(device="cpu", jobs=1), {}, Local(store, "cpu", 1), lines.append)
    made.lines = lines
    return made


def trials_of(made):
    return {study.name: study._study.get_trials() for study in made.studies}


def states(trials):
    return Counter(trial.state for trial in trials)


def test_every_family_gets_the_same_trials_on_the_same_seeds_that_no_run_has(tmp_path, measured):
    made = tuner(tmp_path, task("vq,som-vq,fsq", trials=6))
    measured.child.before = lambda cell, count: cell["parameters"].setdefault("commitment", 0.25)
    made.run()
    assert {name: len(trials) for name, trials in trials_of(made).items()} == {
        "vq on lorenz": 6,
        "som-vq on lorenz": 6,
        "fsq on lorenz": 6,
    }
    for family in ("vq", "som-vq"):
        assert {seed for _, seed, name in measured.cells if name == family} == {FIRST, FIRST + 1}
    assert min(seed for _, seed, _ in measured.cells) >= FIRST
    assert len({key for key, _, _ in measured.cells}) == len(measured.cells)  # nothing is measured twice


def test_the_winner_is_the_best_of_all_trials(tmp_path, measured):
    made = tuner(tmp_path, task("vq", trials=5, seeds=1))
    made.run()
    made.write(["bench", "tune"])
    tried = [trial.user_attrs["parameters"] for trial in trials_of(made)["vq on lorenz"]]
    best = min(tried, key=lambda values: abs(math.log(values["commitment"] / 0.25)))
    actual = load(tmp_path / "tuned.toml")["vq", "lorenz"]
    assert actual.parameters == best
    assert actual.trials == 5
    assert actual.values == {"mse": pytest.approx(mse({"parameters": best, "seed": FIRST}))}
    assert not list(tmp_path.glob("cells/*.safetensors"))  # of use to nobody


def test_a_constraint_chooses_another_winner_and_the_free_one_is_kept_too(tmp_path, measured):
    made = tuner(tmp_path, task("som-vq,vq", constraint="topographic_error<=0.18", trials=12, seeds=1))
    made.run()
    made.write(["bench", "tune"])
    bound, free = load(tmp_path / "tuned.toml"), load(tmp_path / "tuned.toml", UNCONSTRAINED)
    tried = [trial.user_attrs["values"] for trial in trials_of(made)["som-vq on lorenz"]]
    assert any(values["topographic_error"] <= 0.18 for values in tried)
    keeping = [values for values in tried if values["topographic_error"] <= 0.18]
    assert bound["som-vq", "lorenz"].values == min(keeping, key=lambda values: values["mse"])
    assert free["som-vq", "lorenz"].values == min(tried, key=lambda values: values["mse"])
    assert bound["som-vq", "lorenz"].values["mse"] > free["som-vq", "lorenz"].values["mse"]
    assert ("vq", "lorenz") in bound  # without a grid nothing is asked of it
    assert ("vq", "lorenz") not in free
    assert {name for values in tried for name in values} == {"mse", "topographic_error"}


def test_a_constraint_that_nothing_keeps_leaves_no_winner_and_says_so(tmp_path, measured):
    made = tuner(tmp_path, task("som-vq,vq", constraint="topographic_error<=-5", trials=2, seeds=1))
    made.run()
    lines = made.write(["bench", "tune"])
    assert any("no trial keeps topographic_error<=-5" in line for line in lines)
    assert [*load(tmp_path / "tuned.toml")] == [("vq", "lorenz")]


def test_hopeless_trials_cost_one_seed_and_count(tmp_path, measured):
    made = tuner(tmp_path, task("vq", trials=20, seeds=3))
    made.run()
    trials = trials_of(made)["vq on lorenz"]
    assert states(trials)[TrialState.PRUNED] > 0
    assert len(trials) == 20
    seeds = Counter(key for _, seed, key in measured.cells)
    pruned = states(trials)[TrialState.PRUNED]
    assert sum(seeds.values()) == 3 * (20 - pruned) + pruned
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    for trial in trials:
        if trial.state == TrialState.PRUNED:
            before = sorted(
                other.intermediate_values[0] for other in complete if other.datetime_complete < trial.datetime_complete
            )
            assert len(before) >= 5
            assert trial.intermediate_values[0] > before[(len(before) - 1) // 2]


def test_trials_above_the_others_learning_curves_are_given_up_in_their_training(tmp_path, measured):
    measured.child.obeys = True
    ceilings = []
    measured.child.before = lambda cell, count: ceilings.append(cell["ceiling"])
    made = tuner(tmp_path, task("vq", trials=20, seeds=1))
    made.run()
    trials = trials_of(made)["vq on lorenz"]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert pruned
    assert len(measured.cells) == len(trials) == 20  # each had its one seed, though not to its end
    errors = [trial.user_attrs["curve"][-1] for trial in trials if trial.state == TrialState.COMPLETE]
    assert ceilings[:5] == [[]] * 5
    assert ceilings[-1][:2] == [None, None]  # from the middle on
    assert min(errors) < ceilings[-1][2] < max(errors)
    assert any("given up at point 3" in line for line in made.lines)
    assert made.write(["bench", "tune"])[0].startswith(f"vq on lorenz, 20 of 20 trials, {len(pruned)} given up")


def test_a_job_that_ends_above_its_ceiling_says_so(tmp_path):
    (cell,) = make(Request(quantizers="vq", datasets="lorenz", protocol="tiny", seeds="1")).cells
    store = Store(tmp_path)
    work(job(cell, metrics=("mse",), ceiling=(0.0,)), tmp_path)
    record = store.read(cell.key)
    assert (record["status"], record["error"]["type"]) == (FAILED, GIVEN_UP)
    assert record["error"]["message"].startswith("given up at point 1 of its learning curve, at ")
    assert record["error"]["traceback"] is None
    assert not {"ceiling", "missing", "former"} & record["cell"].keys()


@pytest.mark.parametrize(
    "asked",
    [
        {"families": "som-vq", "constraint": "topographic_error<=0.18"},
        {"families": "vq", "objective": "explained"},
        {"families": "som-vq", "objective": "mse,topographic_error"},
    ],
)
def test_what_a_curve_does_not_tell_it_does_not_end(tmp_path, measured, monkeypatch, asked):
    monkeypatch.setitem(FORMULAS, "explained", lambda cell: 1 - mse(cell))
    ceilings = []
    measured.child.before = lambda cell, count: ceilings.append(cell["ceiling"])
    tuner(tmp_path, task(trials=12, seeds=1, **asked)).run()
    assert len(ceilings) == 12
    assert not any(ceilings)


def test_a_trial_that_keeps_the_constraint_is_never_given_up(tmp_path, measured):
    made = tuner(tmp_path, task("som-vq", constraint="topographic_error<=0.18", trials=16, seeds=2))
    made.run()
    for trial in trials_of(made)["som-vq on lorenz"]:
        if trial.state == TrialState.PRUNED:
            assert trial.user_attrs["values"]["topographic_error"] > 0.18


def test_several_objectives_keep_every_trial_that_no_other_beats(tmp_path, measured):
    made = tuner(tmp_path, task("som-vq", objective="mse,topographic_error", trials=8, seeds=2))
    made.run()
    made.write(["bench", "tune"])
    trials = trials_of(made)["som-vq on lorenz"]
    assert states(trials) == {TrialState.COMPLETE: 8}
    front = load(tmp_path / "tuned.toml")["som-vq", "lorenz"]
    everything = [trial.values for trial in trials]
    assert [front.values["mse"], front.values["topographic_error"]] == min(everything)
    import tomllib

    kept = tomllib.loads((tmp_path / "tuned.toml").read_text())[FRONT]
    assert len(kept) == 8  # the formulas contradict each other, so no trial beats another


def test_trials_without_values_count_and_do_not_win(tmp_path, measured):
    measured.child.status = lambda cell: FAILED if cell["parameters"]["commitment"] > 0.25 else DONE
    made = tuner(tmp_path, task("vq", trials=8, seeds=1))
    made.run()
    trials = trials_of(made)["vq on lorenz"]
    failed = [trial for trial in trials if trial.user_attrs["parameters"]["commitment"] > 0.25]
    assert failed
    assert len(trials) == 8
    for trial in trials:
        assert trial.state == (TrialState.FAIL if trial in failed else TrialState.COMPLETE)
    assert all("no reason" in trial.user_attrs["error"] for trial in failed)
    assert made.studies
    (study,) = made.studies
    assert study.winner().parameters["commitment"] <= 0.25


@pytest.mark.parametrize("moment", [1, 2, 5, 7, 11])
def test_a_driver_that_dies_loses_nothing_and_ends_with_the_same_trials(tmp_path, measured, moment):
    undisturbed = tuner(tmp_path / "undisturbed", task(trials=6, seeds=1))
    undisturbed.run()
    measured.cells.clear()

    def die(cell, count):
        if count == moment:
            raise KeyboardInterrupt

    measured.child.before = die
    with pytest.raises(KeyboardInterrupt):
        tuner(tmp_path / "killed", task(trials=6, seeds=1)).run()
    measured.child.before = lambda cell, count: None
    cut_off = measured.cells[-1][0]
    again = tuner(tmp_path / "killed", task(trials=6, seeds=1))
    again.run()
    assert any("queued again" in line for line in again.lines)
    for study in again.studies:
        assert len(study.finished()) == 6
    assert not any(trial.state == TrialState.RUNNING for trials in trials_of(again).values() for trial in trials)
    counts = Counter(key for key, _, _ in measured.cells)
    assert {key for key, count in counts.items() if count > 1} == {cut_off}

    def drawn(made):
        return {
            name: sorted(json.dumps(t.user_attrs["parameters"]) for t in trials if t.state == TrialState.COMPLETE)
            for name, trials in trials_of(made).items()
        }

    assert drawn(again) == drawn(undisturbed)


def test_a_trial_that_was_cut_off_is_no_curve_to_be_held_against(tmp_path, measured):
    def ceilings(folder, dies_at=None):
        seen = {}

        def before(cell, count):
            if cell["data_seed"] == FIRST:
                seen[cell["key"]] = cell["ceiling"]
            elif len(seen) == dies_at:  # in a round's second seeds: the first ones' curves are kept by then
                raise KeyboardInterrupt

        measured.child.before = before
        made = tuner(folder, task("vq", trials=4 * ROUND, seeds=2))
        if dies_at:
            with pytest.raises(KeyboardInterrupt):
                made.run()
        else:
            made.run()
        return seen

    undisturbed = ceilings(tmp_path / "undisturbed")
    ceilings(tmp_path / "killed", dies_at=3 * ROUND)
    last = ceilings(tmp_path / "killed")
    assert len(last) == ROUND
    assert all(last.values())
    assert last.items() <= undisturbed.items()


def test_the_journal_is_one_that_optuna_opens(tmp_path, measured):
    made = tuner(tmp_path, task(trials=3, seeds=1))
    made.run()
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / JOURNAL))
    storage = optuna.storages.JournalStorage(backend)
    assert set(optuna.get_all_study_names(storage)) == {"vq on lorenz", "som-vq on lorenz"}
    actual = optuna.load_study(study_name="vq on lorenz", storage=storage)
    assert actual.best_value == min(trial.values[0] for trial in actual.get_trials())


def test_a_lost_executor_ends_the_study_and_it_goes_on(tmp_path, measured, monkeypatch):
    outcome = Local.outcome
    monkeypatch.setattr(Local, "outcome", lambda self, job, future: (_ for _ in ()).throw(LostError("gone")))
    with pytest.raises(LostError):
        tuner(tmp_path, task("vq", trials=3, seeds=1)).run()
    monkeypatch.setattr(Local, "outcome", outcome)
    made = tuner(tmp_path, task("vq", trials=3, seeds=1))
    made.run()
    (study,) = made.studies
    assert len(study.finished()) == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"families": "som-vq:paper"}, "som-vq:paper is a preset, which keeps its published values; tune som-vq"),
        ({"families": "nope"}, "unknown quantizer 'nope'"),
        ({"families": "kmeans"}, "unknown quantizer 'kmeans'"),
        ({"families": "vq+sorted"}, r"unknown quantizer 'vq\+sorted'"),
        ({"objective": "msee"}, "did you mean 'mse'"),
        ({"objective": ","}, "at least one metric"),
        ({"objective": "mse trust"}, "unknown metric 'mse trust'"),
        ({"objective": "active"}, "neither more nor less of it is better"),
        ({"objective": "rate_excess"}, "unknown metric 'rate_excess'"),
        ({"objective": "topographic_error"}, "the codes of vq have no places on a grid"),
        ({"constraint": "topographic_error"}, "METRIC<=NUMBER"),
        ({"constraint": "topographic_error<=nan"}, "METRIC<=NUMBER"),
        ({"constraint": "topographic_eror<=1"}, "did you mean 'topographic_error'"),
        ({"trials": 0}, "--trials"),
        ({"seeds": 0}, "--seeds"),
        ({"protocol": "quik"}, "did you mean 'quick'"),
    ],
)
def test_what_cannot_be_tuned_is_one_line(change, expected):
    with pytest.raises(UsageError, match=expected) as raised:
        task(**change)
    assert "\n" not in str(raised.value)


def test_a_study_of_a_file_goes_on_where_the_file_was_moved(tmp_path, measured):
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "walks.npz"
    np.savez(path, np.random.default_rng(0).normal(size=(12, 32, 3)))
    tuner(tmp_path / "study", task("vq", seeds=1, trials=2, source=f"npz:{path}")).run()
    path = path.rename(tmp_path / "elsewhere" / "walks.npz")
    made = tuner(tmp_path / "study", task("vq", seeds=1, trials=4, source=f"npz:{path}"))
    made.run()
    assert {name: len(trials) for name, trials in trials_of(made).items()} == {"vq on npz:walks": 4}
    made.write(["bench", "tune"])
    text = (tmp_path / "study" / "tuned.toml").read_text()
    assert f'"datasets" = ["npz:{path}"]' in text


def test_a_family_without_a_search_space_is_named(monkeypatch):
    class Mine(quantizers.VQ):
        suggest = quantizers.Quantizer.suggest

    monkeypatch.setitem(quantizers.registry._FAMILIES, "mine", quantizers.Family(name="mine", cls=Mine))
    with pytest.raises(UsageError, match=r"mine declares no search space; give Mine a classmethod suggest\(trial\)"):
        task("mine")
    asked = task("all")
    assert len(asked.subjects) == 7
    assert "mine declares no search space and is left as it is." in asked.remarks


def test_datasets_whose_seeds_share_test_sequences_are_refused(monkeypatch):
    monkeypatch.setattr(datasets.get("lorenz"), "test_apart", False)
    with pytest.raises(UsageError, match="a seed may train on what another tests"):
        task()
