"""What one plug-in does costs its own row alone."""

import csv
import decimal
import gc
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import quantizers
from bench import plugins
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.plugins.guard import guarded
from datasets import registry
from quantizers import registry as families

ROOT = Path(__file__).resolve().parents[3]
MEDDLING = ROOT / "tests" / "plugins" / "meddling.py"


def state():
    """All that the plug-in changes, as it is now."""
    umask = os.umask(0o22)
    os.umask(umask)
    return {
        "type": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "tensor": torch.ones(2).device,
        "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(),
        "strict": (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "cudnn": torch.backends.cudnn.benchmark,
        "gradients": torch.is_grad_enabled(),
        "anomalies": torch.is_anomaly_enabled(),
        "torch": torch.random.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "python": random.getstate(),
        "errors": np.geterr(),
        "print": np.get_printoptions()["precision"],
        "decimal": decimal.getcontext().prec,
        "filters": warnings.filters[:],
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "umask": umask,
        "signal": signal.getsignal(signal.SIGTERM),
        "timeout": socket.getdefaulttimeout(),
        "streams": (sys.stdout, sys.stderr),
        "argv": list(sys.argv),
        "recursion": sys.getrecursionlimit(),
        "hook": sys.excepthook,
        "collects": gc.isenabled(),
    }


@pytest.fixture
def registries(monkeypatch):
    """Put back what is registered."""
    monkeypatch.setattr(families, "_FAMILIES", dict(families._FAMILIES))
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    metrics = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(metrics)


def test_the_process_is_as_it_was(registries):
    before = state()
    with guarded():
        meddled = runpy.run_path(str(MEDDLING))
        meddled["meddle"]()  # as runpy puts the arguments back
        changed = state()
        same = [name for name in before if changed[name] == before[name]]
    assert same == []  # or this test would see nothing
    assert state() == before
    with guarded(), pytest.raises(RuntimeError):
        meddled["Meddled"]().load(0)
    assert state() == before


def test_a_plug_in_that_fails_half_way_leaves_nothing_behind(tmp_path, registries):
    file = tmp_path / "fails.py"
    file.write_text("import torch\ntorch.set_default_dtype(torch.float64)\nraise SystemExit(3)\n")
    before = state()
    with pytest.raises(UsageError, match="cannot be loaded: SystemExit: 3"):
        plugins.load(str(file))
    assert state() == before


def number(text):
    """A cell of a CSV; a column of whole numbers has decimals where a row lacks one."""
    try:
        return float(text)
    except ValueError:
        return text


def run(folder, *arguments):
    command = [sys.executable, "-m", "bench", "run", "--protocol", "tiny", "--seeds", "1", "--jobs", "1"]
    command += [*arguments, "--datasets", "lorenz", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    with (folder / "results.csv").open(newline="") as file:
        return done, {row["quantizer"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
def test_other_rows_are_what_they_are_without_it(tmp_path):
    """The metric runs in every row's process; the quantizer in its own."""
    _, alone = run(tmp_path / "alone", "--quantizers", "vq,fsq")
    done, beside = run(tmp_path / "beside", "--quantizers", "vq,meddling,fsq", "--plugin", str(MEDDLING))
    assert "Traceback" not in done.stderr
    for name in ("vq", "fsq"):
        assert beside[name]["status"] == "done", done.stderr
        assert beside[name].pop("meddlesome") == "1.0"
        for column, value in alone[name].items():
            if not column.endswith("seconds"):
                assert number(beside[name][column]) == number(value), column


@pytest.mark.slow
def test_a_dataset_that_meddles_while_it_is_planned_leaves_the_driver_alone(tmp_path):
    command = [sys.executable, "-m", "bench", "run", "--protocol", "tiny", "--seeds", "1", "--dry-run"]
    command += ["--quantizers", "vq", "--datasets", "meddled,lorenz", "--plugin", str(MEDDLING), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "vq lorenz seed 0" in done.stdout


def test_a_job_loads_the_plug_ins_that_its_rows_need(tmp_path, registries):
    for name in ("one", "two"):
        text = f"from quantizers import register\nfrom quantizers.vq import VQ\n\n\n@register({name!r})\n"
        (tmp_path / f"{name}.py").write_text(text + "class Mine(VQ):\n    pass\n")
        plugins.load(str(tmp_path / f"{name}.py"))
    given = [str(tmp_path / f"{name}.py") for name in ("one", "two")]
    assert plugins.needed(given, {plugins.OF_QUANTIZERS: ["two", "vq"]}) == given[1:]
    assert plugins.needed(given, {plugins.OF_QUANTIZERS: ["vq"], plugins.OF_DATASETS: ["one"]}) == []
    assert plugins.needed([*given, "unseen"], {}) == ["unseen"]


def test_loading_a_tokenizer_leaves_the_process_alone(tmp_path):
    made = quantizers.Tokenizer("vq", {}, num_codes=4, code_dim=2, features=2, layers=([(2, 2)], [(2, 2)]))
    made.save(tmp_path)
    before = state()
    loaded = quantizers.load_tokenizer(tmp_path)
    assert state() == before
    with guarded():
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        again = quantizers.load_tokenizer(tmp_path)
    for name, value in loaded.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
        assert again.state_dict()[name].dtype == value.dtype


PLAIN = """
from quantizers import register
from quantizers.vq import VQ


@register("gone")
class Gone(VQ):
    pass
"""


@pytest.fixture
def bereft(bench_here, tmp_path, registries, monkeypatch):
    """A run in which one row's plug-in, and one row's dataset's, are gone."""
    file = tmp_path / "gone.py"
    file.write_text(PLAIN)
    command = ("run", "--protocol", "tiny", "--seeds", "1", "--datasets", "lorenz", "--out", tmp_path / "run")
    assert bench_here(*command, "--quantizers", "vq,gone", "--plugin", file).returncode == 0
    families._FAMILIES.pop("gone")
    return tmp_path / "run"


def test_a_plug_in_that_is_gone_takes_nothing_from_other_rows(bench_here, bereft, tmp_path):
    shown = bench_here("report", bereft)
    assert shown.returncode == 0, shown.stderr
    assert "gone" in (bereft / "report.md").read_text()
    assert bench_here("export", bereft, "--quantizer", "vq", "-o", tmp_path / "vq").returncode == 0
    refused = bench_here("export", bereft, "--quantizer", "gone", "-o", tmp_path / "gone")
    assert (refused.returncode, "add --plugin PATH" in refused.stderr) == (2, True)
    before = (bereft / "results.csv").read_text()
    measured = bench_here("evaluate", bereft)
    assert measured.returncode == 3
    assert "gone on lorenz was made by a plug-in" in measured.stderr
    assert "1 cells with recorded values could not be measured again" in measured.stdout
    after = (bereft / "results.csv").read_text()
    assert [line.split(",")[:9] for line in after.splitlines()] == [line.split(",")[:9] for line in before.splitlines()]
