import pickle
import sys
import zipfile

import numpy as np
import pytest

from bench.cli import main
from datasets import download
from datasets.motion import aist_fetch
from datasets.motion.dancer import dance

NAME = "keypoints3d/gBR_sBM_cAll_d04_mBR0_ch01.pkl"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run `bench data fetch aist` in this process: exit code, standard output and error."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench", "data", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main.main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run


@pytest.fixture
def archive(tmp_path):
    """An archive of one sequence and, where told, another member."""

    def write(other=""):
        (motion,) = dance(1, 130, np.random.default_rng(0))
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
            made.writestr(NAME, pickle.dumps({"keypoints3d": motion, "keypoints3d_optim": motion}))
            if other:
                made.writestr(other, b"evil")
        return (tmp_path / "a.zip").read_bytes()

    return write


def files(tmp_path):
    return sorted(p.name for p in (tmp_path / "data").rglob("*") if p.is_file() and not p.name.startswith("."))


def test_fetch_shows_licence_and_address_and_installs(call, server, archive, tmp_path, monkeypatch):
    server.content = archive()
    monkeypatch.setattr(aist_fetch, "MEGABYTES", len(server.content) / 1e6)
    code, out, err = call("fetch", "aist", "--url", server.url)
    assert (code, err) == (0, "")
    address, licence, *rest = out.splitlines()
    assert server.url in address
    assert "CC BY 4.0" in licence
    assert any("1 sequences, 130 frames" in line for line in rest)
    assert call("check", "aist")[0] == 2  # one sequence does not fill three splits
    assert files(tmp_path)[0] == "fetched.json"


@pytest.mark.parametrize("trouble", ["cut off", "wrong size", "changed", "../", "absolute", "gone"])
def test_whatever_goes_wrong_is_one_line_and_installs_nothing(call, server, archive, tmp_path, monkeypatch, trouble):
    server.content = archive({"../": "../evil.pkl", "absolute": "/evil.pkl"}.get(trouble, ""))
    monkeypatch.setattr(aist_fetch, "MEGABYTES", len(server.content) / 1e6)
    expected, kept = trouble, []
    if trouble == "cut off":
        monkeypatch.setattr(download, "PAUSES", ())
        server.cuts, expected = [100], "100 bytes are kept, the same command goes on from there"
        kept = ["keypoints3d.zip.part", "keypoints3d.zip.part.json"]
    elif trouble == "wrong size":
        monkeypatch.setattr(aist_fetch, "MEGABYTES", 834)
        expected = "Expected about 834 MB"
    elif trouble == "changed":
        assert call("fetch", "aist", "--url", server.url)[0] == 0
        for path in (tmp_path / "data" / "aist").glob("[km]*"):
            path.unlink()
        server.content = server.content[:-1] + b"!"
        expected, kept = "has changed", ["fetched.json"]
    elif trouble == "gone":
        server.statuses, expected = [404], "404"
    else:
        expected = "would lie outside its folder"
    code, _, err = call("fetch", "aist", "--url", server.url)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("error: ")
    assert expected in err
    assert files(tmp_path) == kept


@pytest.mark.parametrize("arguments", [("fetch", "lorenz"), ("import", "cmu", ".")])
def test_there_is_nothing_to_get_for_what_works_as_it_is(call, arguments):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert "nothing to" in err
