"""Verbs about what is registered, installed and kept."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.options import DataDir, Plugins, load, use_data


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="quantizers, datasets, metrics, protocols or suites")] = "quantizers",
    plugin: Plugins = None,
) -> None:
    """List what is registered, with parameters and their defaults."""
    from bench.cli import listing

    load(plugin)
    print(listing.show(what))


@app.command()
def export(
    cell: Annotated[Path, typer.Argument(metavar="CELL", help="RUN/cells/KEY (the key may be cut short), or RUN")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to make.")],
    quantizer: Annotated[str, typer.Option(help="Row of a RUN.")] = "",
    dataset: Annotated[str, typer.Option(help="Dataset of a RUN.")] = "",
    seed: Annotated[int | None, typer.Option(help="Seed of a RUN.")] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> None:
    """Write a trained tokenizer as safetensors, JSON and a model card; quantizers.load_tokenizer reads it."""
    from bench.publishing.export import export as write

    use_data(data_dir)
    load(plugin)
    for line in write(cell, out, quantizer=quantizer, dataset=dataset, seed=seed):
        print(line)


@app.command()
def doctor(
    run: Annotated[Path | None, typer.Argument(help="Folder of a run to diagnose; by default this machine.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Diagnose this machine, or what looks wrong in the cells of a run.

    For this machine: versions, devices, extras and data, and the command for what is missing. For a run: collapsed
    codebooks with their likely cause, scales that do not fit, and trainings and readers that overfit or end early.
    """
    from bench.cli import doctor as diagnosis

    use_data(data_dir)
    load(None)
    for line in diagnosis.lines() if run is None else diagnosis.lines_of(run):
        print(line)


@app.command()
def test(
    name: Annotated[str, typer.Argument(help="Quantizer, with or without :preset, or dataset")],
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Check that a quantizer or a dataset keeps its contract, and say what to change.

    Exit codes: 0 it keeps it, 1 it breaks it, 2 bad usage.
    """
    use_data(data_dir)
    load(plugin)
    from bench.testing import runner

    return 0 if runner.run(runner.case(name)) else 1
