"""Names that a terminal or UTF-8 cannot show are shown escaped, and stop nothing."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.cli import app, main
from bench.errors import UsageError
from bench.execution.engines import open_engine
from bench.planning.planner import make
from bench.planning.request import Request
from bench.records.store import Store
from datasets.text import short_name

UNDECODED = "caf\udce9"


@pytest.fixture
def walks(tmp_path):
    def write(name):
        path = tmp_path / f"{name}.npz"
        with path.open("wb") as file:
            np.savez(file, x=np.random.default_rng(0).standard_normal((24, 40, 3)).cumsum(1))
        return path

    return write


class Plain(io.StringIO):
    """A stream that cannot be set otherwise, as notebooks have."""


def called(monkeypatch, *arguments, out, error):
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", error)
    with pytest.raises(SystemExit) as exit_:
        main.main()
    return exit_.value.code


def ascii_stream():
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)


def test_what_the_terminal_cannot_show_is_escaped(monkeypatch, tmp_path, walks):
    out, error = ascii_stream(), ascii_stream()
    assert called(monkeypatch, "data", "check", f"npz:{walks('日本')}", out=out, error=error) == app.EXIT_DONE
    assert rb"npz:\u65e5\u672c" in out.buffer.getvalue()
    assert called(monkeypatch, "report", str(tmp_path / UNDECODED), out=out, error=error) == app.EXIT_USAGE
    assert rb"caf\udce9" in error.buffer.getvalue()


def test_a_stream_that_cannot_be_set_is_left_as_it_is(monkeypatch, walks):
    out = Plain()
    assert called(monkeypatch, "data", "check", f"npz:{walks('日本')}", out=out, error=Plain()) == app.EXIT_DONE
    assert "npz:日本" in out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_run_on_a_file_whose_name_is_not_utf8_is_whole(tmp_path, walks, locale):
    options = ["--protocol", "tiny", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path / "run")]
    command = [sys.executable, "-m", "bench", "run", "--quantizers", "vq", "--datasets", f"npz:{walks(UNDECODED)}"]
    environment = os.environ | locale | {"PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([*command, *options], env=environment, capture_output=True)
    assert (done.returncode, b"Traceback" in done.stderr) == (app.EXIT_DONE, False), done.stderr
    assert r"caf\udce9.npz" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")
    assert "npz:caf-xe9" in (tmp_path / "run" / "results.csv").read_text(encoding="utf-8")


def test_a_run_folder_that_no_weights_can_be_kept_in_is_refused(tmp_path):
    def engine(name):
        return open_engine("local", Store(tmp_path / name), device="cpu", jobs=1, plugins=(), data=())

    with pytest.raises(UsageError, match=r"has a name that is not UTF-8.*choose another --out"):
        engine(UNDECODED)
    with engine("日本"):
        pass


PLUGIN = """
import sys

from quantizers import VQ, register

sys.stdout.buffer.write(b"caf\\xe9\\n")
sys.stdout.flush()


@register("loud")
class Loud(VQ):
    pass
"""


@pytest.mark.slow
def test_a_plug_in_that_prints_other_bytes_is_built(tmp_path):
    path = tmp_path / f"{UNDECODED}.py"
    path.write_text(PLUGIN)
    command = [sys.executable, "-m", "bench", "run", "--quantizers", "loud", "--datasets", "lorenz", "--dry-run"]
    options = ["--protocol", "tiny", "--plugin", str(path), "--out", str(tmp_path / "run")]
    done = subprocess.run([*command, *options], capture_output=True)
    assert done.returncode == app.EXIT_DONE, done.stderr
    assert b"cannot be built" not in done.stderr


def test_names_in_tables_do_not_change_with_the_locale(walks):
    assert short_name("日本.npz".encode().decode("ascii", "surrogateescape")) == short_name("日本.npz") == "日本"
    assert short_name("\ud800.npz") == "ud800"
    made = make(Request(quantizers="vq", datasets=f"npz:{walks(UNDECODED)}", protocol="tiny", seeds="1"))
    assert made.cells[0].dataset == "npz:caf-xe9"
    assert Path(made.cells[0].dataset_parameters["path"]).is_file()
