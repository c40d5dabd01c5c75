"""Engines by name: this machine, a Dask cluster, or any `concurrent.futures.Executor`.

A job is always a child process. The child, not the executor, isolates jobs: a pool of processes loses every waiting job
when one worker is killed. On this machine the child writes into the run's folder itself, so that what it has finished
outlives the driver; elsewhere it writes into a folder of its own, and the driver alone writes the store
(`bench.execution.parcels`).
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.execution.engine import Engine
from bench.execution.local import Local
from bench.records.store import Store

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "quantizer_bench.executors"
"""Group of entry points: name -> function that returns a `concurrent.futures.Executor`."""

ADDRESS = re.compile(r"dask:[a-z]+://\S+:\d+")


def check_name(name: str) -> None:
    """Refuse a name that is no executor's.

    Raises:
        UsageError: The name is neither local, dask:local, dask:ADDRESS nor the name of an entry point.
    """
    if name in ("local", "dask:local") or ADDRESS.fullmatch(name) or name in _installed():
        return
    if name.partition(":")[0] == "dask":
        raise UsageError(f"expected --executor dask:local or dask:tcp://HOST:PORT, got {name!r}")
    names = ["local", "dask:local", "dask:tcp://HOST:PORT", *_installed()]
    raise UsageError(f"unknown executor {name!r}; known: {', '.join(names)}")


def elsewhere(name: str) -> bool:
    """Whether jobs may run on other machines than the driver's."""
    return name not in ("local", "dask:local")


def _check_name_of(folder: Path) -> None:
    """Refuse a path that is not UTF-8: safetensors takes no others, and would fail in every cell."""
    try:
        os.fsencode(folder.absolute()).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"the run folder {folder} has a name that is not UTF-8; choose another --out") from None


def open_engine(
    name: str,
    store: Store,
    *,
    device: str,
    jobs: int | None,
    plugins: Iterable[str],
    data: Iterable[tuple[str, Mapping[str, Any]]],
) -> Engine:
    """Open the engine that `--executor` names.

    Args:
        name: Name that `check_name` accepts.
        store: Folder that takes the results.
        device: Device of the jobs, "cpu" or "cuda"; "auto" where workers elsewhere decide.
        jobs: Number of jobs at a time; None for as many as suit the device.
        plugins: Plug-in files or modules that travel with the jobs.
        data: Names and parameters of the datasets whose files the jobs need.

    Raises:
        UsageError: The executor cannot be opened.
    """
    from bench.records.environment import jobs_on

    _check_name_of(store.root)
    if name == "local":
        return Local(store, device, jobs or jobs_on(device))
    from bench.execution import foreign, parcels  # what follows is heavy, and few runs need it

    if name.startswith("dask:"):
        from bench.execution import dask

        shared = parcels.luggage(plugins, parcels.data_files(data))
        at_once = jobs or (None if device == "cuda" else jobs_on("cpu"))
        return dask.Dask(store, name.removeprefix("dask:"), device, at_once, shared)
    try:
        executor = _installed()[name].load()()
    except Exception as error:  # a plug-in may raise anything; the user reads it in one line
        raise UsageError(f"executor {name} cannot be made: {type(error).__name__}: {error}") from None
    return foreign.Foreign(store, device, executor, jobs or foreign.AHEAD, parcels.luggage(plugins, {}))


def _installed() -> "dict[str, EntryPoint]":
    from bench.plugins import entry_points  # which imports every metric

    return {entry_point.name: entry_point for entry_point in entry_points(GROUP)}
