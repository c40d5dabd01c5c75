import importlib.metadata
import json
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bench.cli import doctor, main


def test_it_tells_what_is_here_and_how_to_get_the_rest(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(sys, "argv", ["bench", "doctor"])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    output = capsys.readouterr()
    assert (stopped.value.code, output.err) == (0, "")
    assert f"torch {importlib.metadata.version('torch')}" in output.out
    assert f"data directory: {tmp_path / 'data'} (not there yet" in output.out
    assert "OMP_NUM_THREADS=3" in output.out
    assert "dataset aist: AIST++ not found" in output.out
    assert "python -m bench data fetch aist" in output.out
    assert "dataset cmu: on this machine\n" in output.out
    assert "dataset aist-standin: on this machine (a stand-in, synthetic)" in output.out
    assert "npz:PATH" in output.out
    assert "\nextra test: " in output.out
    assert "GPU" in output.out


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("numpy>=1.0", ""),
        ("numpy>=999", f"numpy>=999 ({importlib.metadata.version('numpy')} is here)"),
        ("no-such-distribution>=1", "no-such-distribution"),
        ("no-such-distribution; python_version < '3'", ""),
        ("quantizer-bench[test]", ""),
    ],
)
def test_a_requirement_that_is_not_met_is_named(text, lacking):
    assert doctor._lacking(Requirement(text), "quantizer-bench") == lacking


def test_an_extra_that_lacks_something_has_its_command(monkeypatch, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "quantizer-bench"\n[project.optional-dependencies]\n'
        'far = ["no-such-distribution", "numpy"]\nnear = ["numpy"]\n'
    )
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert doctor._extras() == [
        "extra far: lacks no-such-distribution: pip install -c constraints.txt -e '.[far]'",
        "extra near: installed",
    ]


def test_memory_is_told_where_the_system_tells_it():
    output = doctor._memory()
    assert output == "unknown" or (Path("/proc/meminfo").exists() and "GiB" in output)


def test_it_diagnoses_the_cells_of_a_run(ran, bench_here):
    healthy = bench_here("doctor", ran("healthy", lambda cell: {}))
    assert (healthy.returncode, healthy.stdout) == (0, "nothing looks wrong in 8 cells\n")
    folder = ran("spoilt", lambda cell: {})
    for path in (folder / "cells").glob("*.json"):
        record = json.loads(path.read_text())
        record["history"]["validation"] = [0.5, 1.0]
        path.write_text(json.dumps(record))
    lines = bench_here("doctor", folder).stdout.splitlines()
    assert len(lines) == 8
    assert "vq on lorenz, seed 0: overfitting: the validation error rose by 100 % after check 1 of 2" in lines


def test_a_folder_without_a_run_is_refused(bench_here, tmp_path):
    done = bench_here("doctor", tmp_path / "absent")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no run folder" in done.stderr
