import dataclasses
import itertools
from collections import Counter

import pytest

import datasets
import quantizers
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning import planner, suites
from bench.planning.protocol import PROTOCOLS
from bench.planning.request import Request
from bench.vocabulary import CURVE, FAMILY, PUBLISHED, ROLES

SUITES = suites.names()


def rows(name, dataset=None):
    chosen = suites.load(name)
    protocol = chosen.adapted(PROTOCOLS[chosen.protocol])
    return [row for row, only in chosen.rows(protocol) if dataset is None or only is None or dataset in only]


def test_there_are_those_of_the_papers():
    assert set(SUITES) >= {"main", "capacity", "grid", "ema", "rate"}
    with pytest.raises(UsageError, match="did you mean 'capacity'"):
        suites.load("capacty")


@pytest.mark.parametrize("line", ['columns = ["msee"]', 'metrics = ["mse", "msee"]', '[[rows]]\nmetrics = ["msee"]'])
def test_metrics_that_there_are_not_are_refused(monkeypatch, tmp_path, line):
    monkeypatch.setattr(suites, "FOLDER", tmp_path)
    rest = "" if "rows" in line else "[[rows]]"
    text = f'purpose = ""\nprotocol = "tiny"\ndatasets = ["lorenz"]\n{line}\n{rest}\nnames = ["vq"]\n'
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UsageError, match="suite mine: unknown metric 'msee'; did you mean 'mse'"):
        suites.load("mine")


@pytest.mark.parametrize("name", SUITES)
def test_every_name_in_a_suite_exists(name):
    chosen = suites.load(name)
    assert chosen.purpose
    assert chosen.protocol in PROTOCOLS
    assert set(chosen.datasets) <= set(datasets.names())
    assert set(chosen.columns) <= set(METRICS)
    for row, only in chosen.rows(PROTOCOLS[chosen.protocol]):
        assert row.role in ROLES
        assert set(only or ()) <= set(datasets.names())
        assert set(row.metrics or ()) <= set(METRICS)
        assert row.measured


@pytest.mark.parametrize("name", SUITES)
def test_no_two_rows_of_a_dataset_have_one_name(name):
    for dataset in suites.load(name).datasets:
        counts = Counter(row.name for row in rows(name, dataset))
        assert max(counts.values()) == 1


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_can_be_planned(name):
    if name == "peers":
        pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")
    made = planner.make(Request(suite=name, seeds="1"))
    assert made.suite == name
    assert {(cell.row, cell.dataset.removesuffix("-standin")) for cell in made.cells} == {
        (row.name, dataset) for dataset in suites.load(name).datasets for row in rows(name, dataset)
    }


def test_main_has_every_family_and_what_the_tables_need():
    actual = {row.name: row for row in rows("main")}
    assert {name for name, row in actual.items() if row.role == FAMILY} == set(quantizers.families())
    assert {name for name, row in actual.items() if row.role == PUBLISHED} >= {"som-vq:paper cold", "ksom:paper"}
    assert actual.keys() >= {"none", "kmeans", "vq+sorted", "vq+shuffled", "som-vq+shuffled-grid"}
    assert {name for name, row in actual.items() if row.role == CURVE} == {"vq@256", "vq@512", "vq@2048"}


def test_capacity_has_the_methods_of_its_table_and_their_shuffled_tokens():
    actual = {row.name for row in rows("capacity")}
    assert actual >= {"vq", "vq-reset", "som-vq", "som-vq:paper cold"}
    assert actual >= {"vq+shuffled", "vq-reset+shuffled", "som-vq:paper+shuffled cold"}


@pytest.mark.parametrize(("dataset", "sides"), [("lorenz", (8, 16, 32)), ("aist", (16, 32, 48, 64))])
def test_the_grids_sides(dataset, sides):
    actual = rows("grid", dataset)
    for quantizer in ("som-vq", "som-vq:paper"):
        assert [row.codebook_size for row in actual if row.quantizer == quantizer] == [side**2 for side in sides]


def test_the_averages_twelve_combinations_start_cold():
    actual = rows("ema")
    assert len(actual) == 12
    wanted = itertools.product(("none", "hard", "gaussian"), (0.0, 1.0), (False, True))
    combinations = [
        tuple(row.parameters[name] for name in ("neighbourhood", "initial_count", "update_zero")) for row in actual
    ]
    assert combinations == [*wanted]
    assert {row.parameters["initialisation"] for row in actual} == {"normal"}
    assert actual[0].name == "ksom neighbourhood=none initial_count=0 update_zero=no"
    chosen = suites.load("ema")
    schedule = chosen.adapted(PROTOCOLS[chosen.protocol]).schedule
    assert (schedule.warm_up_epochs, schedule.check_every) == (0, 50)
    assert schedule.epochs == PROTOCOLS[chosen.protocol].schedule.epochs


def test_the_rates_sizes_are_shares_of_the_codebook_at_one_width():
    actual = {row.name: row for row in rows("rate")}
    assert {name for name in actual if name.startswith("vq@")} == {"vq@64", "vq@128", "vq@512", "vq@1024"}
    assert actual["vq"].codebook_size is None
    for name in quantizers.families():
        assert actual.keys() >= {name, f"{name}@64", f"{name}@1024"}
    made = planner.make(Request(suite="rate", datasets="lorenz", seeds="1"))
    assert len({cell.protocol["hidden"] for cell in made.cells}) == 1
    halved = planner.make(Request(suite="rate", datasets="lorenz", seeds="1", codebook_size=128))
    assert {cell.row for cell in halved.cells} >= {"vq@32", "vq@64", "vq@256", "vq@512"}


def test_a_suite_runs_on_a_stand_in_asked_for_by_name():
    made = planner.make(Request(suite="grid", datasets="aist-standin", seeds="1"))
    assert {cell.row for cell in made.cells} == {row.name for row in rows("grid", "aist")}


def test_a_user_may_change_protocol_and_codebook_but_not_what_a_suite_fixes():
    made = planner.make(Request(suite="main", protocol="tiny", datasets="lorenz"))
    assert made.protocol.name == "tiny"
    assert {cell.row for cell in made.cells if cell.role == CURVE} == {"vq@4", "vq@8", "vq@32"}
    with pytest.raises(UsageError, match=r"--set ksom\.initial_count: the suite fixes it"):
        planner.make(Request(suite="ema", datasets="lorenz", settings=("ksom.initial_count=0",)))


def test_cold_rows_alone_start_without_a_warm_up():
    """A control of such a row shares its tokenizer, and the other rows keep the protocol's schedule."""
    made = planner.make(Request(suite="capacity", datasets="lorenz", seeds="1"))
    schedules = {cell.row: cell.protocol["schedule"] for cell in made.cells}
    warm_up = made.protocol.schedule.warm_up_epochs
    for name, schedule in schedules.items():
        assert schedule["warm_up_epochs"] == (0 if name.endswith("cold") else warm_up)
    cells = {cell.row: cell for cell in made.cells}
    assert cells["som-vq:paper+shuffled cold"].tokenizer_key == cells["som-vq:paper cold"].key
    seen = {row: cell.frames_seen for (row, _), cell in made.capacities().items()}
    assert seen["som-vq:paper cold"] < seen["som-vq"]


def test_rows_without_metrics_of_their_own_have_the_suites():
    blocks = ({"metrics": ["mse"], "names": ["vq"]}, {"metrics": ["active"], "names": ["fsq"]})
    assert [block["metrics"] for block in suites.load("ema").blocks] == [[*suites.load("ema").columns]]
    mine = dataclasses.replace(suites.load("ema"), blocks=blocks)
    assert [row.metrics for row, _ in mine.rows(PROTOCOLS["quick"])] == [("mse",), ("active",)]
    assert next(row for row in rows("main") if row.name == "vq").metrics is None
