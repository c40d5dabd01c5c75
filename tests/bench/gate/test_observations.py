"""What a run measured of what the gate watches; and the baseline that CI checks a run against."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.gate import baseline
from bench.gate.check import compare
from bench.gate.observations import measured, undone
from bench.publishing import finished_runs

COMMITTED = Path(__file__).resolve().parents[2] / "baselines" / "tiny.json"


@pytest.fixture(scope="module")
def committed():
    return baseline.read(COMMITTED).rows


def test_values_stand_by_data_seed_without_controls_and_without_facts(ran):
    folder = ran("run", lambda cell: {"mse": 0.1 + cell.seed}, quantizers="vq,vq+shuffled", seeds="0,2")
    (actual,) = measured(finished_runs.load(folder)).items()
    pair, row = actual
    assert pair == ("vq", "lorenz")
    assert row.trainings.data_seeds == (0, 2)
    assert row.trainings.values["mse"] == (0.1, 2.1)
    assert row.trainings.values["bits_per_frame"] == (None, None)
    assert "usage_ppl" not in row.trainings.values
    assert (row.conditions["device"], row.conditions["protocol"]["codebook_size"]) == ("cpu", 16)


def test_cells_without_a_result_are_told_with_their_cause(ran):
    run = finished_runs.load(ran("run", lambda cell: {}, quantizers="vq", status=lambda cell: "timeout"))
    run.records.pop(run.plan.cells[0].key)
    assert [item.part for item in undone(run)] == [f"seed {seed}" for seed in range(4)]
    assert undone(run)[0].reason == "it has no readable record"
    assert undone(run)[1].reason == "timeout: RuntimeError: <script>alert(1)</script>"


def test_the_committed_baseline_is_of_the_run_that_ci_makes(ran, committed):
    """Where this fails, defaults or the tiny protocol have changed: docs/ci.md says how to renew the baseline."""
    folder = ran("run", lambda cell: {}, quantizers="all", datasets="lorenz,aist-standin", seeds="2")
    now = measured(finished_runs.load(folder))
    _, problems, notes = compare(committed, now, {})
    assert not notes
    assert not [problem for problem in problems if "not comparable" in problem.reason]
    assert {row.trainings.data_seeds for row in committed.values()} == {(0, 1)}
    assert all(len(row.null.data_seeds) == 10 for row in committed.values())


def test_the_committed_baseline_shows_that_every_row_lost_its_reconstruction(committed):
    assert {comparison.outcome for comparison in compare(committed, committed, {})[0]} == {"holds"}
    for pair, row in committed.items():
        values = row.trainings.values | {"mse": tuple(2 * value for value in row.trainings.values["mse"])}
        broken = committed | {pair: replace(row, trainings=replace(row.trainings, values=values))}
        fell = [comparison for comparison in compare(committed, broken, {})[0] if comparison.outcome == "regressed"]
        assert [(comparison.row, comparison.dataset, comparison.metric) for comparison in fell] == [(*pair, "mse")]
