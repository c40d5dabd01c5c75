import numpy as np
import pytest
from safetensors.numpy import save_file

from bench.analysis.map_agreements import map_agreements
from bench.analysis.results import results
from bench.planning.planner import make
from bench.planning.request import Request
from tests.builders import finished

CODES = {0: [0, 1, 2, 2], 1: [7, 7, 3, 3], 2: [1, 2, 3, 3]}
"""Codes of four frames under three seeds: the first and the last agree but for names."""
SQUARE = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1], [3, 0], [3, 1]])


@pytest.fixture(scope="module")
def plan():
    return make(Request(quantizers="vq,som-vq,vq+sorted", datasets="lorenz", protocol="tiny", seeds="3"))


def run_of(plan, folder, codes=CODES, without=()):
    (folder / "cells").mkdir(parents=True)
    for cell in plan.cells:
        arrays = {"codes.common": np.array(codes[cell.seed], dtype=np.int32)}
        if cell.row == "som-vq":
            arrays["positions"] = SQUARE
        if cell.seed not in without:
            save_file(arrays, folder / "cells" / f"{cell.key}.codes.safetensors")
    records = {cell.key: {"key": cell.key, "status": "done", "metrics": {}} for cell in plan.cells}
    return finished(plan, records, folder)


def by_seed(run, name, row="vq"):
    values = map_agreements(run)[name]
    return {cell.seed: values[cell.key] for cell in run.plan.cells if cell.row == row and cell.key in values}


def test_agreement_is_the_mean_over_the_other_seeds(plan, tmp_path):
    run = run_of(plan, tmp_path / "run")
    # 0.8 with the codes that merge two of three, and 1 with those that have other names.
    assert by_seed(run, "map_agreement") == pytest.approx({0: 0.9, 1: 0.8, 2: 0.9})
    assert by_seed(run, "map_agreement", "som-vq") == by_seed(run, "map_agreement")
    assert not by_seed(run, "map_agreement", "vq+sorted")
    assert not by_seed(run, "grid_agreement")


def test_grids_are_compared_by_the_positions_of_the_frames(plan, tmp_path):
    run = run_of(plan, tmp_path / "run", codes={0: [0, 1, 2, 3], 1: [1, 3, 0, 2], 2: [0, 1, 2, 3]})  # 1 is turned
    assert by_seed(run, "grid_agreement", "som-vq") == pytest.approx({0: 1.0, 1: 1.0, 2: 1.0})


def test_results_have_the_columns(plan, tmp_path):
    table = results(run_of(plan, tmp_path / "run")).set_index(["quantizer", "seed"])
    assert table.loc[("vq", 1), "map_agreement"] == pytest.approx(0.8)
    assert np.isnan(table.loc[("vq+sorted", 1), "map_agreement"])


def test_what_cannot_be_read_is_left_out(plan, tmp_path):
    run = run_of(plan, tmp_path / "run", without=(1,))
    (key,) = (cell.key for cell in plan.cells if (cell.row, cell.seed) == ("vq", 2))
    (tmp_path / "run" / "cells" / f"{key}.codes.safetensors").write_bytes(b"spoilt")
    assert not by_seed(run, "map_agreement")
    assert by_seed(run, "map_agreement", "som-vq") == pytest.approx({0: 1.0, 2: 1.0})
