"""Tables of hand-made records."""

import dataclasses
import time

import pandas as pd
import pytest

from bench.analysis.results import results, summary
from bench.metrics import METRICS
from bench.planning.cells import Unavailable
from bench.planning.planner import make
from bench.planning.request import Request
from tests.builders import finished

CURVE = {"vq": (0.90, 4.0), "vq@4": (0.60, 1.0), "vq@8": (0.80, 2.0), "vq@32": (0.95, 6.0)}
OTHERS = {
    "som-vq": (1 - 0.02**0.5, 2.5),  # leaves the geometric mean of .2 and .1: half way between 2 and 4 bits
    "ksom": (0.90, 4.0),
    "fsq": (0.99, 9.0),  # above the curve
    "vq-vae": (0.50, 0.5),  # below it
    "kmeans": (1 - 0.08**0.5, 1.0),  # likewise of .4 and .2
}


def made(quantizers=(*CURVE, *OTHERS, "vq+shuffled", "vq+sorted", "none"), **changes):
    asked = {"quantizers": ",".join(quantizers), "datasets": "lorenz", "protocol": "tiny", "seeds": "2"} | changes
    return make(Request(**asked))


def record(cell, shift):
    metrics = {}
    if cell.control == "shuffled":
        metrics["bits_per_frame"] = 4.0
    elif cell.quantizer == "none":
        metrics["explained"] = 0.9
    elif not cell.control:
        explained, bits = (CURVE | OTHERS)[cell.row]
        metrics = {"explained": explained, "bits_per_frame": bits + shift}
    return {"key": cell.key, "status": "done", "metrics": metrics, "device": "cpu"}


def excess(plan, records):
    table = results(finished(plan, records))
    return {(row.quantizer, row.seed): row.rate_excess for row in table.itertuples()}


def test_rate_excess_is_read_off_plain_vqs_curve_of_the_same_seed():
    """Seed 1 pays a bit more everywhere: against its own curve that makes no difference."""
    plan = made()
    excesses = excess(plan, {cell.key: record(cell, float(cell.seed)) for cell in plan.cells})
    for seed in (0, 1):
        for row in CURVE:
            assert excesses[row, seed] == 0.0
        assert excesses["som-vq", seed] == pytest.approx(2.5 - 3.0)
        assert excesses["ksom", seed] == 0.0
        assert excesses["kmeans", seed] == pytest.approx(1.0 - 1.5)
        for row in ("fsq", "vq-vae", "vq+shuffled", "vq+sorted", "none"):
            assert pd.isna(excesses[row, seed])


def test_rate_excess_is_blank_without_a_curve_of_the_same_seed_and_for_what_is_not_done():
    plan = made()
    records = {cell.key: record(cell, 0.0) for cell in plan.cells}
    for cell in plan.cells:
        if cell.seed == 1 and cell.row in CURVE and cell.row != "vq":
            del records[cell.key]
        if cell.seed == 0 and cell.row == "som-vq":
            records[cell.key] |= {"status": "failed"}
    excesses = excess(plan, records)
    assert pd.isna(excesses["som-vq", 0])
    assert excesses["ksom", 0] == 0.0
    assert {row for (row, seed), value in excesses.items() if seed == 1 and not pd.isna(value)} == set()


def test_a_vq_of_other_values_makes_no_curve():
    plan = made(settings=("vq.decay=0.9",))
    excesses = excess(plan, {cell.key: record(cell, 0.0) for cell in plan.cells})
    assert all(pd.isna(value) for value in excesses.values())


def test_the_summary_of_a_group_is_that_of_its_done_cells_with_a_value():
    """mse 1, 2, 3: t with 2 degrees of freedom is 4.303, times 1 / sqrt(3). A failed cell's 9 is not in it."""
    plan = made(("vq", "ksom", "fsq"), seeds="4")
    values = {("vq", 0): 1.0, ("vq", 1): 2.0, ("vq", 2): 3.0, ("vq", 3): 9.0, ("ksom", 2): 5.0}
    records = {}
    for cell in plan.cells:
        measured = {"mse": values.get((cell.row, cell.seed)), "active": 50.0 if cell.seed == 1 else None}
        status = "failed" if cell.seed == 3 or cell.row == "fsq" else "done"
        records[cell.key] = {"key": cell.key, "status": status, "metrics": measured, "device": "cpu"}
    absent = (Unavailable("vq", "music", 0, "not on this machine"),)
    summed = summary(results(finished(dataclasses.replace(plan, unavailable=absent), records)))
    assert summed[["quantizer", "dataset", "cells", "done"]].to_numpy().tolist() == [
        ["vq", "lorenz", 4, 3],
        ["ksom", "lorenz", 4, 3],
        ["fsq", "lorenz", 4, 0],
        ["vq", "music", 1, 0],
    ]
    vq, ksom, fsq, _ = summed.to_dict("records")
    assert [vq[name] for name in ("mse", "mse_std", "mse_n")] == [2.0, 1.0, 3]
    assert [vq["mse_low"], vq["mse_high"]] == pytest.approx([2 - 2.4841, 2 + 2.4841], abs=1e-4)
    assert (vq["active"], vq["active_n"], ksom["mse"], ksom["mse_n"]) == (50.0, 1, 5.0, 1)
    assert all(pd.isna(value) for value in (vq["active_low"], ksom["mse_std"], fsq["mse"], fsq["mse_n"]))


def test_without_records_the_summary_is_empty():
    plan = made(("vq",))
    summed = summary(results(finished(plan, {})))
    assert len(summed) == 0
    assert [*summed][:2] == ["quantizer", "dataset"]


@pytest.mark.slow
def test_a_hundred_thousand_records_are_summarised_within_ten_seconds():
    plan = made(("ksom",), seeds="1")
    (cell,) = plan.cells
    names = [(f"row {row}", seed) for row in range(20_000) for seed in range(5)]
    cells = [dataclasses.replace(cell, row=row, seed=seed, key=f"{row} {seed}") for row, seed in names]
    metrics = {name: 0.1 for name, metric in METRICS.items() if metric.function}
    records = {item.key: {"key": item.key, "status": "done", "metrics": metrics, "device": "cpu"} for item in cells}
    begun = time.process_time()
    summed = summary(results(finished(dataclasses.replace(plan, cells=tuple(cells)), records)))
    assert time.process_time() - begun < 10
    assert len(summed) == 20_000
