"""Plug-ins of installed distributions that cannot be used."""

import sys
from pathlib import Path

import pytest

import datasets
import quantizers
from bench import plugins
from bench.cli import main
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning.planner import make
from bench.planning.request import Request
from tests.bench.plugins.distributions import DATASET, PLAIN, Install

ONE = "from bench.metrics import Metric\n\n\ndef one(trained):\n    return 1.0\n\n"


def of_metric(arguments: str, cause: str, name: str = "it") -> tuple[str, str, dict[str, str], str]:
    """An entry point to a metric made of these arguments, and why it cannot be taken."""
    return "metrics", name, {"m.py": f"{ONE}\nIt = Metric({arguments})"}, cause


BROKEN: dict[str, tuple[str, str, dict[str, str], str]] = {
    "import": ("quantizers", "it", {"m.py": "import nothing_of_that_name"}, "ModuleNotFoundError: No module named"),
    "exit": ("quantizers", "it", {"m.py": "raise SystemExit('bye')"}, "SystemExit: bye"),
    "absent": ("quantizers", "it", {"m.py": ""}, "AttributeError: module 'dist_broken.m' has no attribute 'It'"),
    "no class": (
        "quantizers",
        "it",
        {"m.py": "It = 3"},
        "Expected 'it' to be a subclass of quantizers.Quantizer, got 3",
    ),
    "clash": ("quantizers", "vq", {"m.py": PLAIN + "\nIt = Plain"}, "A quantizer named 'vq' is already registered"),
    "reference": ("quantizers", "kmeans", {"m.py": PLAIN + "\nIt = Plain"}, "'kmeans' is the name of a reference"),
    "signature": (
        "quantizers",
        "it",
        {"m.py": PLAIN.replace("code_dim)", "code_dim, rate=1.0)", 1) + "\nIt = Plain"},
        "Expected Plain.__init__ to take rate by keyword only",
    ),
    "abstract": (
        "quantizers",
        "it",
        {"m.py": "from quantizers import Quantizer\n\nclass It(Quantizer): ..."},
        "Expected It to define codebook, encode, forward, initialise",
    ),
    "no dataset": ("datasets", "it", {"m.py": "class It: ..."}, "Expected 'it' to be a subclass of datasets.Dataset"),
    "taken dataset": (
        "datasets",
        "lorenz",
        {"m.py": DATASET.replace('"noise"', '"other"') + "\nIt = Noise"},
        "already",
    ),
    "no metric": (
        "metrics",
        "it",
        {"m.py": "def It(trained): ..."},
        "Expected a Metric or a function with @bench.metrics",
    ),
    "taken metric": of_metric("'mse', one, 'lower', ''", "A metric named 'mse' is already registered", "mse"),
    "a column": of_metric(
        "'seed', one, 'lower', ''",
        "Expected a metric name of lower-case letters, digits and _ that is no other column, got 'seed'",
        "seed",
    ),
    "another name": of_metric(
        "'that', one, 'lower', ''", "Expected a Metric or a function with @bench.metrics.register('it', ...)"
    ),
    "no direction": of_metric(
        "'it', one, 'up', ''", "direction of 'it' to be one of lower, higher, target, none, got 'up'"
    ),
    "no target": of_metric("'it', one, 'target', ''", "Expected 'it' to have a target where"),
    "needs": of_metric(
        "'it', one, 'none', '', ('grid',)",
        "Expected the needs of 'it' among positions, reader, small_reader, curve, got grid",
    ),
    "no function": of_metric("'it', print, 'none', ''", "Expected 'it' to be a plain function"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plug_in_is_named_and_skipped(install: Install, installed: Path, kind: str) -> None:
    group, name, files, cause = BROKEN[kind]
    before = [quantizers.get("vq")[0].cls, datasets.get("lorenz"), METRICS["mse"]]
    install("dist_broken", files, **{group: {name: "m:It"}})
    (messages,) = plugins.discover()
    assert messages.startswith(f"{group.removesuffix('s')} {name!r} of dist_broken 1.2 is skipped: ")
    assert cause in messages
    assert "\n" not in messages
    assert [quantizers.get("vq")[0].cls, datasets.get("lorenz"), METRICS["mse"]] == before
    assert "leaky" in quantizers.names()  # the others are there
    assert "kmeans" not in quantizers.names()


def test_two_distributions_of_one_name_are_told_apart(install: Install) -> None:
    for name in ("dist_one", "dist_two"):
        install(name, {"m.py": PLAIN}, quantizers={"plain": "m:Plain"})
    (messages,) = plugins.discover()
    assert "quantizer 'plain' of dist_" in messages
    assert "A quantizer named 'plain' is already registered" in messages


@pytest.mark.parametrize("arguments", [("run", "--quantizers", "it", "--datasets", "lorenz"), ("test", "it")])
def test_asking_for_a_broken_one_tells_the_cause(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    install("dist_broken", {"m.py": "import nothing_of_that_name"}, quantizers={"it": "m:It"})
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    warning, error = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2
    assert warning.startswith("warning: quantizer 'it' of dist_broken 1.2 is skipped: ModuleNotFoundError")
    assert error.startswith("error: quantizer 'it' of dist_broken 1.2 cannot be used: ModuleNotFoundError")


def test_a_broken_dataset_tells_the_cause_where_it_is_asked_for(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("dist_broken", {"m.py": "1 / 0"}, datasets={"it": "m:It"})
    monkeypatch.setattr(sys, "argv", ["bench", "data", "check", "it"])
    with pytest.raises(SystemExit):
        main.main()
    assert "error: dataset 'it' of dist_broken 1.2 cannot be used: ZeroDivisionError" in capsys.readouterr().err
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        make(Request(quantizers="vq", datasets="it"))


def test_a_peer_that_is_not_installed_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "vector_quantize_pytorch", None)
    for command in (("run", "--quantizers", "vqt-vq:rotation", "--datasets", "lorenz"), ("test", "vqt-lfq")):
        monkeypatch.setattr(sys, "argv", ["bench", *command])
        with pytest.raises(SystemExit) as stopped:
            main.main()
        assert stopped.value.code == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "pip install vector-quantize-pytorch" in err
