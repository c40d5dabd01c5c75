import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.analysis.comparisons import CLAIMS, RANKINGS, claims, rankings
from bench.metrics import METRICS
from bench.metrics.base import Metric
from bench.stats.estimates import holm, paired
from bench.stats.standings import standings

MSE = Metric("mse", None, "lower", "")
TRUST = Metric("trust", None, "higher", "")
MAGNIFICATION = Metric("magnification", None, "target", "", target=1.0)
ACTIVE = Metric("active", None, "none", "")

LOW = [1.0, 1.1, 1.3, 0.9, 1.2]
NEAR = [1.1, 1.0, 1.4, 0.8, 1.3]
HIGH = [5.2, 5.0, 5.3, 5.1, 4.9]


def cells(quantizer, role="family", dataset="lorenz", status="done", **metrics):
    n = len(next(iter(metrics.values())))
    fixed = {"quantizer": quantizer, "role": role, "dataset": dataset, "seed": range(n), "status": status}
    return pd.DataFrame(fixed | metrics)


def only(table, **where):
    """The one row whose columns have these values."""
    rows = table.loc[np.logical_and.reduce([table[name] == value for name, value in where.items()])]
    assert len(rows) == 1
    return rows.iloc[0]


def column(rows, name):
    return dict(zip(rows["quantizer"], rows[name], strict=True))


def test_a_ranking_is_the_standings_of_each_column():
    table = pd.concat(
        [
            cells("vq", mse=LOW, trust=LOW, train_seconds=HIGH),
            cells("fsq", mse=HIGH, trust=HIGH, train_seconds=LOW),
            cells("vq", dataset="aist", mse=HIGH, trust=LOW, train_seconds=LOW),
            cells("fsq", dataset="aist", mse=LOW, trust=NEAR, train_seconds=NEAR),
        ]
    )
    ranked = rankings(table, [MSE, TRUST], {"aist": 0.25})
    assert tuple(ranked) == RANKINGS
    keys = list(ranked[["dataset", "metric", "quantizer"]].itertuples(index=False, name=None))
    assert keys == [
        (d, m, q) for d in ("lorenz", "aist") for m in ("mse", "trust", "train_seconds") for q in ("vq", "fsq")
    ]
    marks = dict(zip(keys, ranked["standing"], strict=True))
    assert (marks["lorenz", "mse", "vq"], marks["lorenz", "mse", "fsq"]) == ("best", "behind")
    assert (marks["lorenz", "trust", "vq"], marks["lorenz", "trust", "fsq"]) == ("behind", "best")
    assert (marks["lorenz", "train_seconds", "vq"], marks["lorenz", "train_seconds", "fsq"]) == ("behind", "best")
    by_seed = {"vq": dict(enumerate(HIGH)), "fsq": dict(enumerate(LOW))}
    expected = standings(by_seed, "lower", overlap=0.25, effect=MSE.effect.of)["vq"]
    row = only(ranked, dataset="aist", metric="mse", quantizer="vq")
    assert row["low":"p_adjusted"].tolist() == [expected.low, expected.high, expected.p, expected.p_adjusted]
    assert (row["n"], row["mean"], row["best"], row["difference"]) == (5, expected.mean, "fsq", expected.difference)
    plain = only(rankings(table, [MSE], {}), dataset="aist", metric="mse", quantizer="vq")
    assert plain["p"] < row["p"]


@pytest.mark.parametrize("role", ["published", "reference", "control", "curve"])
def test_only_families_are_ranked(role):
    table = pd.concat([cells("vq", mse=NEAR), cells("fsq", mse=HIGH), cells("other", role=role, mse=LOW)])
    ranked = rankings(table, [MSE], {})
    assert column(ranked, "standing") == {"vq": "best", "fsq": "behind"}


def test_a_metric_without_a_better_end_is_not_ranked():
    table = pd.concat([cells("vq", mse=LOW, active=LOW), cells("fsq", mse=HIGH, active=HIGH)])
    assert set(rankings(table, [MSE, ACTIVE], {})["metric"]) == {"mse"}


def test_a_target_is_ranked_by_distance():
    table = pd.concat([cells("vq", magnification=LOW), cells("fsq", magnification=[-4.1, -4.0, -4.4, -4.2, -3.9])])
    ranked = rankings(table, [MAGNIFICATION], {})
    assert column(ranked, "standing") == {"vq": "best", "fsq": "behind"}
    assert column(ranked, "mean")["fsq"] == pytest.approx(-4.12)


def test_blanks_and_failed_cells_are_seeds_that_a_row_lacks():
    table = pd.concat(
        [
            cells("vq", mse=LOW),
            cells("fsq", mse=HIGH),
            cells("ksom", mse=[0.1, None, None, None, 0.1]),
            cells("som-vq", mse=[None] * 5),
            cells("som-hard", status="failed", mse=[0.1, 0.1, 0.1, 0.2, 0.1]),
        ]
    )
    ranked = rankings(table, [MSE], {})
    assert column(ranked, "standing") == {"vq": "best", "fsq": "behind", "ksom": "untested"}
    ksom = only(ranked, quantizer="ksom")
    assert ksom["n"] == 2
    assert ksom[["difference", "low", "high", "p", "p_adjusted"]].isna().all()


def test_two_seeds_rank_nothing():
    ranked = rankings(pd.concat([cells("vq", mse=[1.0, 1.1]), cells("fsq", mse=[5.0, 5.2])]), [MSE], {})
    assert set(ranked["standing"]) == {"untested"}
    assert ranked["best"].isna().all()


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    rows = [
        cells(name, dataset=dataset, mse=rng.normal(size=5) + i, topology_gain=rng.normal(size=5))
        for i, name in enumerate(("vq", "fsq", "ksom"))
        for dataset in ("lorenz", "aist")
    ]
    table = pd.concat(rows)
    mixed = table.sample(frac=1, random_state=0)
    for function, keys in (
        (lambda t: rankings(t, [MSE], {}), ["dataset", "metric", "quantizer"]),
        (lambda t: claims(t, {}), ["dataset", "claim", "metric", "quantizer", "against"]),
    ):
        actual, again = (function(t).sort_values(keys, ignore_index=True) for t in (table, mixed))
        pd.testing.assert_frame_equal(actual, again)


def test_two_rows_of_one_cell_are_refused():
    table = pd.concat([cells("vq", mse=LOW), cells("vq", mse=NEAR)])
    with pytest.raises(ValueError, match="one row"):
        rankings(table, [MSE], {})
    with pytest.raises(ValueError, match="one row"):
        claims(table, {})


@pytest.mark.parametrize("status", ["done", "failed"])
def test_nothing_gives_an_empty_table(status):
    table = cells("vq", status=status, mse=[None, None, None])
    assert tuple(rankings(table, [MSE], {})) == RANKINGS
    assert tuple(claims(table, {})) == CLAIMS
    assert len(rankings(table, [MSE], {})) == len(claims(table, {})) == 0


def test_topology_gain_against_zero_its_vectors_and_sorted_codes():
    gain, vectors, control = [0.3, 0.35, 0.33, 0.31, 0.4], [0.1, 0.12, 0.3, 0.25, 0.2], [0.3, 0.31, 0.36, 0.35, 0.38]
    table = pd.concat(
        [
            cells("som-vq", topology_gain=gain, vector_gain=vectors),
            cells("fsq:2d", role="published", topology_gain=[-x for x in gain], vector_gain=[None] * 5),
            cells("vq+sorted", role="control", topology_gain=control, vector_gain=vectors),
            cells("vq", topology_gain=[None] * 5, vector_gain=vectors),
            cells("none", role="reference", topology_gain=gain, vector_gain=vectors),
        ]
    )
    claimed = claims(table, {})
    assert tuple(claimed) == CLAIMS
    assert list(claimed[["quantizer", "against"]].itertuples(index=False, name=None)) == [
        ("som-vq", "0"),
        ("som-vq", "vector_gain"),
        ("som-vq", "vq+sorted"),
        ("fsq:2d", "0"),
        ("fsq:2d", "vq+sorted"),
    ]
    assert set(claimed["claim"]) == set(claimed["metric"]) == {"topology_gain"}
    assert list(claimed["outcome"]) == ["above", "above", "not separable", "below", "below"]
    pairs = [
        (gain, [0.0] * 5),
        (gain, vectors),
        (gain, control),
        ([-x for x in gain], [0.0] * 5),
        ([-x for x in gain], control),
    ]
    p = [stats.ttest_rel(*pair).pvalue for pair in pairs]
    assert claimed["p"].tolist() == pytest.approx(p)
    assert claimed["p_holm"].tolist() == pytest.approx(holm(p))
    assert claimed["difference"].tolist() == pytest.approx([np.mean(a) - np.mean(b) for a, b in pairs])


def test_comparisons_use_the_seeds_that_both_have():
    table = pd.concat(
        [
            cells("som-vq", topology_gain=[0.3, None, 0.35, 0.31, 0.2]),
            cells("vq+sorted", role="control", topology_gain=[0.1, 0.1, None, 0.2, 0.15]),
            cells("ksom", topology_gain=[0.3, 0.31, None, None, None]),
        ]
    )
    claimed = claims(table, {})
    against = only(claimed, quantizer="som-vq", against="vq+sorted")
    assert (against["n"], against["p"]) == (3, paired([0.3, 0.31, 0.2], [0.1, 0.2, 0.15]).p)
    assert only(claimed, quantizer="som-vq", against="0")["n"] == 4
    few = only(claimed, quantizer="ksom", against="0")
    assert (few["n"], few["outcome"]) == (2, "untested")
    assert math.isnan(few["p"])
    assert math.isnan(few["difference"])


def test_a_row_is_not_compared_with_itself():
    assert claims(cells("vq+sorted", topology_gain=LOW), {})["against"].tolist() == ["0"]


def test_no_difference_is_no_claim():
    table = pd.concat([cells("fsq", topology_gain=[0.0] * 5), cells("som-vq", topology_gain=[0.5] * 5)])
    assert claims(table, {})["outcome"].tolist() == ["identical", "untested"]


def test_the_papers_order():
    table = pd.concat(
        [
            cells("vq", seq_ppl=HIGH, bits_per_frame=[None] * 5),
            cells("som-hard", seq_ppl=NEAR, bits_per_frame=[None] * 5),
            cells("vq-vae:paper", role="published", seq_ppl=LOW, bits_per_frame=[None] * 5),
            cells("fsq", seq_ppl=HIGH, bits_per_frame=LOW),
            cells("som-vq", seq_ppl=LOW, bits_per_frame=LOW),
            cells("som-vq:paper", role="published", seq_ppl=HIGH, bits_per_frame=LOW),
        ]
    )
    claimed = claims(table, {})
    assert set(claimed["claim"]) == {"paper order"}
    assert set(claimed["metric"]) == {"seq_ppl"}
    outcomes = dict(zip(zip(claimed["quantizer"], claimed["against"], strict=True), claimed["outcome"], strict=True))
    assert outcomes == {
        ("som-vq", "vq"): "below",
        ("som-vq", "som-hard"): "not separable",
        ("som-vq", "vq-vae:paper"): "identical",
        ("som-vq:paper", "vq"): "identical",
        ("som-vq:paper", "som-hard"): "above",
        ("som-vq:paper", "vq-vae:paper"): "above",
    }
    tested = claimed.dropna(subset="p")
    assert tested["p_holm"].tolist() == pytest.approx(holm(tested["p"]))


def test_overlap_of_a_dataset_widens_its_claims_only():
    table = pd.concat([cells("som-vq", dataset=dataset, topology_gain=LOW) for dataset in ("lorenz", "aist")])
    claimed = claims(table, {"aist": 0.25})
    assert only(claimed, dataset="lorenz")["p"] == paired(LOW, [0.0] * 5).p
    assert only(claimed, dataset="aist")["p"] == paired(LOW, [0.0] * 5, 0.25).p


def test_primary_columns_of_a_dataset_are_judged_together():
    rows = [
        cells("vq", mse=[1.0, 1.1, 1.3], bits_per_frame=[5.0, 5.1, 5.3], trust=[0.9, 0.91, 0.92]),
        cells("fsq", mse=[2.0, 2.3, 2.9], bits_per_frame=[4.0, 4.3, 4.1], trust=[0.8, 0.83, 0.81]),
    ]
    table = pd.concat(rows)
    alone = rankings(table, [METRICS["mse"]], {})
    both = rankings(table, [METRICS["mse"], METRICS["bits_per_frame"], TRUST], {})
    p = {"alone": only(alone, quantizer="fsq", metric="mse")["p_adjusted"]}
    p["both"] = only(both, quantizer="fsq", metric="mse")["p_adjusted"]
    assert p["both"] == pytest.approx(2 * p["alone"])
    exploratory = only(both, quantizer="fsq", metric="trust")
    assert exploratory["p_adjusted"] == pytest.approx(exploratory["p"])
    # A single family leaves nothing to compare in a column.
    lonely = table.assign(bits_per_frame=[5.0, 5.1, 5.3, None, None, None])
    assert only(rankings(lonely, [METRICS["mse"], METRICS["bits_per_frame"]], {}), quantizer="fsq", metric="mse")[
        "p_adjusted"
    ] == pytest.approx(p["alone"])
