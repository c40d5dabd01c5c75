import contextlib
import io
import json
import subprocess
import sys

import pytest
import torch

from bench import cli
from bench.executors import Children, Outcome
from bench.job import Job
from bench.store import Store


@pytest.fixture(scope="module")
def bench_here():
    """The command line and its jobs in this process: imports are paid once."""

    def job_here(self, spec, log, timeout, threads):
        try:
            Job(json.loads(spec.read_text())).run()
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
            patch.setattr(Store, "lock", lambda self: None)  # this process does not end between runs
            patch.setattr(cli, "_cores", lambda: 1)
            with pytest.raises(SystemExit) as stopped:
                cli.main()
        return subprocess.CompletedProcess(arguments, stopped.value.code, out.getvalue(), err.getvalue())

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield run
    torch.set_num_threads(threads)
