"""Options that verbs share, and what acts on them."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option(help="Where imported data lie; else BENCH_DATA.")]
Executor = Annotated[
    str, typer.Option(help="local, dask:local, dask:tcp://HOST:PORT or an installed executor's name: docs/cluster.md.")
]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", help="Python file or module that registers more.")]


def use_data(folder: Path | None) -> None:
    """Look for data in `folder`, here and in every child."""
    if folder is not None:
        os.environ["BENCH_DATA"] = str(folder.resolve())


def load(plugin: list[str] | None) -> None:
    """Register what `--plugin` names, then what installed distributions offer: a file may stand in for one of these."""
    from bench import plugins

    for each in plugin or ():
        plugins.load(each)
    for line in plugins.discover():
        print(f"warning: {line}", file=sys.stderr)
