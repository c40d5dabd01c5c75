"""What a plug-in stands on counts, wherever Python finds it; what a distribution installs counts by its version."""

import subprocess
import sys
import textwrap

import pytest

from bench import plugins
from bench.errors import UsageError
from bench.plugins import fingerprint as module
from bench.plugins import module_files
from bench.plugins.fingerprint import fingerprint, sources


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Writes files below a folder of the import path and forgets what was looked up before."""
    library = tmp_path / "library"
    library.mkdir()
    monkeypatch.syspath_prepend(library)

    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        fingerprint.cache_clear()
        module_files._roots.cache_clear()
        module_files._is_installed.cache_clear()
        return path

    yield write
    fingerprint.cache_clear()
    module_files._roots.cache_clear()
    module_files._is_installed.cache_clear()


@pytest.mark.parametrize(
    ("statement", "edited"),
    [
        ("from lab.core import gain", "library/lab/core.py"),
        ("import lab.core", "library/lab/core.py"),
        ("import lab.core", "library/lab/__init__.py"),
        ("from lab import core", "library/lab/core.py"),
        ("from lab import gain", "library/lab/deep.py"),
        ("def late():\n    from lab.core import gain", "library/lab/core.py"),
        ("import importlib\nimportlib.import_module('lab.core')", "library/lab/core.py"),
        ("from spaces.part import gain", "library/spaces/part.py"),
        ("import single", "library/single.py"),
        ("import neighbour", "plugin/neighbour.py"),
        ("from lab.native import gain", "library/lab/native.abi3.so"),
    ],
)
def test_an_edit_of_what_it_imports_changes_the_fingerprint(place, statement, edited):
    place("library/lab/__init__.py", "from .deep import gain\n")
    for name in ("lab/core", "lab/deep", "spaces/part", "single"):
        place(f"library/{name}.py", "gain = 1\n")
    place("library/lab/native.abi3.so", "gain = 1\n")
    place("plugin/neighbour.py", "gain = 1\n")
    plugin = place("plugin/mine.py", statement)
    before = fingerprint(plugin)
    place(edited, "gain = 2\n")
    assert fingerprint(plugin) != before


def test_an_edit_of_what_nothing_imports_does_not_count(place):
    place("library/lab/__init__.py", "")
    place("library/lab/other.py", "gain = 1\n")
    plugin = place("plugin/mine.py", "import lab\n")
    before = fingerprint(plugin)
    place("library/lab/other.py", "gain = 2\n")
    assert fingerprint(plugin) == before


def test_an_installed_distribution_counts_by_its_version(place, monkeypatch):
    place("library/thing.py", "gain = 1\n")
    place("library/thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    place("library/thing-1.0.dist-info/top_level.txt", "thing\n")
    plugin = place("plugin/mine.py", "import thing\nimport numpy\n")
    module_files._providers.cache_clear()
    assert [path.name for path in sources(plugin)] == ["mine.py"]
    assert module_files.versions("thing") == ["thing==1.0"]
    assert module_files.versions("numpy") == []  # ours, and recorded with every run
    before = fingerprint(plugin)
    place("library/thing.py", "gain = 2\n")
    assert fingerprint(plugin) == before
    place("library/thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.1\n")
    assert fingerprint(plugin) != before
    module_files._providers.cache_clear()


def test_our_own_modules_do_not_depend_on_the_import_path(place):
    place("library/optuna.py", "gain = 1\n")
    ours = module.module_file("bench.tuning.study")
    assert all(path.is_relative_to(module.ROOT) for path in sources(ours))


@pytest.mark.parametrize(
    "start",
    [["-c", "from bench.cli.main import main; main()"], pytest.param(["-m", "bench"], marks=pytest.mark.slow)],
)
def test_a_module_beside_a_plug_in_is_found_from_any_folder(tmp_path, start):
    (tmp_path / "beside_me.py").write_text("gain = 1\n")
    (tmp_path / "mine.py").write_text(
        "from beside_me import gain\nfrom quantizers import register\nfrom quantizers.vq import VQ\n\n\n"
        "@register('mine')\nclass Mine(VQ):\n    pass\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, *start, "list", "quantizers", "--plugin", str(tmp_path / "mine.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "mine" in done.stdout


def test_two_neighbours_of_one_name_are_not_taken_for_one_another(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "helper_of_two.py").write_text(f"name = {folder!r}\n")
        text = f"import helper_of_two\nimport datasets\n\nassert helper_of_two.name == {folder!r}\n"
        (tmp_path / folder / "mine.py").write_text(text)
    with pytest.raises(UsageError, match="registers nothing"):
        plugins.load(str(tmp_path / "one" / "mine.py"))
    with pytest.raises(UsageError, match=r"imports helper_of_two, and .*two.* is not what .*, but .*one"):
        plugins.load(str(tmp_path / "two" / "mine.py"))
    sys.modules.pop("helper_of_two")
