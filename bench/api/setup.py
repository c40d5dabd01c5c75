"""Preparation that every call and every verb shares: plug-ins, data, devices and engines."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.execution import engines
from bench.execution.engine import Engine
from bench.execution.runner import Options
from bench.planning.cells import Plan, made_elsewhere
from bench.records.environment import jobs_on
from bench.records.store import Store
from bench.typing import JSON


def use_data(folder: Path | str | None) -> None:
    """Look for data in a folder, in this process and in every child."""
    if folder is not None:
        os.environ["BENCH_DATA"] = str(Path(folder).resolve())


def load_plugins(names: Iterable[str]) -> None:
    """Register plug-ins by their file or module, then what installed distributions offer.

    A file comes first, so that it may stand in for an installed plug-in.

    Raises:
        UsageError: A plug-in that was named cannot be loaded.
    """
    from bench import plugins

    for name in absolute(names):
        plugins.load(name)
    for line in plugins.discover():
        print(f"warning: {line}", file=sys.stderr)


def absolute(names: Iterable[str]) -> tuple[str, ...]:
    """Plug-ins with the absolute paths of those that are files."""
    return tuple(str(Path(name).resolve()) if Path(name).is_file() else name for name in names)


def options_of(device: str, jobs: int | None, executor: str, plugins: Iterable[str], **more: Any) -> Options:
    """Check and complete the choices of how jobs are run.

    Args:
        device: Device, "auto", "cpu" or "cuda".
        jobs: Number of jobs at a time; None for as many as suit the device.
        executor: Name of the executor.
        plugins: Plug-in files or modules.
        **more: Other fields of `Options`.

    Raises:
        UsageError: A value is out of range, or there is no such executor or device.
    """
    engines.check_name(executor)
    timeout = more.get("timeout")
    if timeout is not None and not timeout > 0:
        raise UsageError(f"expected --timeout in seconds above 0, got {timeout:g}")
    if jobs is not None and jobs < 1:
        raise UsageError(f"expected --jobs of at least 1, got {jobs}")
    if jobs is not None and executor.startswith("dask:") and engines.elsewhere(executor):
        raise UsageError(f"--jobs {jobs}: the workers of {executor} say how many jobs run at a time; leave it out")
    chosen = chosen_device(device, executor)
    return Options(device=chosen, jobs=jobs or jobs_on(chosen), plugins=absolute(plugins), **more)


def chosen_device(name: str, executor: str) -> str:
    """Device that "auto" stands for; where workers elsewhere decide, the name as it is.

    Raises:
        UsageError: There is no such device.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"expected --device to be auto, cpu or cuda, got {name!r}")
    if engines.elsewhere(executor) and (name != "auto" or executor.startswith("dask:")):
        return name
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no CUDA device on this machine; use --device cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def used_by(plan: Plan) -> list[tuple[str, JSON]]:
    """Names and parameters of the datasets whose files the jobs of a plan need."""
    used = {}
    for cell in plan.cells:
        if not made_elsewhere(cell):
            used[cell.batch_key] = cell.dataset, cell.dataset_parameters
    return list(used.values())


def engine_of(executor: str, used: list[tuple[str, JSON]], store: Store, options: Options, jobs: int | None) -> Engine:
    """Open the engine that runs the jobs, see `bench.execution.engines.open_engine`."""
    return engines.open_engine(executor, store, device=options.device, jobs=jobs, plugins=options.plugins, data=used)
