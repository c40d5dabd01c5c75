"""The plug-in shown in examples/, installed as a user would install it."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which the plug-in is installed, without a network."""
    source, target = tmp_path_factory.mktemp("source") / "neural-gas", tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "examples" / "neural-gas", source)  # setuptools builds inside the source
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_it_is_found_run_measured_and_reported(bench, site, tmp_path):
    listed = bench("list", "quantizers", PYTHONPATH=site)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "neural-gas  (NeuralGas; Martinetz" in listed.stdout
    command = ("run", "--quantizers", "neural-gas,vq", "--datasets", "circles", "--protocol", "tiny", "--seeds", 1)
    done = bench(*command, "--device", "cpu", "--out", tmp_path, timeout=1200, PYTHONPATH=site)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["quantizer"], row["dataset"]) for row in rows] == [(name, "circles") for name in ("neural-gas", "vq")]
    for row in rows:
        assert row["status"] == "done"
        assert 1 <= float(row["run_length"]) <= 200
        assert float(row["explained"]) > 0
    report = (tmp_path / "report.md").read_text()
    assert "`run_length`: mean number of frames that a code lasts" in report
    without = bench("evaluate", tmp_path)
    assert without.returncode == 2
    assert "was made by a plug-in; install it or add --plugin PATH" in without.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["neural-gas", "circles"])
def test_it_keeps_the_contract(bench, site, name):
    done = bench("test", name, PYTHONPATH=site)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok ") >= 10


@pytest.mark.slow
def test_its_own_tests_pass(site):
    folder = ROOT / "examples" / "neural-gas" / "tests"
    paths = os.pathsep.join([str(site), str(ROOT)])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    done = subprocess.run(
        command, cwd=site, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stdout
