"""The GPU's benchmark at toy sizes on the CPU, so that the one command works when a GPU is at hand."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from bench.kernels.cuda_graphs import Captured

FILE = Path(__file__).with_name("gpu_benchmark.py")


@pytest.fixture(scope="module")
def benchmark_file():
    spec = importlib.util.spec_from_file_location("gpu_benchmark", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_benchmark"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu_benchmark"]


def test_the_table_of_steps_has_a_row_a_case(benchmark_file, capsys):
    size = benchmark_file.Size(
        frames=512, validation=128, width=4, hidden=8, batch=64, epochs=2, eager_steps=4, repeats=1
    )
    called = Captured.__call__
    lines = benchmark_file.steps_table(size, "cpu", [("vq", 16), ("som-vq", 16)]).splitlines()
    assert Captured.__call__ is called
    assert len(lines) == 4
    assert len({line.count("|") for line in lines}) == 1
    for line in lines[2:]:
        family, codes, alone, together, ratio, loop, gain, apart = (cell.strip() for cell in line.strip("|").split("|"))
        assert (family in ("`vq`", "`som-vq`"), codes) == (True, "16")
        assert float(ratio) == pytest.approx(float(together) / float(alone), abs=0.02)
        assert float(gain) == pytest.approx(float(loop) / float(together), abs=0.06)
        assert float(apart) == 0.0  # without a GPU both are called


def test_the_paper_protocol_is_timed_and_its_profile_quoted(benchmark_file, monkeypatch):
    def run(command, **named):
        folder = Path(command[command.index("--out") + 1])
        folder.joinpath("report.md").write_text("# A\n\n## Where the time goes\n\nhere\n\n## Environment\n\nthere\n")
        return subprocess.CompletedProcess(command, 0, "70 of 70 cells done; report: x\n", "")

    monkeypatch.setattr(subprocess, "run", run)
    output = benchmark_file.paper(jobs=2)
    assert "(goal 180) with 2 processes. 70 of 70 cells done" in output
    assert "here" in output
    assert "there" not in output


def test_a_protocol_that_takes_too_long_is_told(benchmark_file, monkeypatch):
    def run(command, **named):
        raise subprocess.TimeoutExpired(command, named["timeout"])

    monkeypatch.setattr(subprocess, "run", run)
    assert "stopped after 420 s; cells done: 0" in benchmark_file.paper(jobs=None)


def test_without_a_gpu_it_says_so(benchmark_file, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_benchmark.py"])
    with pytest.raises(SystemExit, match="no CUDA device here"):
        benchmark_file.main()
