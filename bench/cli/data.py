"""`bench data list | check | fetch | import`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import DataDir, load, use_data
from bench.errors import FULL, UsageError

if TYPE_CHECKING:
    from datasets import Dataset

app = typer.Typer(help="Data on this machine: list, check, fetch, import.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="Dataset")]


@app.command("list")
def list_(data_dir: DataDir = None) -> None:
    """Say which datasets are on this machine and how to get the others."""
    from bench.cli import listing

    use_data(data_dir)
    load(None)
    print(listing.show("datasets"))


@app.command()
def check(
    name: Name,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME.PARAMETER=VALUE, as bench run takes it.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Verify the files of a dataset and print facts about it."""
    use_data(data_dir)
    _with_dataset(name, lambda dataset: _print(dataset.check()), tuple(set_ or ()))


@app.command("import")
def import_(
    name: Name,
    path: Annotated[Path, typer.Argument(help="Folder with its original files")],
    data_dir: DataDir = None,
) -> None:
    """Convert a dataset's original files once; later runs read the converted file alone."""
    use_data(data_dir)
    _with_dataset(name, lambda dataset: _print(dataset.install(path)))


@app.command()
def fetch(
    name: Name,
    url: Annotated[str, typer.Option(help="Address of a copy; default: the original's.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Download a dataset's original files and convert them; the one verb that touches the network.

    Licence, size and address are shown first. A download that was cut off goes on with the same command.
    """
    use_data(data_dir)
    _with_dataset(name, lambda dataset: _fetch(dataset, url))


def _fetch(dataset: "Dataset", url: str) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    bar = progress.add_task("", total=None)

    def watch(have: int, total: int) -> None:
        progress.update(bar, completed=have, total=total)
        progress.start()
        if have == total:
            progress.stop()

    try:
        dataset.fetch(url, print, watch)
    finally:
        progress.stop()


def _print(lines: list[str]) -> None:
    for line in lines:
        print(line)


def _with_dataset(name: str, act: Callable[["Dataset"], None], settings: tuple[str, ...] = ()) -> None:
    import datasets
    from bench.planning.request import settings_of

    load(None)
    kind = name.partition(":")[0]
    if kind not in datasets.names():
        from bench import plugins

        plugins.refuse_broken("dataset", kind)
    try:
        title, located = datasets.resolve(name)
        act(datasets.create(title, **located, **settings_of(settings, [], [title]).get(title, {})))
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise UsageError(str(error)) from None
