import math

import pytest

from bench.analysis.rates import rate_differences
from bench.planning.planner import make
from bench.planning.request import Request
from tests.builders import finished

QUANTIZERS = "vq,vq@4,vq@64,som-vq,som-vq@4,som-vq@64,ksom,vq+sorted"
FACTORS = {"vq": (1.0, 1.0, 1.0), "som-vq": (1.1, 1.2, 1.3), "ksom": (2.0, 2.0, 2.0)}


@pytest.fixture(scope="module")
def run():
    """Bits rise by half a bit per decibel; SOM-VQ needs 10, 20 and 30 % more of them than VQ, by seed."""
    plan = make(Request(quantizers=QUANTIZERS, datasets="lorenz", protocol="tiny", seeds="3"))
    records = {}
    for cell in plan.cells:
        decibels = 3.0 * math.log2(cell.capacity.codebook_size)
        bits = FACTORS[cell.quantizer][cell.seed] * math.exp(decibels / 10)
        metrics = {} if cell.control else {"explained": 1 - 10 ** (-decibels / 10), "bits_per_frame": bits}
        records[cell.key] = {"key": cell.key, "status": "done", "metrics": metrics}
    return finished(plan, records)


def test_a_family_with_a_curve_has_its_mean_over_seeds(run):
    (row,) = rate_differences(run).to_dict("records")
    assert (row["dataset"], row["quantizer"], row["sizes"], row["n"]) == ("lorenz", "som-vq", 3, 3)
    assert row["difference"] == pytest.approx(0.2)
    half = 4.302653 * 0.1 / math.sqrt(3)  # the t quantile of two degrees of freedom
    assert (row["low"], row["high"]) == pytest.approx((0.2 - half, 0.2 + half))


def test_without_curves_there_is_no_row():
    plan = make(Request(quantizers="vq,som-vq", datasets="lorenz", protocol="tiny", seeds="2"))
    metrics = {"explained": 0.5, "bits_per_frame": 1.0}
    records = {cell.key: {"key": cell.key, "status": "done", "metrics": metrics} for cell in plan.cells}
    assert rate_differences(finished(plan, records)).empty
