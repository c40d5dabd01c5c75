"""`bench report`, which reads finished runs."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.options import Plugins, load


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR [DIR]", help="Run folder; two are set side by side.")],
    format_: Annotated[
        str, typer.Option("--format", help="html, md, tex, csv, separated by commas; all, of two runs html and md.")
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder that takes the files; default: the run's own, or for two runs this one."),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Write the report of a run again from what lies in its folder, or set two runs side by side. Nothing is run."""
    from bench.publishing import finished_runs

    load(plugin)
    print("\n".join(map(str, finished_runs.write(folders, out, format_))))
