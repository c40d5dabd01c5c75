import pytest

from bench.errors import UsageError
from bench.plan import make
from bench.request import Request


def plan(**changes):
    return make(Request(**({"quantizers": "vq,fsq", "datasets": "lorenz", "protocol": "tiny"} | changes)))


def test_the_first_seed_of_every_pair_comes_first():
    cells = plan(datasets="lorenz,aist-standin").cells
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4


def test_keys_move_with_what_they_should_and_with_nothing_else():
    base = {cell.key for cell in plan().cells}
    assert len(base) == 4
    assert {cell.key for cell in plan(quantizers="fsq,vq").cells} == base
    assert {cell.key for cell in plan(settings=("vq.decay=0.99",)).cells} == base
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
    import dataclasses

    from bench import request as module

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
    found = {(cell.quantizer, cell.parameters["sigma"]) for cell in made.cells}
    assert found == {("som-vq", 2.0), ("som-vq:paper", 0.5)}
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
