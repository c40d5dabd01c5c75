"""Damaged, cut-off and foreign files in the hands of every verb that reads them."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import quantizers
from bench.records import files
from quantizers.tokenizer import FACTS, TENSORS, TokenizerError

CONTENTS = {
    "empty": b"",
    "cut off": b'{"schema": 3, "cells": [',
    "a list": b"[1, 2]",
    "a number": b"5",
    "null": b"null",
    "an object": b"{}",
    "of another schema": b'{"schema": 99}',
    "of the schema alone": b'{"schema": 3, "format": 1}',
    "no text": bytes(range(128, 256)),
    "deep": b"[" * 100_000,
    "a long number": b"1" * 5_000,
    "not finite": b'{"schema": 3, "protocol": NaN, "rows": [Infinity]}',
}
FOLDER = "a folder"
HOSTILE = [*CONTENTS, FOLDER]


def spoil(path: Path, kind: str) -> None:
    path.unlink()
    if kind == FOLDER:
        path.mkdir()
    else:
        path.write_bytes(CONTENTS[kind])


@pytest.fixture(scope="module")
def finished(bench_here, tmp_path_factory):
    """A finished run of two rows, its baseline, and an exported tokenizer."""
    folder = tmp_path_factory.mktemp("finished")
    command = ("run", "--quantizers", "vq,fsq", "--datasets", "lorenz", "--protocol", "tiny", "--seeds", 2)
    assert bench_here(*command, "--out", folder / "run").returncode == 0
    made = bench_here("baseline", folder / "run", "-o", folder / "baseline.json", "--null-pairs", 2)
    assert made.returncode == 0, made.stderr
    export = ("export", folder / "run", "--quantizer", "vq", "--seed", 0, "-o", folder / "tokenizer")
    assert bench_here(*export).returncode == 0
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it that may be spoilt."""
    shutil.copytree(finished, tmp_path / "copied")
    return tmp_path / "copied"


def refused(done, path: Path) -> None:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert len(lines) == 1
    assert str(path) in lines[0] or f"{path.parent} holds no readable {path.name}" in lines[0]
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_spoilt_plan_is_refused_by_every_verb_that_reads_it(bench_here, copied, kind):
    run = copied / "run"
    spoil(run / "plan.json", kind)
    for arguments in (
        ("report", run),
        ("report", run, run),
        ("evaluate", run),
        ("check", run, "--baseline", copied / "baseline.json"),
        ("baseline", run, "-o", copied / "other.json"),
        ("export", run, "-o", copied / "other"),
    ):
        done = bench_here(*arguments)
        if " has schema " in done.stderr:  # said of the folder
            assert (done.returncode, str(run) in done.stderr) == (2, True)
        else:
            refused(done, run / "plan.json")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("cells",), 5),
        (("cells", 0), []),
        (("cells", 0, "seed"), "0"),
        (("cells", 0, "seed"), True),
        (("cells", 0, "key"), None),
        (("cells", 0, "capacity"), {}),
        (("cells", 0, "capacity", "hidden"), "wide"),
        (("cells", 0, "dataset_parameters"), 7),
        (("cells", 0, "protocol"), []),
        (("protocol", "schedule"), {"epochs": 1}),
        (("protocol", "schedule", "batch"), "many"),
        (("unavailable",), [["vq"]]),
        (("published",), [1]),
        (("trials",), [["a", "b", "c"]]),
    ],
)
def test_a_plan_with_a_wrong_value_is_refused_with_the_file(bench_here, copied, place, value):
    path = copied / "run" / "plan.json"
    kept = json.loads(path.read_text())
    inner = kept
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    path.write_text(json.dumps(kept))
    for arguments in (("report", path.parent), ("check", path.parent, "--baseline", copied / "baseline.json")):
        refused(bench_here(*arguments), path)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_spoilt_baseline_and_spoilt_parameters_are_refused(bench_here, copied, kind):
    path = copied / "baseline.json"
    spoil(path, kind)
    refused(bench_here("check", copied / "run", "--baseline", path), path)
    command = ("run", "--quantizers", "vq", "--datasets", "lorenz", "--protocol", "tiny", "--params", path)
    refused(bench_here(*command, "--out", copied / "new"), path)


RECORDS = {
    "metrics a list": {"metrics": [1.0]},
    "a metric a text": {"metrics": {"mse": "small"}},
    "a metric a truth": {"metrics": {"mse": True}},
    "no metrics": {"metrics": None},
    "data a number": {"data": 3},
    "data nothing": {"data": {}},
    "a cell without its tokenizer": {"cell": {"row": "vq"}},
    "history nothing": {"history": {}},
    "time a text": {"finished": "yesterday"},
    "cell a list": {"cell": []},
    "curves a list": {"curves": [1]},
    "another key": {"key": "0" * 64},
    "another status": {"status": "perfect"},
}


def spoilt_record(run: Path, kind: str) -> Path:
    """Spoil the record of the first cell."""
    key = json.loads((run / "plan.json").read_text())["cells"][0]["key"]
    path = run / "cells" / f"{key}.json"
    if kind in RECORDS:
        path.write_text(json.dumps(json.loads(path.read_text()) | RECORDS[kind]))
    else:
        spoil(path, kind)
    return path


QUICK = ("cut off", "a list", FOLDER, "metrics a list", "data nothing")  # the others are among the slow tests


@pytest.mark.parametrize(
    "kind",
    [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in (*HOSTILE, *RECORDS)],
)
def test_a_spoilt_record_is_named_and_costs_its_own_cell(bench_here, copied, kind):
    run, path = copied / "run", spoilt_record(copied / "run", kind)
    for arguments, codes in (
        (("report", run, "--format", "csv"), (0,)),
        (("check", run, "--baseline", copied / "baseline.json"), (3,)),
        (("export", path.with_suffix(""), "-o", copied / "other"), (2,)),
        (("export", run, "--quantizer", "vq", "--seed", 0, "-o", copied / "other"), (2,)),
    ):
        done = bench_here(*arguments)
        assert done.returncode in codes, (arguments[0], done.stderr, done.stdout)
        assert "Traceback" not in done.stderr + done.stdout
        assert arguments[0] == "check" or path.name in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut off", "metrics a list"])
def test_the_cell_of_a_spoilt_record_runs_again(bench_here, copied, kind):
    run, path = copied / "run", spoilt_record(copied / "run", kind)
    command = ("run", "--quantizers", "vq,fsq", "--datasets", "lorenz", "--protocol", "tiny", "--seeds", 2)
    again = bench_here(*command, "--out", run)
    assert (again.returncode, path.name in again.stderr) == (0, True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_others(path: Path) -> None:
    save_file({"x": np.zeros(3)}, path)


def of_other_shape(path: Path) -> None:
    arrays = {name: value[..., :1] if value.ndim > 1 else value for name, value in load_file(path).items()}
    save_file(arrays, path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "spoiled",
    [cut, *(pytest.param(item, marks=pytest.mark.slow) for item in (empty, of_others, of_other_shape, a_folder))],
)
def test_spoilt_weights_and_codes_are_named(bench_here, copied, spoiled):
    run = copied / "run"
    key = json.loads((run / "plan.json").read_text())["cells"][0]["key"]
    weights, codes = (run / "cells" / f"{key}{ending}" for ending in (".safetensors", ".codes.safetensors"))
    kept = codes.read_bytes()
    spoiled(codes)
    if spoiled is not of_other_shape:  # a figure may be drawn of what is left
        shown = bench_here("report", run)
        assert shown.returncode == 0, shown.stderr
        assert codes.name in shown.stderr
        assert codes.name in (run / "report.md").read_text()
    refused(bench_here("export", run / "cells" / key, "-o", copied / "other"), codes)
    if codes.is_dir():
        codes.rmdir()
    codes.write_bytes(kept)
    spoiled(weights)
    refused(bench_here("export", run / "cells" / key, "-o", copied / "other"), weights)
    done = bench_here("evaluate", run)
    assert done.returncode == 3
    assert weights.name in (run / "report.md").read_text()
    assert "1 cells with recorded values could not be measured again" in done.stdout


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", [FACTS, TENSORS])
def test_a_spoilt_tokenizer_is_refused_by_name(copied, name, kind):
    path = copied / "tokenizer" / name
    spoil(path, kind)
    with pytest.raises((TokenizerError, FileNotFoundError), match=name):
        quantizers.load_tokenizer(path.parent)


@pytest.mark.parametrize(
    ("ending", "number"),
    [
        (".safetensors", errno.ENOSPC),
        ("plan.json", errno.EFBIG),
        pytest.param(".json", errno.EDQUOT, marks=pytest.mark.slow),
        pytest.param("report.html", errno.ENOSPC, marks=pytest.mark.slow),
        pytest.param("results.csv", errno.ENOSPC, marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_ends_in_one_line_and_loses_nothing(bench_here, tmp_path, monkeypatch, number, ending):
    command = ("run", "--quantizers", "vq", "--datasets", "lorenz", "--protocol", "tiny", "--seeds", 1)
    write = Path.write_bytes

    def full(path, content):
        if path.name.removesuffix(".tmp").rpartition(".")[0].endswith(ending):
            write(path, content[:10])
            raise OSError(number, os.strerror(number))
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        done = bench_here(*command, "--out", tmp_path)
    assert done.returncode == 3, done.stderr
    assert ending == ".safetensors" or "Traceback" not in done.stderr  # a job's own goes into its log
    assert os.strerror(number) in done.stderr
    assert not list(tmp_path.rglob("*.tmp"))
    again = bench_here(*command, "--rerun", "failed", "--out", tmp_path)
    assert again.returncode == 0, again.stderr


def test_what_may_not_be_read_is_not_called_missing(bench_here, copied, monkeypatch):
    run = copied / "run"
    key = json.loads((run / "plan.json").read_text())["cells"][0]["key"]
    opened = Path.open

    def forbidden(path, *arguments, **more):
        if path.name.endswith(".safetensors"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", forbidden)
    for arguments in (("export", run / "cells" / key, "-o", copied / "other"), ("report", run)):
        done = bench_here(*arguments)
        assert "Permission denied" in done.stderr
        assert "No such file" not in done.stderr
    assert f"{key}.codes.safetensors" in (run / "report.md").read_text()


def test_what_is_written_follows_the_umask(tmp_path):
    former = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "x", b"")
    finally:
        os.umask(former)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_the_report_of_a_run_that_is_only_read_goes_elsewhere(bench_here, copied, tmp_path):
    run = copied / "run"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    done = bench_here("report", run, "--out", tmp_path / "else" / "where")
    assert done.returncode == 0, done.stderr
    for name in ("report.html", "report.md", "results.csv", "figures", "tables"):
        assert (tmp_path / "else" / "where" / name).exists()
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    (tmp_path / "file").write_text("")
    refused(bench_here("report", run, "--out", tmp_path / "file"), tmp_path / "file")


def test_data_check_takes_what_it_advises(bench_here, tmp_path):
    np.savez(tmp_path / "short.npz", np.random.default_rng(0).normal(size=(9, 8, 2)))
    done = bench_here("data", "check", f"npz:{tmp_path / 'short.npz'}")
    assert done.returncode == 2
    assert "--set npz:short.window=N" in done.stderr
    output = bench_here("data", "check", f"npz:{tmp_path / 'short.npz'}", "--set", "npz:short.window=4")
    assert output.returncode == 0, output.stderr
    assert "train (" in output.stdout
