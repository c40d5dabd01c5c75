import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import quantizers
from bench import plugins
from bench.cli import main
from bench.errors import UsageError
from bench.execution.tokenizers import TokenizerStore, load_data
from bench.planning import cells, probe
from bench.planning.capacity import match
from bench.planning.planner import make
from bench.planning.protocol import Protocol
from bench.planning.request import Request
from bench.publishing import run_report
from bench.publishing.export import export
from bench.records.store import Store
from bench.training.autoencoder import reconstruct, tokenize
from bench.vocabulary import DONE
from quantizers import registry
from tests.builders import job, work

ROOT = Path(__file__).resolve().parents[3]


def trained(folder: Path, rows: str, source: str) -> Store:
    """A run of one seed made in this process, with two metrics; what cannot be exported is not trained for this."""
    plan = make(Request(quantizers=rows, datasets=source, protocol="tiny", seeds="1"))
    store = Store(folder)
    run_report.write_plan(store, plan, ["bench", "run"], {"device": "cpu"})
    for cell in plan.cells:
        if cell.control or cell.quantizer == "none":
            store.write({"key": cell.key, "cell": cell.kept(), "status": DONE, "metrics": {}})
            continue
        work(job(cell, metrics=("mse", "error_units")), folder)
    return store


@pytest.fixture(scope="module")
def of_lorenz(tmp_path_factory) -> Store:
    return trained(tmp_path_factory.mktemp("runs") / "run", "som-vq,fsq,kmeans,rvq@4x3,vq+sorted,none", "lorenz")


@pytest.fixture(scope="module")
def walks(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "my_walks.npz"
    np.savez(path, np.random.default_rng(0).normal(size=(12, 40, 5)).cumsum(axis=1) * 7 + 50)
    return path


@pytest.fixture(scope="module")
def of_walks(tmp_path_factory, walks) -> Store:
    return trained(tmp_path_factory.mktemp("runs") / "run", "som-vq", f"npz:{walks}")


def cell_of(store: Store, row: str) -> cells.Cell:
    return next(cell for cell in cells.from_values(store.plan()).cells if cell.row == row)


@pytest.mark.parametrize(
    ("made", "row"),
    [
        ("of_lorenz", "som-vq"),
        ("of_lorenz", "fsq"),
        ("of_lorenz", "kmeans"),
        ("of_lorenz", "rvq@4x3"),
        ("of_walks", "som-vq"),
    ],
)
def test_it_codes_and_decodes_data_as_the_harness_did(request, tmp_path, made, row):
    run = request.getfixturevalue(made)
    export(run.root, tmp_path / "out", quantizer=row)
    tokenizer = quantizers.load_tokenizer(tmp_path / "out")
    cell = cell_of(run, row)
    data = load_data(cell)
    raw = data.standardised["test"].astype(np.float64) * data.transform.scale + data.transform.mean

    # What the run wrote: tokens, and what every code stands for in data units.
    stored = load_file(run.codes(cell.key))
    codes = tokenizer.encode(raw)
    tokens = stored["codes.test"]
    several = "combinations" in stored
    assert several == (row == "rvq@4x3")
    recorded = stored["combinations"][tokens] if several else tokens
    assert codes.shape == ((*raw.shape[:2], 3) if several else raw.shape[:2])
    np.testing.assert_array_equal(codes, recorded)
    span = 1e-4 * data.transform.scale
    assert (np.abs(tokenizer.decode(recorded) - stored["prototypes"][tokens]) <= span).all()

    # The harness's own way through the networks, and datasets' own inverse.
    model = TokenizerStore(run, "cpu", Protocol.from_values(cell.protocol)).load(cell, data.width).model
    frames = data.frames["test"].reshape(-1, data.width)
    again = data.inverse(reconstruct(model, tokenize(model, torch.from_numpy(frames))[1]).numpy())
    assert (np.abs(tokenizer(raw).reshape(again.shape) - again) <= span).all()
    if not several:
        np.testing.assert_array_equal(tokenizer.codebook.numpy(), stored["codebook"])
    if "positions" in stored:
        np.testing.assert_array_equal(tokenizer.positions.numpy(), stored["positions"])


@pytest.fixture(
    scope="module",
    params=[
        "aist-standin",
        "map",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("lorenz", "seconds", "one")),
    ],
)
def everywhere(request, tmp_path_factory) -> tuple[Store, str]:
    """A run of every family on a dataset of each kind: generated, motion, far from zero, whole numbers, one feature."""
    walks = np.random.default_rng(1).normal(size=(12, 40, 5)).cumsum(axis=1)
    files = {
        "map": walks + 5e6,
        "seconds": (walks * 60).round().astype(np.int64) + 1_700_000_000,
        "one": walks[..., :1].astype(np.float32),
    }
    folder = tmp_path_factory.mktemp("everywhere")
    source = request.param
    if source in files:
        np.savez(folder / f"{source}.npz", files[source])
        source = f"npz:{folder / source}.npz"
    rows = [name for name in quantizers.families() if name != "fsq" or request.param != "one"]
    return trained(folder / "run", ",".join([*rows, "kmeans"]), source), request.param


def test_the_codes_of_a_run_are_those_of_the_exported_tokenizer(everywhere, tmp_path):
    run, kind = everywhere
    for cell in cells.from_values(run.plan()).cells:
        data = load_data(cell)
        raw = data.standardised["test"].astype(np.float64) * data.transform.scale + data.transform.mean
        if kind == "seconds":
            raw = raw.round().astype(np.int64)  # as they are in the file
        export(run.root, tmp_path / cell.row, quantizer=cell.row)
        codes = quantizers.load_tokenizer(tmp_path / cell.row).encode(raw)
        np.testing.assert_array_equal(codes, load_file(run.codes(cell.key))["codes.test"], err_msg=cell.row)


def test_the_card_tells_what_the_record_does(of_walks, walks, tmp_path):
    export(of_walks.root, tmp_path / "out")  # a run of one cell
    text = (tmp_path / "out" / "README.md").read_text()
    record = of_walks.read(cell_of(of_walks, "som-vq").key)
    (value,) = re.findall(r"\| `mse` +\| ([\d.]+)", text)
    assert float(value) == pytest.approx(record["metrics"]["mse"], rel=5e-3)
    assert "bits_per_frame" not in text  # not measured here
    assert "npz:my\\_walks" in text.splitlines()[0]
    assert "(n, T, 5)" in text
    assert "not known; ask whoever owns the data" in text
    assert cell_of(of_walks, "som-vq").recipe["sha256"] in text
    assert str(walks.parent) not in text  # where the file lay is nobody's business
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "tokenizer.json",
        "tokenizer.safetensors",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_key_cut_short_is_enough(of_lorenz, tmp_path):
    key = cell_of(of_lorenz, "fsq").key
    for number, name in enumerate((key, key[:12], f"{key}.json")):
        export(of_lorenz.cells / name, tmp_path / str(number))
        assert quantizers.load_tokenizer(tmp_path / str(number)).about["key"] == key
    with pytest.raises(UsageError, match="there is no such cell; expected RUN/cells/KEY"):
        export(of_lorenz.cells / "zzz", tmp_path / "out")
    with pytest.raises(UsageError, match="there is no such cell"):
        export(tmp_path / "absent", tmp_path / "out")


def test_keys_that_begin_alike_are_told(tmp_path):
    (tmp_path / "cells").mkdir()
    for name in ("ab1", "ab2"):
        (tmp_path / "cells" / f"{name}.json").write_text("{}")
    with pytest.raises(UsageError, match="2 cells have keys that begin with 'ab'"):
        export(tmp_path / "cells" / "ab", tmp_path / "out")
    with pytest.raises(UsageError, match="is not a record of schema"):
        export(tmp_path / "cells" / "ab1", tmp_path / "out")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, r"6 cells are that; choose one with --quantizer, --dataset and --seed: som-vq lorenz seed 0; fsq lorenz"),
        ({"quantizer": "som-vqq"}, "no cell is that; choose one with --quantizer, --dataset and --seed"),
        ({"quantizer": "som-vq", "dataset": "lorenz", "seed": 3}, "no cell is that"),
        (
            {"quantizer": "none", "dataset": "lorenz", "seed": 0},
            "none on lorenz, seed 0, is an autoencoder without codes",
        ),
        ({"quantizer": "vq+sorted"}, "is a control made of vq; export that"),
    ],
)
def test_what_cannot_be_exported_is_told(of_lorenz, tmp_path, choice, message):
    with pytest.raises(UsageError, match=message):
        export(of_lorenz.root, tmp_path / "out", **choice)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(of_lorenz, tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(UsageError, match="is there already; choose another folder"):
        export(of_lorenz.root, tmp_path, quantizer="fsq")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "empty").mkdir()
    export(of_lorenz.root, tmp_path / "empty", quantizer="fsq")
    assert (tmp_path / "empty" / "README.md").exists()


def test_other_data_than_the_runs_are_told(of_walks, walks, tmp_path):
    content = walks.read_bytes()
    for change, message in (
        (lambda: np.savez(walks, np.zeros((12, 40, 5))), "trained on are needed: the files of npz:my_walks are not"),
        (walks.unlink, r"are needed: npz:my_walks: there is no file"),
    ):
        change()
        with pytest.raises(UsageError, match=message):
            export(of_walks.root, tmp_path / "out")
    walks.write_bytes(content)
    assert list(tmp_path.iterdir()) == []


def test_other_principal_components_than_the_runs_are_told(of_lorenz, tmp_path):
    path = of_lorenz.codes(cell_of(of_lorenz, "fsq").key)
    stored, kept = load_file(path), path.read_bytes()
    save_file(stored | {"prototypes": stored["prototypes"] + 0.5}, path)
    with pytest.raises(UsageError, match="computes other principal components than the run"):
        export(of_lorenz.root, tmp_path / "out", quantizer="fsq")
    path.write_bytes(kept)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_cell_and_one_not_trained_are_told(of_lorenz, tmp_path):
    key = cell_of(of_lorenz, "fsq").key
    record = of_lorenz.path(key).read_text()
    of_lorenz.path(key).write_text(json.dumps(json.loads(record) | {"status": "failed"}))
    with pytest.raises(UsageError, match="fsq on lorenz, seed 0, is failed; a cell that is done"):
        export(of_lorenz.root, tmp_path / "out", quantizer="fsq")
    of_lorenz.path(key).unlink()
    with pytest.raises(UsageError, match=r"has not been trained; bench run goes on with it"):
        export(of_lorenz.root, tmp_path / "out", quantizer="fsq")
    of_lorenz.path(key).write_text(record)


def test_a_plug_ins_tokenizer_names_its_file(walks, tmp_path, monkeypatch):
    (shown,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[:1]
    plugin = tmp_path / "macqueen.py"
    plugin.write_text(shown)
    monkeypatch.setattr(registry, "_FAMILIES", dict(registry._FAMILIES))
    plugins.load(str(plugin))
    # A stranger's family is tried in a child process, which costs seconds; this one is known to build.
    monkeypatch.setattr(
        probe,
        "_in_a_child",
        lambda label, parameters, _, width, protocol: match(probe._build(label, parameters, width, protocol), protocol),
    )
    store = trained(tmp_path / "run", "macqueen", f"npz:{walks}")
    export(store.root, tmp_path / "out")
    assert quantizers.load_tokenizer(tmp_path / "out").num_codes == 16
    monkeypatch.setattr(registry, "_FAMILIES", {k: v for k, v in registry._FAMILIES.items() if k != "macqueen"})
    with pytest.raises(ValueError, match=r"it comes from the plug-in macqueen\.py: import that first"):
        quantizers.load_tokenizer(tmp_path / "out")
    with pytest.raises(UsageError, match="add --plugin PATH"):
        export(store.root, tmp_path / "again")
    (key,) = (path.stem for path in store.cells.glob("*.json"))
    with pytest.raises(UsageError, match="add --plugin PATH"):
        export(store.cells / key, tmp_path / "again")


def test_the_command_line_writes_it(of_lorenz, tmp_path, monkeypatch, capsys):
    arguments = [
        "export",
        str(of_lorenz.root),
        "-o",
        str(tmp_path / "out"),
        "--quantizer",
        "fsq",
        "--dataset",
        "lorenz",
    ]
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    for code, expected in ((0, "takes and gives frames of 24 features"), (2, "is there already")):
        with pytest.raises(SystemExit) as stopped:
            main.main()
        output = capsys.readouterr()
        assert stopped.value.code == code
        assert expected in (output.out if code == 0 else output.err)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
