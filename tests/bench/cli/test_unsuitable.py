"""Families that a codebook size or a width of frames does not suit: refused by name, unavailable under `all`."""

import csv
import json

import numpy as np
import pytest

import quantizers
from bench.analysis.results import results
from bench.errors import UnsuitableError, UsageError
from bench.planning import pairs, planner
from bench.planning.cells import from_values, values
from bench.planning.request import Request
from bench.tuning.task import task_of
from tests.builders import finished

REASON = "Expected at least 3 codes, got 2"


@pytest.fixture
def walks(tmp_path):
    def save(features):
        np.savez(tmp_path / "walks.npz", np.random.default_rng(0).normal(size=(24, 40, features)).cumsum(axis=1))
        return f"npz:{tmp_path / 'walks.npz'}"

    return save


def make(source, **changes):
    asked = {"quantizers": "all", "datasets": source, "protocol": "tiny", "seeds": "2"} | changes
    return planner.make(Request(**asked))


@pytest.mark.parametrize("features", [1, 2, 3])
@pytest.mark.parametrize("num_codes", [2, 3, 4, 5, 7, 8, 16, 256, 1024])
def test_all_runs_what_can_run_and_gives_the_others_a_reason(walks, features, num_codes):
    made = make(walks(features), codebook_size=num_codes)
    families = set(quantizers.families())
    absent = {"fsq"} if num_codes == 2 else set()
    assert {cell.row for cell in made.cells} == families - absent
    assert [(row, name, seed) for row, name, seed, _ in made.unavailable] == [
        (row, "npz:walks", seed) for seed in (0, 1) for row in absent
    ]
    assert all(REASON in reason for *_, reason in made.unavailable)
    assert sum("fsq on npz:walks is left out" in line for line in made.remarks) == len(absent)
    for cell in made.cells:
        assert abs(cell.capacity.codebook_size / num_codes - 1) <= 0.1
        assert abs(cell.capacity.mismatch) <= 0.01


@pytest.mark.parametrize(
    "changes",
    [
        {"quantizers": "fsq"},
        {"quantizers": "vq,fsq"},
        {"quantizers": "all,fsq"},
        {"settings": ("fsq.channels=0",)},
        {"quantizers": "fsq@2", "codebook_size": 16},
    ],
)
def test_what_was_named_or_set_is_refused(walks, changes):
    with pytest.raises(UnsuitableError, match=f"quantizer fsq: {REASON}.*--codebook-size 3"):
        make(walks(2), **({"codebook_size": 2} | changes))


def test_a_value_that_was_set_is_refused_under_all(walks):
    with pytest.raises(UsageError, match="Expected 0 <= channels <= 2"):
        make(walks(2), settings=("fsq.channels=3",))


def test_a_suite_leaves_out_what_cannot_be(walks):
    made = make(walks(2), quantizers="", suite="rate", codebook_size=8)
    assert {row for row, *_ in made.unavailable} == {"fsq@2"}
    assert {"fsq", "fsq@32", "vq@2"} <= {cell.row for cell in made.cells}


def test_nothing_but_unavailable_rows_is_refused(walks, monkeypatch):
    monkeypatch.setattr(quantizers, "group", lambda name: ["fsq"])
    with pytest.raises(UsageError, match=REASON):
        make(walks(2), codebook_size=2)


def test_networks_that_cannot_match_are_unavailable_too(walks, monkeypatch):
    monkeypatch.setattr(pairs, "TOLERANCE", 0.0)
    made = make(walks(1))
    reasons = {row: reason for row, _, _, reason in made.unavailable}
    assert "network parameters where the protocol gives" in reasons["fsq"]
    assert "vq" in {cell.row for cell in made.cells}


def test_a_kept_plan_has_them_and_so_have_the_tables(walks):
    made = make(walks(1), codebook_size=2)
    kept = from_values(json.loads(json.dumps(values(made))))
    assert kept.unavailable == made.unavailable
    table = results(finished(kept, {}))
    assert table[["quantizer", "seed", "status"]].values.tolist() == [["fsq", seed, "unavailable"] for seed in (0, 1)]


def test_tuning_leaves_out_what_cannot_be_and_refuses_what_was_named(walks, monkeypatch):
    from bench.planning import request

    tiny = request.PROTOCOLS["tiny"]
    monkeypatch.setitem(request.PROTOCOLS, "tiny", tiny.from_values(tiny.values() | {"codebook_size": 2}))
    asked = {"objective": "mse", "constraint": "", "seeds": 1, "trials": 2}
    task = task_of(Request(quantizers="all", datasets=walks(2), protocol="tiny"), **asked)
    assert "fsq" not in {subject.family.name for subject in task.subjects}
    assert any("fsq on npz:walks is left out" in line for line in task.remarks)
    with pytest.raises(UsageError, match=REASON):
        task_of(Request(quantizers="fsq", datasets=walks(2), protocol="tiny"), **asked)


@pytest.mark.slow
def test_a_run_of_two_codes_and_one_feature(bench, walks, tmp_path):
    run = tmp_path / "run"
    asked = ("--quantizers", "all", "--codebook-size", 2, "--datasets", walks(1), "--protocol", "tiny", "--seeds", 1)
    done = bench("run", *asked, "--device", "cpu", "--out", run)
    assert done.returncode == 3, done.stderr
    assert f"fsq on npz:walks is left out: quantizer fsq: {REASON}" in done.stderr
    with (run / "results.csv").open(newline="") as file:
        statuses = {row["quantizer"]: row["status"] for row in csv.DictReader(file)}
    assert statuses == dict.fromkeys(quantizers.families(), "done") | {"fsq": "unavailable"}
    assert REASON in (run / "report.md").read_text(encoding="utf-8")
    assert bench("evaluate", run).returncode == 3
    for verb in (("report", run), ("export", run, "--quantizer", "vq", "-o", tmp_path / "tokenizer")):
        assert bench(*verb).returncode == 0
    assert bench("export", run, "--quantizer", "fsq", "-o", tmp_path / "none").returncode == 2
