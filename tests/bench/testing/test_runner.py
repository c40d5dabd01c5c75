import sys
from typing import Any
from unittest import SkipTest

import pytest

from bench.cli import main
from bench.errors import UsageError
from bench.testing import DatasetTestCase, QuantizerTestCase, runner


class Parent:
    def test_first(self) -> None: ...


class Suite(Parent):
    def test_second_of_three(self) -> None:
        raise SkipTest("no such device")

    def test_third(self) -> None:
        raise AssertionError("Expected 1, got 2; add 1.")

    def test_fourth(self) -> None:
        raise KeyError("rate")

    def helper(self) -> None:
        raise AssertionError


def test_a_line_a_check_and_a_sum() -> None:
    lines: list[str] = []
    assert not runner.run(Suite, lines.append)
    assert lines[:3] == [
        "ok       first",
        "skipped  second of three: no such device",
        "FAILED   third: Expected 1, got 2; add 1.",
    ]
    assert lines[3].startswith("FAILED   fourth: KeyError: 'rate' (")
    assert "test_runner.py, line" in lines[3]
    assert lines[4:] == ["1 ok, 1 skipped, 2 FAILED"]
    assert runner.run(Parent, lines.append)


def test_a_name_is_a_quantizers_or_a_datasets() -> None:
    assert issubclass(runner.case("som-vq:paper"), QuantizerTestCase)
    assert issubclass(runner.case("lorenz"), DatasetTestCase)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lorentz", r"unknown quantizer or dataset 'lorentz'; did you mean 'lorenz'\?"),
        ("som-vq:papr", "did you mean 'paper'"),
        ("aist", "bench data"),
        ("npz", "expected the path of a file after npz"),
        ("npz:absent.npz", "there is no file"),
        ("lorenz:x", "unknown dataset 'lorenz:x'"),
    ],
)
def test_what_cannot_be_tested_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, name: str, message: str
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=message):
        runner.case(name)


@pytest.mark.parametrize(("sound", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_the_contract_is_kept(
    monkeypatch: pytest.MonkeyPatch, sound: bool, code: int
) -> None:
    monkeypatch.setattr(runner, "case", lambda name: Parent if sound else Suite)
    monkeypatch.setattr(sys, "argv", ["bench", "test", "vq"])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    assert stopped.value.code == code


@pytest.mark.slow
def test_a_file_of_ones_own_is_tested_without_pytest(bench: Any, tmp_path: Any) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from quantizers import VQ, register\n\n"
        "@register('mine')\nclass Mine(VQ):\n"
        "    def __init__(self, num_codes, code_dim, *, momentum: float = 0.1):\n"
        "        super().__init__(num_codes, code_dim)\n"
        "    @classmethod\n    def suggest(cls, trial):\n"
        "        return {'momentum': trial.suggest_float('momentum', 0.0, 1.0)}\n"
    )
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['pytest'] = None\n")
    done = bench("test", "mine", "--plugin", plugin, PYTHONPATH=tmp_path)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("FAILED")] == [
        "FAILED   parameters are documented: Expected the docstring of Mine to explain its parameter momentum, got no "
        "line for it; add 'momentum: ...' under 'Args:'."
    ]
    assert lines[-1].endswith("1 FAILED")
