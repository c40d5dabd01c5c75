import dataclasses
import json

import numpy as np
import pytest

from bench.errors import ChangedError, UsageError
from bench.execution.tokenizers import load_data
from bench.planning.cells import from_values, made_elsewhere, values
from bench.planning.pairs import trained_from
from bench.planning.planner import make
from bench.planning.request import Request


def plan(**changes):
    return make(Request(**({"quantizers": "vq,fsq", "datasets": "lorenz", "protocol": "tiny"} | changes)))


def test_the_first_seed_of_every_pair_comes_first():
    cells = plan(datasets="lorenz,aist-standin").cells
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4


def test_keys_move_with_what_they_should_and_with_nothing_else():
    base = {cell.key for cell in plan().cells}
    assert len(base) == 4
    assert {cell.key for cell in plan(quantizers="fsq,vq").cells} == base
    assert {cell.key for cell in plan(settings=("vq.decay=0.967",)).cells} == base
    for change in (
        {"settings": ("vq.decay=0.9",)},
        {"settings": ("lorenz.dt=0.02",)},
        {"codebook_size": 25},
        {"protocol": "quick"},
    ):
        assert len(base & {cell.key for cell in plan(**change).cells}) == (2 if "vq.decay=0.9" in str(change) else 0)


@pytest.mark.parametrize(
    ("budget", "metrics"),
    [
        ("reader", {"seq_ppl_17", "seq_ppl", "seq_ppl_converged", "bits_per_frame", "forecast_error"}),
        ("small_reader", {"bits_eighth", "vector_gain", "topology_gain"}),
    ],
)
def test_metric_keys_follow_a_readers_budget_only_where_that_reader_is_needed(monkeypatch, budget, metrics):
    from bench.planning import request as module

    before = plan().cells[0]
    tiny = module.PROTOCOLS["tiny"]
    other = dataclasses.replace(tiny, **{budget: dataclasses.replace(getattr(tiny, budget), cap=6)})
    monkeypatch.setitem(module.PROTOCOLS, "tiny", other)
    after = plan().cells[0]
    assert before.key == after.key
    moved = {name for name, key in after.metric_keys.items() if key != before.metric_keys[name]}
    assert moved == metrics


def test_an_absent_dataset_gives_way_to_its_stand_in_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    made = plan(datasets="aist")
    assert {(cell.dataset, cell.real) for cell in made.cells} == {("aist-standin", False)}
    assert len(made.remarks) == 1
    assert "python -m bench data import aist" in made.remarks[0]
    with pytest.raises(UsageError, match="--require-real"):
        plan(datasets="aist", require_real=True)


def test_settings_take_the_type_of_the_default():
    made = plan(quantizers="fsq,vq", settings=("fsq.levels=4,4", "vq.update_zero=no", "vq.initial_count=0"))
    parameters = {cell.quantizer: cell.parameters for cell in made.cells}
    assert parameters["fsq"]["levels"] == (4, 4)
    assert parameters["vq"]["update_zero"] is False
    assert parameters["vq"]["initial_count"] == 0.0


def test_a_preset_never_moves():
    made = plan(quantizers="som-vq,som-vq:paper", settings=("som-vq.sigma=2",))
    actual = {(cell.quantizer, cell.parameters["sigma"]) for cell in made.cells}
    assert actual == {("som-vq", 2.0), ("som-vq:paper", 0.5)}
    with pytest.raises(UsageError, match="a preset keeps its values"):
        plan(quantizers="som-vq:paper", settings=("som-vq.sigma=2",))


def test_a_stand_in_asked_for_twice_is_one(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    cells = plan(datasets="aist,aist-standin").cells
    assert len(cells) == len({cell.key for cell in cells}) == 4
    with pytest.raises(UsageError, match="twice"):
        plan(datasets="aist,aist-standin", settings=("aist.window=60",))


def test_a_codebook_far_from_what_was_asked_is_told():
    assert any("fsq on lorenz has 9 codes, not 16" in line for line in plan(settings=("fsq.levels=3,3",)).remarks)


def test_a_capacity_above_one_percent_is_refused_unless_published():
    with pytest.raises(UsageError, match="--capacity published"):
        plan(quantizers="vq-vae:paper")
    assert {cell.capacity.hidden for cell in plan(quantizers="vq-vae:paper", capacity="published").cells} == {512}


EVERY_KIND = "vq,fsq,som-vq:paper,vq@64,none,kmeans,vq+sorted,vq@64+shuffled,som-vq+shuffled-grid"


def shown_capacities(plan):
    return {pair: (cell.capacity, cell.frames_seen) for pair, cell in plan.capacities().items()}


def test_a_plan_kept_as_json_is_the_same_plan():
    made = plan(quantizers=EVERY_KIND, settings=("vq.decay=0.9",))
    kept = from_values(json.loads(json.dumps(values(made))))
    for name in ("key", "tokenizer_key", "batch_key", "metric_keys", "row", "role", "control", "seed", "protocol"):
        assert [getattr(cell, name) for cell in kept.cells] == [getattr(cell, name) for cell in made.cells]
    assert kept.protocol == made.protocol
    assert shown_capacities(kept) == shown_capacities(made)
    assert json.dumps(values(kept), sort_keys=True) == json.dumps(values(made), sort_keys=True)


def test_a_suites_plan_kept_as_json_is_the_same_plan(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    made = make(Request(suite="ema", seeds="1"))
    kept = from_values(json.loads(json.dumps(values(made))))
    assert [cell.metric_keys for cell in kept.cells] == [cell.metric_keys for cell in made.cells]
    assert (kept.suite, kept.published, kept.columns) == (made.suite, made.published, made.columns)


def test_a_kept_plan_measures_with_the_present_code(monkeypatch):
    output = json.loads(json.dumps(values(plan())))
    for cell in output["cells"]:
        cell["metric_keys"] = dict.fromkeys(["mse", "trust", "gone"], "of another code")
    kept = from_values(output)
    assert {cell.key for cell in kept.cells} == {cell.key for cell in plan().cells}
    present = {cell.key: cell.metric_keys for cell in plan().cells}
    assert all(cell.metric_keys == {name: present[cell.key][name] for name in ("mse", "trust")} for cell in kept.cells)


@pytest.mark.parametrize("change", [{"cells": None}, {"cells": [{}]}, {"protocol": {}}, {"unavailable": 1}])
def test_a_kept_plan_of_another_version_is_refused(change):
    with pytest.raises(UsageError, match=r"plan\.json was written by another version"):
        from_values(json.loads(json.dumps(values(plan()) | change)))
    with pytest.raises(UsageError, match="another version"):
        from_values([])


def test_of_a_kept_plan_what_a_plug_in_made_is_told_and_keeps_its_keys():
    output = json.loads(json.dumps(values(plan())))
    output["cells"][0] |= {"quantizer": "macqueen", "metric_keys": {"mse": "of then"}}
    output["cells"][1]["dataset"] = "theirs"
    kept = from_values(output)
    reasons = [made_elsewhere(cell) for cell in kept.cells]
    assert ["--plugin PATH" in reason for reason in reasons[:3]] == [True, True, False]
    assert kept.cells[0].metric_keys == {"mse": "of then"}


@pytest.mark.parametrize("names", ["vq,vq@16", "vq+sorted,vq@16+sorted", "kmeans@16,kmeans"])
def test_two_names_for_one_thing_are_refused(names):
    with pytest.raises(UsageError, match="are the same on lorenz; leave one out"):
        plan(quantizers=names)


def test_a_control_shares_its_rows_tokenizer_and_nothing_else_is_shared():
    cells = {cell.row: cell for cell in plan(quantizers=EVERY_KIND, seeds="1").cells}
    for control in ("vq+sorted", "vq@64+shuffled"):
        base = cells[control.partition("+")[0]]
        assert cells[control].tokenizer_key == base.tokenizer_key == base.key != cells[control].key
        assert cells[control].batch_key == base.batch_key
    assert len({cell.key for cell in cells.values()}) == len(cells)
    assert len({cell.tokenizer_key for cell in cells.values()}) == len(cells) - 2
    assert len({cell.batch_key for cell in cells.values()}) == len(cells) - 2


def test_cells_of_one_batch_differ_in_their_seeds_alone():
    """A job reads the protocol, the dataset and the capacity of its first cell for all of them."""
    batches: dict[str, set[str]] = {}
    for cell in plan(quantizers=EVERY_KIND, seeds="3", datasets="lorenz,aist-standin").cells:
        shared = (cell.quantizer, cell.parameters, cell.dataset, cell.protocol, dataclasses.asdict(cell.capacity))
        batches.setdefault(cell.batch_key, set()).add(json.dumps(shared))
    assert {len(item) for item in batches.values()} == {1}


def test_only_a_row_with_a_grid_has_a_shuffled_one():
    with pytest.raises(UsageError, match=r"vq has no grid to shuffle; vq\+sorted gives it one"):
        plan(quantizers="vq+shuffled-grid")
    assert plan(quantizers="ksom+shuffled-grid,fsq+shuffled-grid").cells


def test_the_capacity_of_a_control_is_told_where_its_row_is_not():
    assert [*plan(quantizers="vq+sorted").capacities()] == [("vq+sorted", "lorenz")]
    assert [*plan(quantizers="vq,vq+sorted").capacities()] == [("vq", "lorenz")]


def test_a_plain_autoencoder_has_no_codebook_to_remark_on():
    assert plan(quantizers="none,kmeans,vq").remarks == ()


def test_a_cell_trained_from_another_seed_keeps_its_data():
    for cell in plan(quantizers=EVERY_KIND, seeds="3,").cells:
        other = trained_from(cell, 7)
        assert (other.data_seed, other.train_seed, other.seed) == (3, 7, 7)
        assert (other.batch_key, other.protocol, other.recipe) == (cell.batch_key, cell.protocol, cell.recipe)
        assert len({cell.key, cell.tokenizer_key, other.key, other.tokenizer_key}) == (4 if cell.control else 2)
        assert other.metric_keys.keys() == cell.metric_keys.keys()
        assert not other.metric_keys.items() & cell.metric_keys.items()
        assert trained_from(cell, 3) == cell


def test_a_files_content_is_what_its_key_holds_not_its_place(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    walks = np.random.default_rng(0).normal(size=(12, 40, 4))
    (tmp_path / "moved").mkdir()
    np.savez("walks.npz", walks)
    made = plan(quantizers="vq", datasets="npz:walks.npz", settings=("npz:walks.window=20",))
    cell = made.cells[0]
    assert (cell.dataset, cell.real) == ("npz:walks", True)
    assert cell.dataset_parameters == {
        "path": str(tmp_path / "walks.npz"),
        "sequences": 12,
        "window": 20,
        "width": 4,
    }
    (tmp_path / "walks.npz").rename("moved/walks.npz")
    moved = plan(quantizers="vq", datasets=f"npz:{tmp_path}/moved/walks.npz", settings=("npz:walks.window=20",))
    assert [cell.key for cell in moved.cells] == [cell.key for cell in made.cells]
    np.savez("walks.npz", walks + 1)
    changed = plan(quantizers="vq", datasets="npz:walks.npz", settings=("npz:walks.window=20",))
    assert not {cell.key for cell in changed.cells} & {cell.key for cell in made.cells}
    with pytest.raises(UsageError, match="two files would be called npz:walks in the tables; rename one"):
        plan(datasets="npz:walks.npz,npz:moved/walks.npz")
    kept = from_values(json.loads(json.dumps(values(made))))
    assert shown_capacities(kept) == shown_capacities(made)  # though the file has moved


def test_a_dataset_that_has_fewer_sequences_than_the_protocol_says_so():
    made = plan(quantizers="vq", datasets="cmu", protocol="quick")
    assert "cmu has 52 sequences to draw, not 80." in made.remarks
    assert made.cells[0].dataset_parameters["sequences"] == 52
    assert not any("cmu has" in line for line in plan(quantizers="vq", datasets="cmu").remarks)


def test_data_that_changed_since_the_plan_are_refused(tmp_path):
    np.savez(tmp_path / "walks.npz", np.random.default_rng(0).normal(size=(12, 40, 4)))
    (cell, *_) = plan(quantizers="vq", datasets=f"npz:{tmp_path / 'walks.npz'}").cells
    assert load_data(cell).name == "npz:walks"
    np.savez(tmp_path / "walks.npz", np.random.default_rng(1).normal(size=(12, 40, 4)))
    with pytest.raises(ChangedError, match="the files of npz:walks are not those that this run was planned with"):
        load_data(cell)
