"""The Python door: the same runs, files, messages and resumption as the command line."""

import builtins
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

import bench as door
import quantizers
from bench.execution.runner import Runner

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = ROOT / "tests" / "plugins"
FAMILIES = ["vq", "som-hard"]
BASICS = {"datasets": ["lorenz"], "protocol": "tiny", "device": "cpu", "progress": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("door") / "run"


@pytest.fixture(scope="module")
def run(folder):
    return door.run(FAMILIES, seeds=2, out=folder, **BASICS)


def written(run):
    """When the record of each cell was written."""
    return {path.name: path.stat().st_mtime_ns for path in (run.folder / "cells").glob("*.json")}


def test_the_door_names_what_the_package_offers():
    assert {"run", "open", "tune", "check", "export", "Run", "UsageError", "LostError"} <= set(dir(door))
    assert door.open is not builtins.open
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = door.rum


@pytest.mark.parametrize("name", ["results", "summary", "rankings"])
def test_tables_are_those_of_the_files(run, name):
    kept = pd.read_csv(run.folder / f"{name}.csv", keep_default_na=False, na_values=[""])
    table = getattr(run, name)
    assert len(table) == len(kept) > 0
    for column in ("quantizer", "dataset"):
        assert table[column].tolist() == kept[column].tolist()
    numbers = {"results": "mse", "summary": "mse_low", "rankings": "mean"}[name]
    assert table[numbers].tolist() == pytest.approx(kept[numbers].tolist(), rel=1e-12, nan_ok=True)


def test_a_run_describes_itself(run):
    assert run.complete
    assert repr(run) == f"Run({str(run.folder)!r}: 4 of 4 cells done)"
    page = run._repr_html_()
    assert f"4 of 4 cells done in {run.folder}" in page
    assert all(f"<td>{family}</td>" in page for family in FAMILIES)
    assert f"{run.summary['mse'][0]:.3g}" in page


def test_the_same_call_resumes(run):
    before = written(run)
    again = door.run(FAMILIES, seeds=2, out=run.folder, **BASICS)
    assert written(again) == before
    assert again.results.equals(run.results)


def test_an_interrupted_call_goes_on_from_there(tmp_path, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "run", interrupted)
    with pytest.raises(KeyboardInterrupt, match=r"0 of 1 cells done.*the same call goes on from here"):
        door.run("vq", seeds=1, out=tmp_path / "run", **BASICS)
    with pytest.raises(door.UsageError, match="holds no results yet"):
        door.open(tmp_path / "run")
    monkeypatch.undo()
    assert door.run("vq", seeds=1, out=tmp_path / "run", **BASICS).complete


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({"quantizers": ["vqq"]}, ["--quantizers", "vqq"]),
        ({"quantizers": "vq", "protocol": "large"}, ["--quantizers", "vq", "--protocol", "large"]),
        ({"quantizers": "vq", "seeds": 0}, ["--quantizers", "vq", "--seeds", "0"]),
        ({"quantizers": "vq", "settings": {"vq.decay": 2}}, ["--quantizers", "vq", "--set", "vq.decay=2"]),
        ({"quantizers": "vq", "device": "tpu"}, ["--quantizers", "vq", "--device", "tpu"]),
        ({"quantizers": "vq", "jobs": 0}, ["--quantizers", "vq", "--jobs", "0"]),
        ({"quantizers": "vq", "rerun": "some"}, ["--quantizers", "vq", "--rerun", "some"]),
    ],
)
def test_errors_are_those_of_the_command_line(bench_here, tmp_path, arguments, options):
    with pytest.raises(door.UsageError) as raised:
        door.run(**(BASICS | arguments), out=tmp_path / "run")
    typed = bench_here("run", "--datasets", "lorenz", *options, "--out", tmp_path / "run")
    assert typed.returncode == 2
    assert typed.stderr.strip().removeprefix("error: ") == str(raised.value)


def test_seeds_and_settings_may_be_lists(run):
    settings = {"fsq.levels": [3, 5]}
    chosen = door.run(["vq", "fsq"], seeds=[1], settings=settings, out=run.folder.with_name("one"), **BASICS)
    assert chosen.results["seed"].tolist() == [1, 1]
    assert chosen.results.set_index("quantizer")["codebook_size"]["fsq"] == 15
    errors = run.results.set_index(["quantizer", "seed"])["mse"]
    assert chosen.results.set_index("quantizer")["mse"]["vq"] == errors["vq", 1]


def test_failed_cells_are_results_and_are_opened_without_their_plug_in(bench, tmp_path):
    plugin = PLUGINS / "troubled.py"
    typed = bench(
        *("run", "--plugin", plugin, "--quantizers", "vq,raises", "--datasets", "lorenz", "--protocol", "tiny"),
        *("--seeds", 1, "--device", "cpu", "--out", tmp_path / "run"),
    )
    assert typed.returncode == 3
    assert "raises" not in quantizers.families()
    opened = door.open(tmp_path / "run")
    assert not opened.complete
    assert dict(zip(opened.results["quantizer"], opened.results["status"], strict=True)) == {
        "vq": "done",
        "raises": "failed",
    }
    assert "1 of 2 cells done" in opened._repr_html_()
    files = opened.report(tmp_path / "report", "md")
    assert [path.name for path in files] == ["figures", "report.md"]
    assert "this quantizer" in files[1].read_text()


def test_open_finds_what_run_left(run):
    opened = door.open(run.folder)
    assert opened.results.equals(run.results)
    assert repr(opened) == repr(run)


def test_open_refuses_what_is_no_run(tmp_path):
    with pytest.raises(door.UsageError, match=r"plan\.json"):
        door.open(tmp_path)


def test_report_refuses_an_unknown_format(run, tmp_path):
    with pytest.raises(door.UsageError, match="pdf"):
        run.report(tmp_path, "pdf")


def test_an_exported_tokenizer_is_the_runs(run, tmp_path):
    place = door.export(run, tmp_path / "tokenizer", quantizer="som-hard", dataset="lorenz", seed=1)
    tokenizer = quantizers.load_tokenizer(place)
    codes = tokenizer.encode(torch.randn(5, tokenizer.features))
    assert codes.shape == (5,)
    assert tokenizer.decode(codes).shape == (5, tokenizer.features)
    with pytest.raises(door.UsageError):
        door.export(run, tmp_path / "other", quantizer="som-hard", dataset="lorenz", seed=7)


def test_check_holds_against_the_runs_own_baseline(bench, run, tmp_path):
    kept = tmp_path / "kept.json"
    made = bench("baseline", run.folder, "-o", kept, "--null-pairs", 2)
    assert made.returncode == 0, made.stderr
    verdict = door.check(run, kept)
    assert (
        verdict.code == door.check(run.folder, kept).code == bench("check", run.folder, "--baseline", kept).returncode
    )
    assert verdict.code == 0
    with pytest.raises(door.UsageError, match="absent"):
        door.check(run, tmp_path / "absent.json")


def test_tuned_parameters_go_into_a_run(tmp_path):
    study = door.tune("vq", "lorenz", trials=2, protocol="tiny", seeds=1, out=tmp_path / "study", progress=False)
    assert study.complete
    assert re.fullmatch(r"vq on lorenz, 2 of 2 trials: mse [\d.]+", study.lines[0])
    assert str(study.params) in str(study)
    tuned = door.run("vq", seeds=1, params=study.params, out=tmp_path / "run", **BASICS)
    assert tuned.complete
    with pytest.raises(door.UsageError, match="holds a run"):
        door.tune("vq", "lorenz", trials=2, protocol="tiny", out=tmp_path / "run", progress=False)
