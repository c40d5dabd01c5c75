"""The Python door: runs made, opened, tuned, checked and exported by functions.

The command line calls the same functions, so checks, messages and resumption are the same. Names of these functions
are those of the package `bench` itself: `bench.run(...)`, `bench.open(...)`.
"""

from bench.api.calls import check, export, open_run, run, tune
from bench.api.codebook_size import suggest_k
from bench.api.finished import Run

__all__ = ["Run", "check", "export", "open_run", "run", "suggest_k", "tune"]
