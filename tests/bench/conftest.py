import contextlib
import io
import json
import subprocess
import sys

import pytest
import torch

from bench.cli import main
from bench.execution.engine import Children, Outcome
from bench.execution.job import ChildJob
from bench.planning import cells
from bench.planning.planner import make
from bench.planning.request import Request
from bench.records import environment
from bench.records.files import write_json
from bench.records.record import SCHEMA
from bench.records.store import Store

MEASURED = {"mse": 0.1, "trust": 0.9, "distortion_ratio": 1.2, "active": 50.0}


@pytest.fixture
def ran(tmp_path):
    """A run folder of records that are made up by a function of the cell."""

    def folder(name, measured, quantizers="vq,ksom", status=lambda cell: "done", **changes):
        asked = {"quantizers": quantizers, "datasets": "lorenz", "protocol": "tiny", "seeds": "4"} | changes
        plan = make(Request(**asked))
        store = Store(tmp_path / name)
        output = {"schema": SCHEMA, "command": ["python", "-m", "bench", "run"]}
        write_json(store.root / "plan.json", cells.values(plan) | output)
        write_json(store.root / "environment.json", {"device": "cpu", "commit": name})
        for cell in plan.cells:
            record = {"key": cell.key, "cell": {"tokenizer_key": cell.tokenizer_key}, "device": "cpu", "finished": 0.0}
            record["status"] = status(cell)
            if record["status"] == "done":
                data = {"sha256": f"of seed {cell.seed}", "notes": {"dt": 0.01}, "unit": "", "sequences": {}}
                record |= {
                    "metrics": MEASURED | measured(cell),
                    "data": data,
                    "train_seconds": 1.0,
                    "eval_seconds": 1.0,
                }
                record["history"] = {"train": [None, 0.5], "validation": [0.75, 0.25]}
            else:
                record["error"] = {"type": "RuntimeError", "message": "<script>alert(1)</script>"}
            store.write(record)
        return store.root

    return folder


@pytest.fixture(scope="module")
def bench_here():
    """The command line and its jobs in this process: imports are paid once."""

    def job_here(self, spec, log, timeout, threads):
        try:
            ChildJob(json.loads(spec.read_text())).run()
        except Exception as error:
            return Outcome(1, timed_out=False, error=repr(error))
        return Outcome(0, timed_out=False)

    def run(*arguments):
        with (
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()) as err,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", ["bench", *map(str, arguments)])
            patch.setattr(Children, "run", job_here)
            patch.setattr(environment, "cores", lambda: 1)
            with pytest.raises(SystemExit) as stopped:
                main.main()
        return subprocess.CompletedProcess(arguments, stopped.value.code, out.getvalue(), err.getvalue())

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run
    torch.set_num_threads(threads)
