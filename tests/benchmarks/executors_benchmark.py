"""Costs of an executor for the driver: `python tests/benchmarks/executors_benchmark.py local|dask|threads|dask:URL`.

Runs a plan of 10,000 cells whose children are replaced by a function that writes files of the usual size. The rest is
the project's part: planning, handing over, collecting, storing, showing. Prints for each executor

- CPU time and wall time of the driver per cell, without the time of the replaced child in the driver's process;
- its memory when a tenth, half and all of the cells are done, before results are written;
- the longest time between two pictures of the live view, which asks for one twice a second.
"""

import contextlib
import importlib
import io
import itertools
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

engines = importlib.import_module("bench.execution.engines")
engine_module = importlib.import_module("bench.execution.engine")
spent = [0.0]  # CPU seconds of children that were replaced in this process
guard = threading.Lock()


def child(self, spec, log, timeout, threads):
    """Write what a child writes; sent to workers as it stands, so it refers to nothing of this file."""
    import json
    import time
    from pathlib import Path

    from bench.execution.engine import Outcome

    job = json.loads(spec.read_text())
    folder = Path(job["root"]) / "cells"
    log.touch()
    for task in job["tasks"]:
        cell = task["cell"]
        metrics = dict.fromkeys(task["missing"], 0.123456789012345)
        record = {"schema": 3, "key": cell["key"], "status": "done", "finished": time.time(), "device": "cpu"}
        record |= {"cell": {name: value for name, value in cell.items() if name != "metric_keys"}}
        record |= {"metric_keys": cell["metric_keys"], "metrics": metrics, "metric_seconds": metrics, "null": {}}
        record |= {"history": {"train": [0.5] * 24, "validation": [0.5] * 24}, "environment": "0" * 16}
        record |= {
            "data": {"sha256": "0" * 64, "notes": {}, "unit": "", "sequences": {"train": 8, "val": 2, "test": 2}}
        }
        record |= {"started": time.time(), "train_seconds": 1.0, "eval_seconds": 1.0}
        # A tokenizer of the protocol tiny, and its tokens.
        (folder / f"{cell['key']}.safetensors").write_bytes(bytes(20_000))
        (folder / f"{cell['key']}.codes.safetensors").write_bytes(bytes(17_000))
        (folder / f"{cell['key']}.json").write_text(json.dumps(record, indent=1))
    return Outcome(0, timed_out=False)


def timed_child(self, spec, log, timeout, threads):
    """The same in the driver's process, whose time is taken out."""
    begun = time.thread_time()
    outcome = child(self, spec, log, timeout, threads)
    with guard:
        spent[0] += time.thread_time() - begun
    return outcome


class Screen(io.StringIO):
    """A terminal that nobody looks at."""

    def isatty(self):
        return True


def measure(name, cells):
    """Run the plan on one executor and print the figures."""
    import psutil

    from bench.api.display import Display
    from bench.execution.engines import open_engine
    from bench.execution.runner import Options, Runner
    from bench.planning import planner as planning
    from bench.planning.request import Request
    from bench.records.store import Store
    from bench.vocabulary import DONE

    plan = planning.make(Request(quantizers="vq", datasets="lorenz", protocol="tiny", seeds=str(cells)))
    memory, pictures = {}, []
    process = psutil.Process()

    class Watched(Display):
        def finished(self, cell, record, resumed):
            super().finished(cell, record, resumed)
            assert record["status"] == DONE, record["error"]
            if len(self.records) in (cells // 10, cells // 2, cells):
                memory[len(self.records)] = process.memory_info().rss / 2**20

        def _view(self):
            pictures.append(time.monotonic())
            return super()._view()

    engine_module.Children.run = timed_child
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        store = Store(Path(folder))
        used = {"device": "cpu", "jobs": 2, "plugins": (), "data": ()}
        engines._installed = lambda: {"threads": Threads()}
        engine = stack.enter_context(open_engine({"dask": "dask:local"}.get(name, name), store, **used))
        if name.startswith("dask"):
            engine._client.register_plugin(patch())
        display = Watched(plan, Screen())
        run = Runner(plan, store, Options(device="cpu", jobs=2), {}, display, engine)
        spent[0], cpu, wall = 0.0, time.process_time(), time.monotonic()
        before = process.memory_info().rss / 2**20
        with display:
            run.run()
        cpu, wall = time.process_time() - cpu - spent[0], time.monotonic() - wall
    gap = max(after - before for before, after in itertools.pairwise(pictures))
    sizes = ", ".join(f"{count}: {size:.0f}" for count, size in memory.items())
    print(
        f"{name}: {1e3 * cpu / cells:.2f} ms of the driver's CPU and {1e3 * wall / cells:.2f} ms a cell of {cells}; "
        f"memory {before:.0f} MiB before, after {sizes}; longest wait for a picture {gap:.2f} s",
        flush=True,
    )


class Threads:
    """An executor by entry point."""

    def load(self):
        return lambda: ThreadPoolExecutor(2)


def patch():
    """Replaces the child in the processes of a cluster."""
    from distributed.diagnostics.plugin import WorkerPlugin

    class Patch(WorkerPlugin):
        def setup(self, worker):
            importlib.import_module("bench.execution.engine").Children.run = child

    return Patch()


if __name__ == "__main__":
    count = int(os.environ.get("CELLS", "10000"))
    for executor in sys.argv[1:] or ["local", "dask", "threads"]:
        measure(executor, count)
