"""What a failure costs: its own cell, and nothing that is measured already."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest

TROUBLED = Path(__file__).resolve().parents[2] / "plugins" / "troubled.py"
RUN = ("run", "--datasets", "lorenz", "--protocol", "tiny", "--device", "cpu", "--seeds", 1, "--plugin", TROUBLED)
TROUBLES = {
    "raises": "failed",
    "builds-not": "failed",
    "returns-nan": "diverged",
    "segfaults": "failed",
    "out-of-range": "failed",
    "dies-building": "failed",
    "exits": "failed",
    "wrong-shape": "failed",
    "vq": "done",
}


def statuses(folder):
    with (folder / "results.csv").open(newline="") as file:
        return {row["quantizer"]: row["status"] for row in csv.DictReader(file)}


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}


@pytest.fixture(scope="module")
def troubled(bench, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "troubled"
    done = bench(*RUN, "--quantizers", ",".join(TROUBLES), "--out", folder)
    return folder, done


def test_each_trouble_costs_its_own_cell_and_is_told(troubled):
    folder, done = troubled
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert statuses(folder) == TROUBLES
    report = (folder / "report.md").read_text()
    for cause in (
        "RuntimeError: this quantizer &lt;b&gt;raises&lt;/b&gt;",
        "RuntimeError: cannot be built",
        "killed by SIGSEGV",
        "exited with status 0 and no record",
        "ContractError: expected codes of shape (256,), got (256, 1)",
        "ContractError: expected codes in 0..15, got 16..16",
        "not finite",
    ):
        assert cause in report.replace("\\", "")
    records = [json.loads(path.read_text()) for path in (folder / "cells").glob("*.json")]
    for record in records:
        if record["status"] == "failed":
            log = (folder / "cells" / record["error"]["traceback"]).read_text()
            assert "troubled.py" in log or "ContractError" in log or record["cell"]["quantizer"] == "exits"


def test_failures_stay_until_rerun_failed(bench, troubled):
    folder, _ = troubled
    command = (*RUN, "--quantizers", "raises,vq", "--out", folder)
    before = stamps(folder)
    done = bench(*command)
    assert done.returncode == 3
    assert "--rerun failed tries them again" in done.stderr
    assert stamps(folder) == before
    assert bench(*command, "--rerun", "failed").returncode == 3
    changed = [name for name, stamp in stamps(folder).items() if before[name] != stamp]
    assert len(changed) == 1


@pytest.mark.slow
def test_a_hang_is_a_timeout(bench, tmp_path):
    command = (*RUN, "--quantizers", "hangs,vq", "--out", tmp_path)
    done = bench(*command, "--timeout", 20)
    assert done.returncode == 3
    assert statuses(tmp_path) == {"hangs": "timeout", "vq": "done"}
    assert "took longer than 20 s" in (tmp_path / "report.md").read_text()


def test_a_metric_that_fails_costs_neither_weights_nor_other_metrics(tmp_path, monkeypatch):
    """In this process, because a metric cannot be broken from outside."""
    from bench.execution import engine, job, runner
    from bench.planning import keys, planner
    from bench.planning.request import Request
    from bench.records.store import Store

    class Silent:
        def started(self, cells):
            pass

        def finished(self, cell, record, resumed):
            pass

    store = Store(tmp_path)
    request = Request(quantizers="vq", datasets="lorenz", protocol="tiny", seeds="1")

    def run(rerun="missing"):
        made = planner.make(request)
        options = runner.Options(device="cpu", jobs=1, rerun=rerun)
        return runner.Runner(made, store, options, {}, Silent()).run()[made.cells[0].key]

    def call(self, spec, log, timeout, threads):
        job.ChildJob(json.loads(spec.read_text())).run()
        return runner.Outcome(0, timed_out=False)

    monkeypatch.setattr(engine.Children, "run", call)

    sound = job.METRICS["active"]

    def broken(trained):
        raise RuntimeError("broken metric")

    monkeypatch.setitem(job.METRICS, "active", dataclasses.replace(sound, function=broken))
    failed = run()
    assert (failed["status"], failed["error"]["message"]) == (
        "failed",
        "metric active raised RuntimeError: broken metric",
    )
    assert failed["metrics"]["mse"] > 0
    weights = store.weights(failed["key"]).stat().st_mtime_ns
    assert run()["status"] == "failed"  # nothing has changed, so nothing runs
    monkeypatch.setitem(keys.METRICS, "active", sound)
    mended = run()
    assert mended["status"] == "done"
    assert mended["metrics"]["mse"] == failed["metrics"]["mse"]
    assert store.weights(failed["key"]).stat().st_mtime_ns == weights


def test_several_seeds_in_one_job_fail_one_by_one(tmp_path, monkeypatch):
    """As on a GPU, where one child trains all seeds of a pair."""
    from bench.execution import job, runner, tokenizers
    from bench.planning import planner
    from bench.planning.request import Request
    from bench.records.store import Store

    store = Store(tmp_path)
    made = planner.make(Request(quantizers="vq,som-vq", datasets="lorenz", protocol="tiny", seeds="3"))
    cells = [cell for cell in made.cells if cell.quantizer == "vq"]
    work = runner.Runner(made, store, runner.Options(device="cpu", jobs=1), {}, None)
    train = tokenizers.train

    def sometimes(models, frames, validation, seeds, *arguments, **named):
        if 1 in seeds:
            raise RuntimeError("bad seed")
        return train(models, frames, validation, seeds, *arguments, **named)

    monkeypatch.setattr(tokenizers, "train", sometimes)
    job.ChildJob(json.loads(json.dumps(work._job(cells).spec(tmp_path)))).run()
    assert [store.read(cell.key)["status"] for cell in cells] == ["done", "failed", "done"]
