"""Options that verbs share, and the functions that act on them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option(help="Folder of imported data; default: BENCH_DATA.")]
Executor = Annotated[
    str, typer.Option(help="local, dask:local, dask:tcp://HOST:PORT or an installed executor's name: docs/cluster.md.")
]
Jobs = Annotated[
    int | None, typer.Option(help="Processes at a time; default: one per core on a CPU, at most three on a GPU.")
]
Rerun = Annotated[str, typer.Option(help="Cells with a record that run again: missing (none), failed or all.")]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", help="Python file or module that registers more.")]


def load(plugin: list[str] | None) -> None:
    """Register the plug-ins of `--plugin`, and those of installed distributions."""
    from bench.api.setup import load_plugins

    load_plugins(plugin or ())


def use_data(folder: Path | None) -> None:
    """Look for data in the folder of `--data-dir`, in this process and in every child."""
    from bench.api.setup import use_data

    use_data(folder)


def command() -> list[str]:
    """The command that was typed, to be recorded."""
    return ["python", "-m", "bench", *sys.argv[1:]]
