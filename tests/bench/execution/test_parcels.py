"""What travels to a worker and back, with a child that writes what the tests want instead of training."""

import dataclasses
import hashlib
import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import datasets
from bench import plugins
from bench.errors import LostError, UsageError
from bench.execution import engine, engines, parcels
from bench.execution.engine import Children, Outcome
from bench.execution.engines import check_name, open_engine
from bench.records.record import SCHEMA
from bench.records.store import Store
from bench.vocabulary import DONE
from tests.builders import cell, job

KEY, OTHER = "a" * 64, "b" * 64
JOB = job(cell(KEY), environment="of the driver")
NOTHING = parcels.Luggage(plugins={}, places={}, files={}, located={})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run")


@pytest.fixture
def child(monkeypatch):
    """Replace the child by a function (folder, spec) -> None; returns the environments that children were given."""
    seen = []

    def become(act, outcome=None):
        def run(self, spec, log, timeout, threads):
            seen.append(self.environment)
            kept = json.loads(spec.read_text())
            log.write_bytes(b"")
            act(Path(kept["root"]), kept)
            return outcome or Outcome(0, timed_out=False)

        monkeypatch.setattr(Children, "run", run)
        return seen

    return become


def record(**more):
    return json.dumps({"schema": SCHEMA, "key": KEY, "status": DONE, "finished": 0.0, "metrics": {}} | more)


def travel(store, shared=NOTHING, contents=None, **more):
    travelling = dataclasses.replace(JOB, plugins=tuple(shared.plugins))
    delivery = parcels.perform(parcels.pack(travelling, store, shared, contents or {}), **more)
    return parcels.unpack(delivery, travelling, store)


def test_what_a_child_writes_elsewhere_comes_into_the_store(store, child):
    def write(folder, spec):
        assert folder != store.root
        (folder / "cells" / f"{KEY}.json").write_text(record(environment="ab"))
        (folder / "cells" / f"{KEY}.safetensors").write_bytes(b"weights")
        (folder / "environments").mkdir()
        (folder / "environments" / f"{'0' * 16}.json").write_text("{}")

    child(write)
    before = time.time()
    assert travel(store) == Outcome(0, timed_out=False)
    assert store.read(KEY)["finished"] >= before  # by the driver's clock, whatever the worker's says
    assert store.weights(KEY).read_bytes() == b"weights"
    assert (store.root / "environments" / f"{'0' * 16}.json").exists()
    assert not list(store.cells.glob("*.job"))


def test_weights_and_former_records_travel_and_do_not_come_back_unchanged(store, child):
    store.weights(KEY).write_bytes(b"weights")
    store.path(KEY).write_text(record())
    stamp = store.path(KEY).stat().st_mtime_ns

    def look(folder, spec):
        assert (folder / "cells" / f"{KEY}.safetensors").read_bytes() == b"weights"
        assert (folder / "cells" / f"{KEY}.json").exists()
        (folder / "cells" / f"{KEY}.failure").write_text("{}")

    child(look)
    travel(store)
    assert store.path(KEY).stat().st_mtime_ns == stamp
    assert store.failure(KEY).exists()


@pytest.mark.parametrize(
    "name", [f"{OTHER}.json", "../escaped.json", f"{KEY}.sh", f"../{KEY}.json", "../environments/x.json"]
)
def test_files_that_are_not_the_jobs_own_are_not_written(store, name):
    delivery = parcels.Delivery(Outcome(0, timed_out=False), {f"cells/{name}": b"{}"})
    before = {path for path in store.root.parent.rglob("*")}
    parcels.unpack(delivery, JOB, store)
    assert {path for path in store.root.parent.rglob("*")} == before


def test_weights_lie_there_before_the_record_that_tells_of_them(store, child, monkeypatch):
    written = []
    monkeypatch.setattr(parcels, "write_bytes", lambda path, content: written.append(path.suffix))
    monkeypatch.setattr(parcels, "write_json", lambda path, value: written.append(path.suffix))

    def write(folder, spec):
        (folder / "cells" / f"{KEY}.json").write_text(record())
        (folder / "cells" / f"{KEY}.safetensors").write_bytes(b"weights")

    child(write)
    travel(store)
    assert written == [".safetensors", ".log", ".json"]


def test_a_worker_of_another_version_runs_nothing_and_is_told(store, child, monkeypatch):
    child(lambda folder, spec: pytest.fail("it ran"))
    parcel = parcels.pack(JOB, store, NOTHING, {})
    theirs = {"version": "0.0.9", "sources": "f" * 64}
    ours = parcels.identity()
    monkeypatch.setattr(parcels, "identity", lambda: theirs)
    delivery = parcels.perform(parcel)
    monkeypatch.setattr(parcels, "identity", lambda: ours)
    with pytest.raises(UsageError, match=r"version 0\.0\.9, sources ffffffffffff, the driver") as raised:
        parcels.unpack(delivery, JOB, store)
    assert "\n" not in str(raised.value)


def test_the_identity_is_of_the_sources():
    assert set(parcels.identity()) == {"version", "sources"}
    assert len(parcels.identity()["sources"]) == 64


def test_plug_ins_travel_with_what_they_import_from_beside_them(store, child, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "plugin.py").write_text("import quantizers\nimport helper\n")
    (folder / "helper.py").write_text("VALUE = 1\n")
    shared = parcels.luggage([str(folder / "plugin.py"), "some.module"], {})

    def look(at, spec):
        plugin = Path(spec["plugins"][0])
        assert plugin.is_relative_to(at)
        assert plugin.read_text() == (folder / "plugin.py").read_text()
        assert (plugin.parent / "helper.py").read_text() == "VALUE = 1\n"
        assert len(list(plugin.parent.iterdir())) == 2  # nothing of ours is sent: the worker has it
        assert spec["plugins"][1] == "some.module"
        assert spec["environment"] is None

    child(look)
    assert travel(store, shared, shared.contents()) == Outcome(0, timed_out=False)


def test_plug_ins_that_were_sent_before_keep_their_names(store, child, tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text("VALUE = 1\n")
    shared = parcels.luggage([str(plugin)], {})
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / hashlib.sha256(plugin.read_bytes()).hexdigest()).write_bytes(plugin.read_bytes())
    child(lambda folder, spec: Path(spec["plugins"][0]).resolve().name == "plugin.py" or 1 / 0)
    assert travel(store, shared, cache=cache) == Outcome(0, timed_out=False)


def test_data_are_found_by_their_hash_in_the_workers_cache(store, child, tmp_path):
    (tmp_path / "data" / "aist").mkdir(parents=True)
    source = tmp_path / "data" / "aist" / "manifest.json"
    source.write_bytes(b"content")
    shared = parcels.luggage([], {"data/aist/manifest.json": source})
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / hashlib.sha256(b"content").hexdigest()).write_bytes(b"content")
    seen = child(lambda at, spec: (at / "data" / "aist" / "manifest.json").read_bytes() == b"content" or 1 / 0)
    travel(store, shared, cache=cache)
    assert seen[0]["BENCH_DATA"].endswith("/data")


def test_a_file_of_ones_own_is_read_where_the_worker_has_it_and_recorded_where_the_driver_has_it(
    store, child, tmp_path
):
    mine = tmp_path / "walks.npz"
    mine.write_bytes(b"content")
    shared = parcels.luggage([], parcels.data_files([("npz:walks", {"path": str(mine)})]))
    walks = cell(KEY, dataset="npz:walks", dataset_parameters={"path": str(mine), "window": 4})

    def write(at, spec):
        (task,) = spec["tasks"]
        sent = task["cell"]
        assert sent["dataset_parameters"]["window"] == 4
        path = Path(sent["dataset_parameters"]["path"])
        assert (path.name, path.is_relative_to(at), path.read_bytes()) == ("walks.npz", True, b"content")
        (at / "cells" / f"{KEY}.json").write_text(record(cell=sent))

    child(write)
    walking = job(walks)
    parcel = parcels.pack(walking, store, shared, shared.contents())
    mine.unlink()
    parcels.unpack(parcels.perform(parcel), walking, store)
    assert store.read(KEY)["cell"] == json.loads(json.dumps(walks.values()))


def test_the_files_of_a_dataset_are_those_of_the_data_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    (tmp_path / "aist").mkdir()
    (tmp_path / "aist" / "manifest.json").write_text('{"format": 1, "file": "x.npz"}')
    (tmp_path / "aist" / "x.npz").touch()
    monkeypatch.setattr(datasets.get("aist"), "missing", lambda self: None)
    assert set(parcels.data_files([("aist", {}), ("lorenz", {})])) == {"data/aist/manifest.json", "data/aist/x.npz"}
    monkeypatch.setattr(datasets.get("lorenz"), "files", lambda self: [Path("/elsewhere.npz")])
    with pytest.raises(UsageError, match="move it there"):
        parcels.data_files([("lorenz", {})])


def test_a_job_that_nobody_waits_for_is_ended(store, monkeypatch):
    """A real child, which would sleep for a minute."""
    monkeypatch.setattr(
        engine.subprocess,
        "Popen",
        lambda command, _start=engine.subprocess.Popen, **more: _start(["sleep", "60"], **more),
    )
    asked = []
    begun = time.monotonic()
    delivery = parcels.perform(parcels.pack(JOB, store, NOTHING, {}), wanted=lambda: asked.append(1) or False)
    assert delivery.outcome.cause == "killed by SIGKILL"
    assert (time.monotonic() - begun < 30, len(asked)) == (True, 1)


def test_a_long_log_comes_back_by_its_end(store, child):
    child(lambda folder, spec: (folder / "cells" / f"{KEY}.log").write_bytes(b"x" * parcels.LONGEST_LOG + b"the end"))
    travel(store)
    log = store.log(KEY).read_bytes()
    assert (len(log), log[-7:]) == (parcels.LONGEST_LOG, b"the end")


@pytest.fixture
def installed(monkeypatch):
    """An executor as an installed distribution would offer it."""

    def install(value):
        point = EntryPoint("threads", f"{__name__}:{value}", engines.GROUP)
        monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == engines.GROUP else [])

    return install


def threads():
    return ThreadPoolExecutor(2)


def broken():
    raise RuntimeError("no licence")


OPEN = {"device": "cpu", "jobs": None, "plugins": (), "data": ()}


def test_any_executor_runs_jobs_by_its_entry_points_name(store, child, installed):
    installed("threads")
    check_name("threads")
    child(lambda folder, spec: (folder / "cells" / f"{KEY}.json").write_text(record()))
    begun = threading.Event()
    with open_engine("threads", store, **OPEN) as engine:
        future = engine.submit(JOB, begun.set)
        assert engine.outcome(JOB, future) == Outcome(0, timed_out=False)
    assert begun.is_set()
    assert store.read(KEY)["status"] == DONE
    assert not list(store.root.glob(".running.*"))


def test_an_executor_that_cannot_be_made_is_one_line(store, installed):
    installed("broken")
    with pytest.raises(UsageError, match="executor threads cannot be made: RuntimeError: no licence"):
        open_engine("threads", store, **OPEN)


def test_an_executor_that_is_gone_ends_the_run_and_an_error_only_its_job(store, installed):
    installed("threads")
    with open_engine("threads", store, **OPEN) as engine:
        future = Future()
        future.set_exception(MemoryError("in the worker"))
        assert engine.outcome(JOB, future).cause == "MemoryError: in the worker"
        future = Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        with pytest.raises(LostError, match="the executor is gone"):
            engine.outcome(JOB, future)


@pytest.mark.parametrize("name", ["dask", "dask:", "dask:nonsense", "dask:tcp://host", "nope", "local:2"])
def test_names_that_are_no_executors(name):
    with pytest.raises(UsageError, match=r"dask:tcp://HOST:PORT"):
        check_name(name)
