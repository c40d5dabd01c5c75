"""Options that verbs share, and what acts on them."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.execution.engine import Engine
    from bench.execution.runner import Options
    from bench.planning.cells import Plan
    from bench.records.store import Store

DataDir = Annotated[Path | None, typer.Option(help="Where imported data lie; else BENCH_DATA.")]
Executor = Annotated[
    str, typer.Option(help="local, dask:local, dask:tcp://HOST:PORT or an installed executor's name: docs/cluster.md.")
]
Jobs = Annotated[int | None, typer.Option(help="Processes at a time: one a core on a CPU, at most three on a GPU.")]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", help="Python file or module that registers more.")]


def use_data(folder: Path | None) -> None:
    """Look for data in `folder`, here and in every child."""
    if folder is not None:
        os.environ["BENCH_DATA"] = str(folder.resolve())


def load(plugin: list[str] | None) -> None:
    """Register what `--plugin` names, then what installed distributions offer: a file may stand in for one of these."""
    from bench import plugins

    for each in _absolute(plugin):
        plugins.load(each)
    for line in plugins.discover():
        print(f"warning: {line}", file=sys.stderr)


def options_of(device: str, jobs: int | None, executor: str, plugin: list[str] | None, **more: Any) -> "Options":
    """How jobs are run, from what verbs have in common.

    Raises:
        UsageError: A value is out of range, or there is no such executor or device.
    """
    from bench.execution import engines
    from bench.execution.runner import Options
    from bench.records.environment import jobs_on

    engines.check_name(executor)
    timeout = more.get("timeout")
    if timeout is not None and not timeout > 0:
        raise UsageError(f"expected --timeout in seconds above 0, got {timeout:g}")
    if jobs is not None and jobs < 1:
        raise UsageError(f"expected --jobs of at least 1, got {jobs}")
    if jobs is not None and executor.startswith("dask:") and engines.elsewhere(executor):
        raise UsageError(f"--jobs {jobs}: the workers of {executor} say how many jobs run at a time; leave it out")
    chosen = _device(device, executor)
    return Options(device=chosen, jobs=jobs or jobs_on(chosen), plugins=_absolute(plugin), **more)


def used_by(plan: "Plan") -> list[tuple[str, dict[str, Any]]]:
    """Names and parameters of a plan's datasets."""
    from bench.planning.cells import made_elsewhere

    here = [cell for cell in plan.cells if not made_elsewhere(cell)]
    return [*{cell.batch: (cell.dataset, cell.dataset_parameters) for cell in here}.values()]


def engine_of(
    executor: str, used: list[tuple[str, dict[str, Any]]], store: "Store", options: "Options", jobs: int | None
) -> "Engine":
    """Where jobs run."""
    from bench.execution.engines import open_engine

    return open_engine(executor, store, device=options.device, jobs=jobs, plugins=options.plugins, data=used)


def existing(folder: Path) -> "Store":
    """A run folder, to be read.

    Raises:
        UsageError: There is none.
    """
    from bench.records.store import Store

    if not folder.is_dir():
        raise UsageError(f"no run folder {folder}; expected what bench run wrote (--out)")
    return Store(folder, writable=False)


def _absolute(plugin: list[str] | None) -> tuple[str, ...]:
    return tuple(str(Path(each).resolve()) if Path(each).is_file() else each for each in plugin or ())


def _device(name: str, executor: str) -> str:
    import torch

    from bench.execution.engines import elsewhere

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"expected --device to be auto, cpu or cuda, got {name!r}")
    if elsewhere(executor) and (name != "auto" or executor.startswith("dask:")):
        return name  # the workers' matter
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no CUDA device on this machine; use --device cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
