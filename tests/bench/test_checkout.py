import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stranger(tmp_path):
    """A folder with another package called `datasets`, as Hugging Face's would lie in site-packages."""
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("STRANGER = True\n")
    return tmp_path


def python(code, *path, cwd):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONSAFEPATH": "1"}
    return subprocess.run([sys.executable, *code], cwd=cwd, env=environment, capture_output=True, text=True)


def test_ours_wins_from_the_checkout_and_from_elsewhere(stranger, tmp_path):
    for cwd in (ROOT, tmp_path):
        done = python(["-m", "bench", "data", "check", "lorenz"], stranger, ROOT, cwd=cwd)
        assert done.returncode == 0, done.stderr
        assert "(280, 297, 8)" in done.stdout


def test_one_already_imported_is_one_clear_line_and_exit_two(stranger):
    (stranger / "sitecustomize.py").write_text("import datasets\n")
    done = python(["-m", "bench", "list"], stranger, ROOT, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "run from the checkout" in done.stderr


def test_in_a_library_it_is_an_import_error(stranger):
    done = python(["-c", "import datasets, bench"], stranger, ROOT, cwd=ROOT)
    assert "ImportError: expected the package 'datasets'" in done.stderr
