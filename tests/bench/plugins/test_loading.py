"""Plug-ins of installed distributions and of files: registered, listed, identified by their code and measured."""

import json
import sys
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
from bench.plugins.fingerprint import fingerprint
from tests.bench.plugins.distributions import METRIC, PLAIN, QUANTIZER, Install
from tests.builders import finished


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


def test_a_file_stands_in_for_what_is_installed(install: Install, tmp_path: Path) -> None:
    install("dist_plain", {"m.py": PLAIN}, quantizers={"plain": "m:Plain"})
    file = tmp_path / "plain.py"
    file.write_text(PLAIN.replace("import L", "import register, L").replace("class", '@register("plain")\nclass'))
    plugins.load(str(file))
    (messages,) = plugins.discover()
    assert "already registered" in messages
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
    collected = []
    for text in (METRIC, METRIC + "# a comment\n", METRIC.replace("2.0", "3.0")):
        (installed / "metric.py").write_text(text)
        fingerprint.cache_clear()
        metrics = keys.metric_keys("key", PROTOCOLS["tiny"], ["longest", "shortest", "active"])
        collected.append((metrics, keys.training_code("leaky", "noise")))
    fingerprint.cache_clear()
    assert collected[0] == collected[1]
    assert collected[0][1] == collected[2][1]
    moved = {name for name, key in collected[2][0].items() if key != collected[0][0][name]}
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

    for text, output in (
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
        assert failed["error"]["message"].startswith(output)
        assert failed["metrics"]["mse"] > 0
    fingerprint.cache_clear()
