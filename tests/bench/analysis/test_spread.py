import dataclasses

import pytest

from bench.analysis.spread import spread
from bench.planning import cells
from bench.planning import planner as planning
from bench.planning.request import Request
from bench.records.files import write_json
from tests.builders import finished

MSE = {"vq": (1.0, 2.0, 4.0), "fsq": (2.0, 4.0, 8.0)}


@pytest.fixture(scope="module")
def plan():
    return planning.make(Request(quantizers="vq,fsq", datasets="lorenz", protocol="tiny", seeds="3"))


def records(plan, values):
    return {
        cell.key: {"key": cell.key, "status": "done", "metrics": {"mse": values[cell.row][cell.seed % 3]}}
        for cell in plan.cells
    }


def test_what_all_rows_share_is_the_data(plan):
    """On the log scale of mse both rows double from seed to seed alike."""
    row = spread(finished(plan, records(plan, MSE))).iloc[0]
    assert (row["dataset"], row["metric"], row["seeds"], row["rows"]) == ("lorenz", "mse", 3, 2)
    assert (row["data"], row["rest"]) == pytest.approx((1.0, 0.0))
    assert row.isna()["training"]


def test_what_rows_do_not_share_is_the_rest(plan):
    row = spread(finished(plan, records(plan, {"vq": (1.0, 2.0, 1.0), "fsq": (2.0, 1.0, 2.0)}))).iloc[0]
    assert (row["data"], row["rest"]) == pytest.approx((0.0, 1.0))


def test_two_seeds_tell_nothing_apart(plan):
    two = dataclasses.replace(plan, cells=tuple(cell for cell in plan.cells if cell.seed < 2))
    assert spread(finished(two, records(two, MSE))).empty


def test_null_pairs_measure_the_share_of_training(plan, tmp_path):
    made = records(plan, {"vq": (1.0, 2.0, 1.0), "fsq": (2.0, 1.0, 2.0)})
    null = dataclasses.replace(
        plan, cells=tuple(dataclasses.replace(cell, key=f"{cell.key[:-1]}x", role="null") for cell in plan.cells)
    )
    (tmp_path / "null" / "cells").mkdir(parents=True)
    write_json(tmp_path / "null" / "plan.json", cells.values(null) | {"schema": 3})
    for cell, original in zip(null.cells, plan.cells, strict=True):
        record = made[original.key] | {"key": cell.key, "schema": 3}
        write_json(tmp_path / "null" / "cells" / f"{cell.key}.json", record)
    row = spread(finished(plan, made, tmp_path)).iloc[0]
    # Every training on the same data gave the same value: nothing of the spread is the training seed's.
    assert (row["data"], row["training"], row["rest"]) == pytest.approx((0.0, 0.0, 1.0))
