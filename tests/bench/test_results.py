"""Tables of hand-made records."""

import pandas as pd
import pytest

from bench.plan import make
from bench.request import Request
from bench.results import results

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
    table = results(plan, records)
    return {(row.quantizer, row.seed): row.rate_excess for row in table.itertuples()}


def test_rate_excess_is_read_off_plain_vqs_curve_of_the_same_seed():
    """Seed 1 pays a bit more everywhere: against its own curve that makes no difference."""
    plan = made()
    found = excess(plan, {cell.key: record(cell, float(cell.seed)) for cell in plan.cells})
    for seed in (0, 1):
        for row in CURVE:
            assert found[row, seed] == 0.0
        assert found["som-vq", seed] == pytest.approx(2.5 - 3.0)
        assert found["ksom", seed] == 0.0
        assert found["kmeans", seed] == pytest.approx(1.0 - 1.5)
        for row in ("fsq", "vq-vae", "vq+shuffled", "vq+sorted", "none"):
            assert pd.isna(found[row, seed])


def test_rate_excess_is_blank_without_a_curve_of_the_same_seed_and_for_what_is_not_done():
    plan = made()
    records = {cell.key: record(cell, 0.0) for cell in plan.cells}
    for cell in plan.cells:
        if cell.seed == 1 and cell.row in CURVE and cell.row != "vq":
            del records[cell.key]
        if cell.seed == 0 and cell.row == "som-vq":
            records[cell.key] |= {"status": "failed"}
    found = excess(plan, records)
    assert pd.isna(found["som-vq", 0])
    assert found["ksom", 0] == 0.0
    assert {row for (row, seed), value in found.items() if seed == 1 and not pd.isna(value)} == set()


def test_a_vq_of_other_values_makes_no_curve():
    plan = made(settings=("vq.decay=0.9",))
    found = excess(plan, {cell.key: record(cell, 0.0) for cell in plan.cells})
    assert all(pd.isna(value) for value in found.values())
