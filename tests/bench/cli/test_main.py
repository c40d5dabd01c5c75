import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import main

ROOT = Path(__file__).resolve().parents[3]
RUN = ("run", "--quantizers", "vq", "--datasets", "lorenz", "--protocol", "tiny")

TUNE = ("tune", "--datasets", "lorenz", "--protocol", "tiny")


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the command line in this process: exit code, standard output and error."""

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main.main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "--quantizers", "som-vqq", "--datasets", "lorenz"), "did you mean 'som-vq'?"),
        (("run", "--quantizers", "som-vq:papr", "--datasets", "lorenz"), "did you mean 'paper'?"),
        (("run", "--quantizers", "vq", "--datasets", "lorentz"), "did you mean 'lorenz'?"),
        (("run", "--quantizers", ",", "--datasets", "lorenz"), "expected --quantizers (or --suite) with at least one"),
        (("run", "--quantizers", "vq"), "expected --datasets with at least one dataset; known: lorenz"),
        (("run", "--quantizers", "vq@x", "--datasets", "lorenz"), "codebook size between 2 and 1048576 in vq@x"),
        (("run", "--quantizers", "vq+sort", "--datasets", "lorenz"), "did you mean 'sorted'?"),
        (("run", "--quantizers", "vq,vq@256", "--datasets", "lorenz"), "vq and vq@256 are the same on lorenz"),
        (("run", "--suite", "mian"), "did you mean 'main'?"),
        (("run", "--suite", "main", "--quantizers", "vq"), "leave out --quantizers"),
        (("run", "--suite", "grid", "--datasets", "lorenz", "--set", "som-vqq.x=1"), "did you mean 'som-vq'?"),
        (("run", "--suite", "ema", "--set", "ksom.neighbourhood=none"), "the suite fixes it in the row"),
        (("run", "--suite", "rate", "--codebook-size", "4"), "codebook size between 2 and 1048576 in 0.25 of 4"),
        ((*RUN, "--seeds", "0"), "--seeds"),
        ((*RUN, "--seeds", "x"), "--seeds"),
        ((*RUN, "--seeds", "1,1"), "--seeds"),
        ((*RUN, "--codebook-size", "0"), "--codebook-size"),
        ((*RUN, "--codebook-size", "x"), "--codebook-size"),
        ((*RUN, "--set", "nope.x=1"), "no 'nope' in this run"),
        ((*RUN, "--set", "vq.decya=1"), "did you mean 'decay'?"),
        ((*RUN, "--set", "vq.decay=2"), "0 <= decay < 1"),
        ((*RUN, "--set", "vq.decay=nan"), "JSON"),
        ((*RUN, "--set", "vq.decay=x"), "expected a number"),
        ((*RUN, "--set", "vq.update_zero=x"), "expected yes or no"),
        ((*RUN, "--set", "vq.smoothing=x"), "none, transient, persistent"),
        ((*RUN, "--set", "vq"), "QUANTIZER.PARAMETER=VALUE"),
        ((*RUN, "--set", "lorenz.dt=9"), "dt"),
        ((*RUN, "--device", "gpu"), "auto, cpu or cuda"),
        ((*RUN, "--plugin", "absent.py"), "does not exist"),
        ((*RUN, "--plugin", "no_such_module"), "cannot be loaded"),
        ((*RUN, "--plugin", str(ROOT / "quantizers" / "vq.py")), "registers nothing"),
        ((*RUN, "--protocol", "quik"), "did you mean 'quick'?"),
        ((*RUN, "--capacity", "x"), "matched or published"),
        ((*RUN, "--rerun", "x"), "missing, failed, all"),
        ((*RUN, "--timeout", "0"), "--timeout"),
        ((*RUN, "--jobs", "0"), "--jobs"),
        ((*RUN, "--nope"), "--nope"),
        (("run", "--quantizers", "vq-vae:paper", "--datasets", "lorenz"), "--capacity published"),
        (("run", "--quantizers", "vq", "--datasets", "aist", "--require-real"), "data import aist"),
        (("list", "nope"), "quantizers, datasets"),
        (("evaluate", "absent"), "no run folder absent"),
        (("evaluate", str(ROOT / "bench")), "no readable plan.json"),
        (("evaluate", str(ROOT), "--jobs", "0"), "--jobs"),
        (("report", "absent"), "no run folder absent"),
        (("report", str(ROOT / "bench")), "no readable plan.json"),
        (("report", "absent", "--format", "pdf"), "some of html, md, tex, csv, got 'pdf'"),
        (("report", "a", "b", "c"), "one run folder or two, got 3"),
        (("report", "a", "--out", "b"), "no run folder a"),
        (("run", "--quantizers", "vq", "--datasets", "npz"), "path of a file after npz"),
        (("run", "--quantizers", "vq", "--datasets", "npz:absent.npz"), "npz:absent: there is no file"),
        (("run", "--quantizers", "vq", "--datasets", "npz:a/w.npz", "--set", "npz.x=1"), "known: vq, npz:w"),
        (("export", "absent", "-o", "x"), "there is no such cell"),
        (("export", str(ROOT), "-o", "x"), "no readable plan.json"),
        ((*RUN, "--executor", "nope"), "known: local, dask:local, dask:tcp://HOST:PORT"),
        ((*RUN, "--executor", "dask:8786"), "expected --executor dask:local or dask:tcp://HOST:PORT"),
        ((*RUN, "--executor", "dask:tcp://h:1", "--jobs", "2"), "the workers of dask:tcp://h:1 say how many"),
        ((*RUN, "--params", "absent.toml"), "expected what bench tune wrote"),
        ((*TUNE, "--quantizers", "som-vq:paper"), "tune som-vq"),
        ((*TUNE, "--quantizers", "vq", "--objective", "active"), "neither more nor less of it is better"),
        ((*TUNE, "--quantizers", "vq", "--trials", "0"), "--trials"),
        ((*TUNE, "--quantizers", "vq", "--timeout", "0"), "--timeout"),
        ((*TUNE,), "--quantizers"),
        (("confirm", "absent.toml"), "expected what bench tune wrote"),
        (("confirm",), "TUNED.toml"),
        (("data", "check", "nope"), "unknown dataset"),
        (("data", "check", "npz:absent.npz"), "there is no file"),
        (("data", "fetch", "nope"), "unknown dataset"),
        (("data", "import", "lorenz", "."), "nothing to import"),
        (("data", "import", "aist", "absent"), "keypoints3d"),
        (("nope",), "nope"),
    ],
)
def test_bad_input_is_one_line_and_exit_two(call, monkeypatch, tmp_path, arguments, expected):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "no-data"))
    code, out, err = call(*arguments)
    assert code == 2
    assert expected in err
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
    assert not (tmp_path / "runs").exists()


def test_a_missing_gpu_is_one_line_and_exit_two(call):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    code, _, err = call(*RUN, "--device", "cuda")
    assert (code, err.count("\n")) == (2, 1)
    assert "--device cpu" in err


def test_an_unwritable_run_folder_is_one_line_and_exit_two(call, tmp_path):
    (tmp_path / "file").touch()
    code, _, err = call(*RUN, "--out", tmp_path / "file" / "run")
    assert (code, err.count("\n")) == (2, 1)
    assert "--out" in err


def test_a_run_folder_of_another_schema_is_one_line_and_exit_two(call, tmp_path):
    (tmp_path / "plan.json").write_text(json.dumps({"schema": 999}))
    code, _, err = call(*RUN, "--out", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert "schema 999" in err


def test_help_imports_nothing_heavy():
    script = (
        "import sys; sys.argv = ['bench', '--help']\n"
        "from bench.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "names = sorted(sys.modules)\n"
        "print('MODULES', len(names), *[n for n in names if n.partition('.')[0] in "
        "('torch', 'numpy', 'pandas', 'scipy', 'sklearn', 'optuna', 'rich', 'safetensors')])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    output = done.stdout.splitlines()[-1].split()
    assert "Usage" in done.stdout
    assert output[2:] == []
    assert int(output[1]) < 350  # importing torch alone makes it more than 1,000


def test_lists_show_names_parameters_and_defaults(call):
    code, out, _ = call("list", "quantizers")
    assert code == 0
    for name in ("vq", "vq-reset", "som-hard", "ksom", "som-vq", "vq-vae", "fsq", "som-vq:paper", "fsq:2d"):
        assert f"{name} " in out
    assert "decay=0.99" in out
    assert "arXiv 2602.21133" in out
    assert "trust" in call("list", "metrics")[1]
    assert "quick" in call("list", "protocols")[1]
    for name in ("none", "kmeans", "QUANTIZER+sorted", "QUANTIZER+shuffled", "QUANTIZER+shuffled-grid"):
        assert f"\n{name} " in out
    suites = call("list", "suites")[1]
    for name in ("main", "capacity", "grid", "ema", "rate"):
        assert f"\n{name} " in suites
    listed = call("data", "list")[1]
    for output in ("stand-in", "\ncmu  (", "\nnpz:PATH  ("):
        assert output in listed


def test_data_check_tells_the_facts(call):
    code, out, _ = call("data", "check", "lorenz")
    assert code == 0
    assert "(280, 297, 8)" in out


@pytest.mark.parametrize("content", ["[]", '{"schema": 3}', "{"])
def test_evaluating_a_damaged_plan_is_one_line_and_writes_nothing(call, tmp_path, content):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "plan.json").write_text(content)
    code, out, err = call("evaluate", folder)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "plan.json" in err
    assert [path.name for path in folder.iterdir()] == ["plan.json"]


def test_dry_run_runs_nothing_and_estimates(call, tmp_path):
    code, out, err = call(*RUN, "--dry-run", "--out", tmp_path / "run")
    assert code == 0
    assert "2 cells to run" in out
    assert "network parameters" in err
    assert not (tmp_path / "run").exists()
