"""Plug-ins of installed distributions, each written as pip would leave it."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import datasets
import quantizers
from bench import plugins
from bench.cli import main
from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning import keys
from bench.planning.planner import make
from bench.planning.protocol import PROTOCOLS
from bench.planning.request import Request
from bench.plugins import loading
from bench.plugins.fingerprint import fingerprint
from datasets import registry
from quantizers import registry as families
from tests.builders import finished

QUANTIZER = """
from quantizers import LearnedCodebook, register
from PACKAGE.helper import COMMITMENT


@register("leaky", paper="here", presets={"slow": {"rate": 0.1}})
class Leaky(LearnedCodebook):
    def __init__(self, num_codes, code_dim, *, rate: float = 0.5):
        super().__init__(num_codes, code_dim, commitment=COMMITMENT)
        self.rate = rate
"""
PLAIN = """
from quantizers import LearnedCodebook


class Plain(LearnedCodebook):
    def __init__(self, num_codes, code_dim):
        super().__init__(num_codes, code_dim, commitment=0.25)
"""
METRIC = """
from bench.metrics import Metric, register


@register("longest", direction="higher", summary="how long")
def longest(trained):
    return 2.0


def _shortest(trained):
    return 1.0


SHORTEST = Metric("shortest", _shortest, "lower", "how short")
"""
DATASET = """
from datasets import Dataset, register


@register("noise")
class Noise(Dataset):
    width = 2
    train_frames = 20

    def load(self, seed):
        raise NotImplementedError
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Write a distribution of one package into a folder of its own on the import path; registries are put back."""
    monkeypatch.setattr(families, "_FAMILIES", dict(families._FAMILIES))
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    monkeypatch.setattr(loading, "_BROKEN", {})
    metrics, modules = dict(METRICS), set(sys.modules)

    def write(name: str, files: Mapping[str, str], **groups: Mapping[str, str]) -> Path:
        site = tmp_path / f"site-{name}"
        package = site / name
        package.mkdir(parents=True)
        for file, text in ({"__init__.py": ""} | dict(files)).items():
            (package / file).write_text(text.replace("PACKAGE", name))
        facts = site / f"{name}-1.2.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = []
        for group, offers in groups.items():
            lines += [f"[quantizer_bench.{group}]", *(f"{key} = {name}.{value}" for key, value in offers.items())]
        (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(site))
        return package

    yield write
    METRICS.clear()
    METRICS.update(metrics)
    for each in set(sys.modules) - modules:
        if each.partition(".")[0].startswith("dist"):
            del sys.modules[each]


@pytest.fixture
def installed(install: Install) -> Path:
    files = {"quantizer.py": QUANTIZER, "helper.py": "COMMITMENT = 0.25\n", "plain.py": PLAIN}
    return install(
        "dist_whole",
        files | {"metric.py": METRIC, "dataset.py": DATASET},
        quantizers={"leaky": "quantizer:Leaky", "plain": "plain:Plain"},
        datasets={"noise": "dataset:Noise"},
        metrics={"longest": "metric:longest", "shortest": "metric:SHORTEST"},
    )


def test_what_is_installed_is_registered_once(installed: Path) -> None:
    assert "leaky" not in quantizers.names()
    for _ in range(2):
        assert plugins.discover() == []
    assert quantizers.get("leaky:slow")[1] == {"rate": 0.1}
    assert quantizers.create("plain", num_codes=4, code_dim=2).num_codes == 4
    assert {"leaky", "plain"} <= quantizers.families().keys()
    assert datasets.get("noise").width == 2
    assert METRICS["longest"].function is not None
    assert (METRICS["shortest"].direction, METRICS["shortest"].measure(None).value) == ("lower", 1.0)  # type: ignore


def test_a_child_imports_what_its_cells_need_alone(installed: Path) -> None:
    needed = {plugins.OF_QUANTIZERS: {"plain", "vq"}, plugins.OF_DATASETS: {"lorenz"}, plugins.OF_METRICS: {"mse"}}
    assert plugins.discover(needed) == []
    assert "plain" in quantizers.names()
    assert "leaky" not in quantizers.names()
    assert "dist_whole.dataset" not in sys.modules
    assert "dist_whole.metric" not in sys.modules


def test_a_child_finds_a_name_that_only_the_module_tells(install: Install) -> None:
    more = QUANTIZER + '\n\n@register("leaky-too")\nclass Too(Leaky): ...\n'
    files = {"quantizer.py": more, "helper.py": "COMMITMENT = 0.25\n"}
    install("dist_more", files, quantizers={"leaky": "quantizer:Leaky"})
    assert plugins.discover({plugins.OF_QUANTIZERS: {"leaky-too"}}) == []
    assert "leaky-too" in quantizers.names()


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
    (told,) = plugins.discover()
    assert told.startswith(f"{group.removesuffix('s')} {name!r} of dist_broken 1.2 is skipped: ")
    assert cause in told
    assert "\n" not in told
    assert [quantizers.get("vq")[0].cls, datasets.get("lorenz"), METRICS["mse"]] == before
    assert "leaky" in quantizers.names()  # the others are there
    assert "kmeans" not in quantizers.names()


def test_two_distributions_of_one_name_are_told_apart(install: Install) -> None:
    for name in ("dist_one", "dist_two"):
        install(name, {"m.py": PLAIN}, quantizers={"plain": "m:Plain"})
    (told,) = plugins.discover()
    assert "quantizer 'plain' of dist_" in told
    assert "A quantizer named 'plain' is already registered" in told


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


def test_a_file_stands_in_for_what_is_installed(install: Install, tmp_path: Path) -> None:
    install("dist_plain", {"m.py": PLAIN}, quantizers={"plain": "m:Plain"})
    file = tmp_path / "plain.py"
    file.write_text(PLAIN.replace("import L", "import register, L").replace("class", '@register("plain")\nclass'))
    plugins.load(str(file))
    (told,) = plugins.discover()
    assert "already registered" in told
    assert quantizers.get("plain")[0].cls.__module__.startswith(plugins.PREFIX)
    assert plugins.discover({plugins.OF_QUANTIZERS: {"plain"}}) == []  # as a child does


def test_a_file_of_metrics_alone_is_a_plug_in(install: Install, tmp_path: Path) -> None:
    file = tmp_path / "metric.py"
    file.write_text(METRIC)
    assert plugins.load(str(file)) == ["longest"]
    assert "longest" in METRICS
    reference = tmp_path / "kmeans.py"
    reference.write_text(PLAIN.replace("import L", "import register, L").replace("class", '@register("kmeans")\nclass'))
    with pytest.raises(UsageError, match="name of a reference"):
        plugins.load(str(reference))


def test_every_file_of_the_package_counts_and_the_rest_of_the_site_does_not(installed: Path) -> None:
    plugins.discover()
    (installed.parent / "other.py").write_text("x = 1\n")
    quantizer = installed / "quantizer.py"
    quantizer.write_text(quantizer.read_text() + "\nimport other\n")
    code = []
    for edit in (
        lambda: None,
        lambda: _append(installed / "helper.py"),
        lambda: _append(installed.parent / "other.py"),
    ):
        edit()
        fingerprint.cache_clear()
        code.append(keys.training_code("leaky", "noise")["family"])
    fingerprint.cache_clear()
    assert code[0] != code[1] == code[2]


def _append(path: Path) -> None:
    path.write_text(path.read_text() + "MORE = 1\n")


def test_a_single_module_counts_alone_where_distributions_are_installed(installed: Path) -> None:
    module = installed.parent / "single.py"
    module.write_text("import dist_whole\nimport beside\n")
    (installed.parent / "beside.py").write_text("")
    before = fingerprint(module)
    _append(installed.parent / "beside.py")
    fingerprint.cache_clear()
    assert fingerprint(module) == before


def test_a_metrics_key_follows_its_code_and_training_does_not(installed: Path) -> None:
    plugins.discover()
    found = []
    for text in (METRIC, METRIC + "# a comment\n", METRIC.replace("2.0", "3.0")):
        (installed / "metric.py").write_text(text)
        fingerprint.cache_clear()
        metrics = keys.metric_keys("key", PROTOCOLS["tiny"], ["longest", "shortest", "active"])
        found.append((metrics, keys.training_code("leaky", "noise")))
    fingerprint.cache_clear()
    assert found[0] == found[1]
    assert found[0][1] == found[2][1]
    moved = {name for name, key in found[2][0].items() if key != found[0][0][name]}
    assert moved == {"longest", "shortest"}


def test_lists_name_what_is_installed_and_what_a_family_needs(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quantizers.register("needy", requires="no-such-distribution")(type("Needy", (quantizers.VQ,), {}))
    for what, names in (
        ("quantizers", ["leaky  (Leaky; here)", "needs no-such-distribution, which is not installed: pip install"]),
        ("metrics", ["longest", "shortest"]),
        ("datasets", ["noise  (Noise"]),
    ):
        monkeypatch.setattr(sys, "argv", ["bench", "list", what])
        with pytest.raises(SystemExit):
            main.main()
        out = capsys.readouterr().out
        assert all(name in out for name in names)


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


class _Silent:
    def started(self, cells: Any) -> None: ...

    def finished(self, cell: Any, record: Any, resumed: bool) -> None: ...


def test_a_plug_ins_metric_is_measured_and_one_that_fails_is_named(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.analysis.results import results
    from bench.execution import engine, job, runner
    from bench.records.store import Store

    package = install("dist_metric", {"m.py": METRIC}, metrics={"longest": "m:longest"})
    plugins.discover()
    store = Store(tmp_path / "run")

    def run() -> tuple[Any, Any]:
        plan = make(Request(quantizers="vq", datasets="lorenz", protocol="tiny", seeds="1"))
        for cell in plan.cells:
            for name in set(cell.metric_keys) - {"mse", "longest"}:
                del cell.metric_keys[name]
        work = runner.Runner(plan, store, runner.Options(device="cpu", jobs=1), {}, _Silent())
        return plan, work.run()

    def call(self: Any, spec: Path, log: Path, timeout: Any, threads: int) -> runner.Outcome:
        job.ChildJob(json.loads(spec.read_text())).run()
        return runner.Outcome(0, timed_out=False)

    monkeypatch.setattr(engine.Children, "run", call)

    plan, records = run()
    assert results(finished(plan, records))["longest"].tolist() == [2.0]

    for text, told in (
        ("raise KeyError('gone')", "metric longest raised KeyError: 'gone'"),
        ("return trained.codes", "metric longest raised TypeError: expected a float or None, got Tensor"),
    ):
        (package / "m.py").write_text(METRIC.replace("return 2.0", text))
        del METRICS["longest"]  # the fixture puts the registry back
        monkeypatch.delitem(sys.modules, "dist_metric.m")
        METRICS.pop("shortest", None)
        fingerprint.cache_clear()
        plugins.discover()
        plan, records = run()
        (failed,) = records.values()
        assert failed["status"] == "failed"
        assert failed["error"]["message"].startswith(told)
        assert failed["metrics"]["mse"] > 0
    fingerprint.cache_clear()
