"""The gate's judgement, on tables made by hand."""

import math

import numpy as np
import pytest

from bench.gate.baseline import Measured, Series
from bench.gate.check import FALSE_ALARMS, Verdict, compare
from bench.gate.effects import effect
from bench.gate.observations import Problem
from bench.metrics import METRICS
from tests.builders import finished

SEEDS = (0, 1, 2, 3, 4)
CONDITIONS = {
    "quantizer": "vq",
    "parameters": {"decay": 0.99, "levels": [8, 5]},
    "dataset_parameters": {"dt": 0.01},
    "recipe": {"sha256": "abc"},
    "protocol": {"codebook_size": 256, "schedule": {"epochs": 24, "batch": 256}},
    "device": "cpu",
}
PAIR = ("vq", "lorenz")


def series(seeds=SEEDS, **values):
    return Series(tuple(seeds), {name: tuple(column) for name, column in values.items()})


def row(null_seeds=(0, 1), conditions=CONDITIONS, null=None, seeds=SEEDS, **values):
    """Null trainings lie `null` above the run's own."""
    trainings = series(seeds, **values)
    others = {
        name: [column[seeds.index(seed)] + (null or {}).get(name, 0.0) for seed in null_seeds]
        for name, column in trainings.values.items()
    }
    return Measured(conditions, trainings, series(null_seeds, **others))


def run(seeds=SEEDS, conditions=CONDITIONS, **values):
    return Measured(conditions, series(seeds, **values))


def judged(before, after):
    """The only comparison of a row with one metric."""
    (comparisons,), problems, notes = compare({PAIR: before}, {PAIR: after}, {})
    assert (problems, notes) == ((), ())
    return comparisons


def verdict(before, after, absent=None, failed=()):
    comparisons, problems, notes = compare(before, after, absent or {})
    return Verdict(comparisons=comparisons, failed=failed, unmeasured=problems, notes=notes)


MSE = [0.010, 0.011, 0.012, 0.013, 0.014]


def test_the_same_values_hold_with_a_loss_of_exactly_zero():
    comparisons = judged(row(mse=MSE, null={"mse": 0.0004}), run(mse=MSE))
    assert (comparisons.loss, comparisons.p, comparisons.outcome, comparisons.n) == (0.0, 0.5, "holds", 5)
    assert comparisons.before == comparisons.after == pytest.approx(0.012)


def test_a_loss_is_weighed_as_computed_by_hand():
    # Two null pairs that differ by .0004 and one by the smallest loss that matters, over two degrees of freedom.
    comparisons = judged(row(mse=MSE, null={"mse": 0.0004}), run(mse=[x + 0.003 for x in MSE]))
    assert comparisons.noise.freedom == 2
    assert comparisons.least == pytest.approx(0.03 * 0.012)
    assert comparisons.noise.std**2 == pytest.approx((2 * 0.0004**2 + 0.00036**2) / 2)
    t = 0.003 / (comparisons.noise.std / math.sqrt(5))
    assert comparisons.p == pytest.approx((1 - t / math.sqrt(t**2 + 2)) / 2)  # the t distribution with two degrees
    assert comparisons.outcome == "regressed"


def test_a_sure_loss_too_small_to_matter_holds():
    comparisons = judged(row(null_seeds=SEEDS * 8, mse=MSE, null={"mse": 1e-7}), run(mse=[x * 1.01 for x in MSE]))
    assert comparisons.p < FALSE_ALARMS
    assert comparisons.outcome == "holds"


def test_a_large_loss_within_the_noise_holds():
    comparisons = judged(row(mse=MSE, null={"mse": 0.01}), run(mse=[x * 1.5 for x in MSE]))
    assert comparisons.loss > comparisons.least
    assert comparisons.outcome == "holds"


def test_every_data_seed_is_compared_with_itself():
    """Data differ tenfold, and that is no noise: the run loses as much on each."""
    values = [0.01, 0.1, 0.02, 0.05, 0.01]
    comparisons = judged(row(mse=values, null={"mse": 0.0001}), run(mse=[x + 0.01 for x in values]))
    assert comparisons.outcome == "regressed"
    assert comparisons.loss == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("metric", "value", "worse", "better"),
    [
        ("mse", 0.5, 0.7, 0.3),
        ("explained", 0.5, 0.3, 0.7),
        ("active", 80.0, 60.0, 95.0),
        ("distortion_ratio", 1.5, 1.9, 1.1),
        ("distortion_ratio", 0.5, 0.1, 0.9),
        ("topographic_product", -0.05, -0.09, 0.01),
    ],
)
def test_worse_is_the_metrics_own_matter(metric, value, worse, better):
    before = row(**{metric: [value] * 5}, null={metric: 1e-6 * value})
    assert judged(before, run(**{metric: [worse] * 5})).outcome == "regressed"
    risen = judged(before, run(**{metric: [better] * 5}))
    assert risen.outcome == "improved"
    assert risen.p <= FALSE_ALARMS


def test_a_target_overshot_as_far_as_it_was_missed_is_no_loss():
    comparisons = judged(
        row(distortion_ratio=[0.8] * 5, null={"distortion_ratio": 1e-6}), run(distortion_ratio=[1.2] * 5)
    )
    assert comparisons.loss == pytest.approx(0, abs=1e-12)
    assert comparisons.outcome == "holds"


def test_holm_runs_over_all_comparisons_of_the_table():
    before = {(name, "lorenz"): row(mse=MSE, null={"mse": 0.0004}) for name in "abcdefgh"}
    after = {pair: run(mse=MSE) for pair in before} | {("a", "lorenz"): run(mse=[x + 0.003 for x in MSE])}
    actual = {comparison.row: comparison for comparison in verdict(before, after).comparisons}
    alone = judged(row(mse=MSE, null={"mse": 0.0004}), run(mse=[x + 0.003 for x in MSE]))
    assert actual["a"].p == pytest.approx(8 * alone.p)
    assert (alone.outcome, actual["a"].outcome) == ("regressed", "holds")
    assert actual["a"].reach > alone.reach


def test_the_reach_is_of_a_single_loss_among_all_comparisons():
    comparisons = judged(row(mse=MSE, null={"mse": 0.0004}), run(mse=MSE))
    assert comparisons.reach == comparisons.noise.reach(5, FALSE_ALARMS, comparisons.least)


def test_fewer_seeds_are_compared_and_told():
    before = {PAIR: row(mse=MSE, null={"mse": 0.0001})}
    outcome = verdict(before, {PAIR: run(seeds=(1, 3, 7), mse=[0.02, 0.02, 9.0])})
    assert outcome.comparisons[0].n == 2
    assert outcome.comparisons[0].before == pytest.approx(0.012)
    assert outcome.notes == ("some comparisons are over 2 of the baseline's 5 seeds",)
    assert outcome.code == 1


def test_what_the_baseline_does_not_know_is_told_and_not_checked():
    baseline_rows = {PAIR: row(mse=MSE, null={"mse": 0.0001})}
    outcome = verdict(baseline_rows, {PAIR: run(mse=MSE), ("new", "lorenz"): run(mse=MSE)})
    assert outcome.notes == ("not in the baseline, so not checked: new on lorenz",)
    assert outcome.code == 0


def unmeasured(before, after, absent=None):
    outcome = verdict({PAIR: before}, after, absent)
    assert outcome.code == 2
    (problem,) = outcome.unmeasured
    assert (problem.row, problem.dataset) == PAIR
    return problem.part, problem.reason


def test_a_row_that_is_not_there_is_not_measured():
    before = row(mse=MSE, null={"mse": 0.0001})
    assert unmeasured(before, {}) == ("", "in the baseline, but not in this run")
    assert unmeasured(before, {}, {PAIR: "no data on this machine"}) == ("", "no data on this machine")


def test_a_metric_that_is_not_there_is_not_measured():
    before = row(mse=MSE, trust=MSE, null={"mse": 0.0001, "trust": 0.0001})
    what, reason = unmeasured(before, {PAIR: run(mse=MSE, trust=[None] * 5)})
    assert (what, reason) == ("trust", "not measured: blank on every seed that the baseline has it for")
    what, reason = unmeasured(before, {PAIR: run(mse=MSE)})
    assert (what, reason) == ("trust", "not measured: this version does not watch such a metric")
    what, reason = unmeasured(row(mse=MSE, gone=MSE, null={"mse": 1, "gone": 1}), {PAIR: run(mse=MSE, gone=MSE)})
    assert what == "gone"


def test_a_metric_blank_on_some_seeds_is_compared_on_the_others():
    before = row(mse=MSE, null={"mse": 0.0001})
    outcome = verdict({PAIR: before}, {PAIR: run(mse=[0.02, None, 0.02, None, 0.02])})
    assert outcome.comparisons[0].n == 3
    assert outcome.comparisons[0].before == pytest.approx(0.012)
    assert len(outcome.notes) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"parameters": {"decay": 0.9, "levels": [8, 5]}}, "parameters.decay is 0.99 in the baseline and 0.9 in this"),
        ({"parameters": {"decay": 0.99, "levels": [8]}}, "parameters.levels is [8, 5] in the baseline and [8] in this"),
        ({"dataset_parameters": {"dt": 0.02}}, "dataset_parameters.dt is 0.01 in the baseline and 0.02 in this run"),
        ({"recipe": {}}, "recipe.sha256 is 'abc' in the baseline and None in this run"),
        ({"device": "cuda"}, "device is 'cpu' in the baseline and 'cuda' in this run"),
        ({"protocol": {"codebook_size": 256, "schedule": {"epochs": 12, "batch": 256}}}, "protocol.schedule.epochs is"),
    ],
)
def test_unlike_conditions_are_a_reason_and_no_regression(change, reason):
    before = row(mse=MSE, null={"mse": 0.0001})
    what, lines = unmeasured(before, {PAIR: run(conditions=CONDITIONS | change, mse=[9.0] * 5)})
    assert what == ""
    assert lines.startswith("not comparable: ")
    assert reason in lines


@pytest.mark.parametrize(("dimensions", "comparable"), [(2, True), (3, False)])
def test_a_parameter_that_a_family_has_got_since_counts_at_its_default_as_no_change(dimensions, comparable):
    old = CONDITIONS | {"quantizer": "ksom", "parameters": {"decay": 0.99}}
    new = old | {"parameters": {"decay": 0.99, "dimensions": dimensions}}
    before = row(mse=MSE, null={"mse": 0.0001}, conditions=old)
    if comparable:
        assert judged(before, run(conditions=new, mse=MSE)).outcome == "holds"
    else:
        what, lines = unmeasured(before, {PAIR: run(conditions=new, mse=MSE)})
        assert what == ""
        assert "parameters.dimensions is None in the baseline and 3 in this run" in lines


def test_other_seeds_are_not_comparable():
    before = row(mse=MSE, null={"mse": 0.0001})
    _, reason = unmeasured(before, {PAIR: run(seeds=(7, 8), mse=[9.0] * 2)})
    assert reason == "not comparable: seeds 0, 1, 2, 3, 4 in the baseline, 7, 8 in this run"


def test_an_empty_baseline_measures_nothing():
    assert verdict({}, {PAIR: run(mse=MSE)}).code == 2


def test_codes_by_precedence():
    baseline_rows = {PAIR: row(mse=MSE, null={"mse": 0.0001}), ("fsq", "lorenz"): row(mse=MSE, null={"mse": 0.0001})}
    fallen, whole = run(mse=[9.0] * 5), run(mse=MSE)
    failed = (Problem(row="vq", dataset="lorenz", part="seed 3", reason="failed: out of memory"),)
    both = {PAIR: whole, ("fsq", "lorenz"): whole}
    assert verdict(baseline_rows, both).code == 0
    assert verdict(baseline_rows, both | {PAIR: fallen}).code == 1
    assert verdict(baseline_rows, {PAIR: whole}).code == 2
    assert verdict(baseline_rows, {PAIR: fallen}).code == 1
    assert verdict(baseline_rows, {PAIR: fallen}, failed=failed).code == 3


def test_every_metric_has_a_smallest_effect():
    assert all(effect(name).size > 0 for name in METRICS)
    assert effect("mse").of(-2.0) == pytest.approx(0.06)  # 3 % of its value
    assert effect("trust").of(0.9) == 0.005
    assert effect("of_a_plug_in").of(2.0) == pytest.approx(0.1)


def test_nothing_changed_is_called_fallen_in_at_most_one_check_of_a_hundred():
    """Forty comparisons with ten null pairs over five seeds, normal noise: any loss at all is a false alarm."""
    rng = np.random.default_rng(0)
    trials, alarms, names = 200, 0, [(f"q{index}", "lorenz") for index in range(40)]
    for _ in range(trials):
        levels = 1 + rng.uniform(size=(40, 5, 1))
        values = (levels + rng.normal(0, 0.2, (40, 5, 4))).tolist()  # mse may lose 5 %, and the noise is 20 %
        before, after = {}, {}
        for name, item in zip(names, values, strict=True):
            null = series((0, 0, 1, 1, 2, 2, 3, 3, 4, 4), mse=[x for seed in item for x in seed[2:]])
            before[name] = Measured(CONDITIONS, series(mse=[seed[0] for seed in item]), null)
            after[name] = run(mse=[seed[1] for seed in item])
        alarms += verdict(before, after).code == 1
    assert alarms / trials <= 0.01 + 2 * math.sqrt(0.01 * 0.99 / trials)


def test_failed_cells_are_told_with_their_cause():
    from types import SimpleNamespace

    cells = [SimpleNamespace(key=key, row="vq", dataset="lorenz", seed=seed) for seed, key in enumerate("abc")]
    error = {"type": "RuntimeError", "message": "out\nof memory"}
    records = {"a": {"status": "failed", "error": error}, "b": {"status": "interrupted", "error": {"message": "stop"}}}
    from bench.gate.observations import undone

    assert [(item.part, item.reason) for item in undone(finished(SimpleNamespace(cells=cells), records))] == [
        ("seed 0", "failed: RuntimeError: out of memory"),
        ("seed 1", "interrupted: stop"),
        ("seed 2", "it has no readable record"),
    ]
