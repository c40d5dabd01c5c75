"""From a run's folder to what figures are drawn from."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import datasets
from bench.planning import planner as planning
from bench.planning.cells import Unavailable
from bench.planning.finished import FinishedRun
from bench.planning.request import Request
from bench.publishing.figure_data import run_data
from bench.records.store import Store
from datasets import registry
from datasets.base import split_sizes, stream
from datasets.lorenz import Lorenz, initial_conditions, integrate
from datasets.motion.poses import BODY
from datasets.sequences import Skeleton

JOINTS, EDGES = BODY.joints, BODY.bones
CHAIN = Skeleton(joints=("top", "second", "third", "end"), bones=((0, 1), (1, 2), (2, 3)))
ROWS = ("vq", "som-vq:paper", "vq+sorted", "none")


@pytest.fixture(scope="module")
def plan():
    return planning.make(
        Request(quantizers=",".join(ROWS), datasets="lorenz,aist-standin", protocol="tiny", seeds="0,3")
    )


def recorded(cell, **more):
    history = {"train": [None, 0.5], "validation": [0.75, 0.25]}
    return {"key": cell.key, "status": "done", "history": history, "data": {"unit": "cm"}, "metrics": {}} | more


def gathered(plan, folder, records):
    nothing = pd.DataFrame()
    tables = SimpleNamespace(table=nothing, summary=nothing, rankings=nothing, metrics=[])
    return run_data(FinishedRun(plan=plan, records=records, store=Store(folder)), tables, {})


@pytest.fixture(scope="module")
def run(plan, tmp_path_factory):
    """All done but the second seed of vq."""
    folder = tmp_path_factory.mktemp("run")
    curves = {"seq_ppl": [[5, 9.0], [17, None]]}
    records = {cell.key: recorded(cell, curves=curves) for cell in plan.cells}
    for cell in plan.cells:
        if (cell.row, cell.seed) == ("vq", 3):
            records[cell.key] = {"key": cell.key, "status": "failed", "error": {}}
        if cell.row == "vq":
            stored = {f"codes.{split}": torch.tensor([[cell.seed]]) for split in ("train", "val", "test")}
            stored["prototypes"] = torch.ones(2, 3)
            save_file(stored, Store(folder).codes(cell.key))
    return gathered(plan, folder, records)


def test_curves_are_those_of_cells_that_are_done(run):
    assert {place for place in run.curves if place[1] == "vq"} == {("lorenz", "vq", 0), ("aist-standin", "vq", 0)}
    assert run.curves["lorenz", "vq", 0] == {"epochs": [(1, 0.75), (2, 0.25)], "seq_ppl": [[5, 9.0], [17, None]]}
    assert "epochs" not in run.curves["lorenz", "vq+sorted", 0]  # the training is vq's


def test_points_of_a_curve_may_be_updates(plan, tmp_path):
    cell = plan.cells[0]
    protocol = cell.protocol | {"schedule": cell.protocol["schedule"] | {"check_every": 50}}
    other = dataclasses.replace(plan, cells=(dataclasses.replace(cell, protocol=protocol),))
    run = gathered(other, tmp_path, {cell.key: recorded(cell)})
    assert run.curves[cell.dataset, cell.row, cell.seed] == {"updates": [(50, 0.75), (100, 0.25)]}


def test_codes_are_read_where_they_are_stored_and_whole(run, plan, tmp_path):
    assert run.codes("lorenz", "vq", 0)["codes.test"].tolist() == [[0]]
    assert run.codes("lorenz", "vq", 0)["prototypes"].shape == (2, 3)
    assert run.codes("lorenz", "vq", 3) is None  # not done
    assert run.codes("lorenz", "none", 0) is None
    assert run.codes("lorenz", "vq+sorted", 0) is None
    assert run.codes("lorenz", "unheard-of", 0) is None
    cell = plan.cells[0]
    Store(tmp_path).codes(cell.key).write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{")
    assert gathered(plan, tmp_path, {cell.key: recorded(cell)}).codes(cell.dataset, cell.row, cell.seed) is None


def test_a_row_belongs_to_the_family_of_its_quantizer(run, plan, tmp_path):
    assert run.families == {"vq": "vq", "som-vq:paper": "som-vq", "vq+sorted": "vq", "none": "none"}
    absent = dataclasses.replace(plan, cells=(), unavailable=(Unavailable("ksom", "lorenz", 0, "no data"),))
    assert gathered(absent, tmp_path, {}).families == {"ksom": "ksom"}
    assert run.units == {"lorenz": "cm", "aist-standin": "cm"}


def test_lorenz_comes_back_in_its_own_units(run, plan):
    """The positions that an integration of the same initial conditions gives."""
    cell = next(cell for cell in plan.cells if cell.dataset == "lorenz")
    parameters = cell.dataset_parameters
    count = split_sizes(parameters["sequences"])["test"]
    steps = {name: parameters[name] for name in ("steps", "dt", "burn_in")}
    truth = integrate(initial_conditions(count, stream(3, 1)), **steps)
    source = run.source("lorenz", 3)
    assert source.frames[..., source.points[-1]] == pytest.approx(truth[:, parameters["window"] - 1 :], abs=1e-4)
    assert source.frames[..., source.points[0]] == pytest.approx(truth[:, : 1 - parameters["window"]], abs=1e-4)
    assert (source.joints, source.edges, source.rate, source.unit) == ((), (), None, "")


def test_bones_of_motion_keep_their_length(run):
    """All but those between ear and shoulder and between shoulder and hip, and the shrugging shoulders'."""
    source = run.source("aist-standin", 0)
    assert (source.rate, source.unit, source.joints) == (60.0, "cm", JOINTS)
    joints = source.frames[0][:, source.points]
    kinds = {edge: {JOINTS[joint].rpartition("_")[2] for joint in edge} for edge in source.edges}
    rigid = [
        edge for edge, kind in kinds.items() if kind not in ({"ear", "shoulder"}, {"shoulder", "hip"}, {"shoulder"})
    ]
    assert len(rigid) == len(EDGES) - 5
    for start, end in rigid:
        lengths = np.linalg.norm(joints[:, start] - joints[:, end], axis=-1)
        assert np.ptp(lengths) < 0.02 * lengths.mean() + 0.01, (JOINTS[start], JOINTS[end])
    assert {joint for edge in EDGES for joint in edge} == set(range(17))
    mirrored = {name: name.replace("left", "x").replace("right", "left").replace("x", "right") for name in JOINTS}
    pairs = {frozenset(JOINTS[joint] for joint in edge) for edge in EDGES}
    assert {frozenset(mirrored[name] for name in pair) for pair in pairs} == pairs


def test_the_body_hangs_together():
    reached = {0}
    for _, (start, end) in itertools.product(EDGES, EDGES):
        if {start, end} & reached:
            reached |= {start, end}
    assert len(reached) == 17


def test_any_dataset_with_a_skeleton_has_poses(monkeypatch, tmp_path):
    class Swing(Lorenz):
        """Positions of the attractor as a body of four joints."""

        def load(self, seed):
            return dataclasses.replace(super().load(seed), skeleton=CHAIN)

    monkeypatch.setitem(registry._REGISTERED, "swing", Swing)
    plan = planning.make(Request(quantizers="vq", datasets="swing,lorenz", protocol="tiny", seeds="1"))
    run = gathered(plan, tmp_path, {cell.key: recorded(cell) for cell in plan.cells})
    swing, lorenz = run.source("swing", 0), run.source("lorenz", 0)
    assert (swing.joints, swing.edges) == (CHAIN.joints, CHAIN.bones)
    assert (lorenz.joints, lorenz.edges) == ((), ())
    monkeypatch.undo()
    assert gathered(plan, tmp_path, {cell.key: recorded(cell) for cell in plan.cells}).source("swing", 0) is None


def test_a_source_is_loaded_once_for_the_rows_of_a_dataset(run, monkeypatch):
    calls = []
    load = datasets.load
    monkeypatch.setattr(datasets, "load", lambda *args, **more: calls.append(args) or load(*args, **more))
    for seed in (0, 0, 3, 3):
        run.source("lorenz", seed)
    assert len(calls) <= 2


def test_data_that_are_gone_leave_a_gap(run, monkeypatch):
    def gone(*args, **more):
        raise FileNotFoundError("not on this machine")

    assert run.source("lorenz", 7) is None  # of no cell
    monkeypatch.setattr(datasets, "load", gone)
    run.source("aist-standin", 3)
    assert run.source("lorenz", 0) is None
