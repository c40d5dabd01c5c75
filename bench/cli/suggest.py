"""`bench suggest-k`."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import app
from bench.cli.ending import end
from bench.cli.options import DataDir, Executor, Jobs, Plugins, command
from bench.errors import UsageError


@app.command(name="suggest-k")
def suggest_k(
    dataset: Annotated[str, typer.Argument(help="Dataset, such as lorenz or npz:PATH.")],
    quantizer: Annotated[str, typer.Option(help="Family that is trained.")] = "vq-reset",
    within: Annotated[float, typer.Option(help="Percent by which the error may exceed the best.")] = 10.0,
    sizes: Annotated[str, typer.Option(help="Codebook sizes, separated by commas; default: 16, 32, ... 1024.")] = "",
    seeds: Annotated[int, typer.Option(help="Number of seeds per size.")] = 2,
    protocol: Annotated[str, typer.Option(help="quick, paper, paper-cold or tiny.")] = "quick",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default: runs/suggest-k-PROTOCOL.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that a job may take.")] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Suggest a codebook size: the smallest K whose error is near the best, with the number of frames per code.

    It trains on as many sequences as the protocol takes and measures on validation data, which no run uses. Running
    the same command again resumes it. Exit codes: 0 done, 3 some cells are not, 2 bad usage, 130 interrupted.
    """
    from tabulate import tabulate

    from bench.api.codebook_size import suggest
    from bench.api.preparation import Setting
    from bench.planning.request import Request

    request = Request(quantizers=quantizer, datasets=dataset, protocol=protocol)
    setting = Setting(
        device=device, jobs=jobs, executor=executor, timeout=timeout, plugins=plugin or (), data_dir=data_dir
    )
    launched, suggested = suggest(
        request,
        setting,
        sizes=_parsed(sizes),
        within=within / 100,
        seeds=seeds,
        out=out,
        command=command(),
        progress=True,
    )
    if suggested is not None:
        rows = []
        for size in suggested.sizes:
            mark = " *" if size.codebook_size == suggested.codebook_size else ""
            above = f"{100 * (size.mse / suggested.best.mse - 1):.0f} %"
            frames = f"{size.frames_per_code:,.1f}"
            rows.append((f"{size.codebook_size}{mark}", f"{size.mse:.4g}", above, f"{size.active:.0f} %", frames))
        print(tabulate(rows, ["K", "mse", "above the best", "in use", "frames per code"], disable_numparse=True))
        print(f"K = {suggested.codebook_size} is the smallest within {within:g} % of the best.")
        if suggested.at_the_end:
            print("The largest size is the best, and a larger one may be better still: add some with --sizes.")
    return end(launched)


def _parsed(sizes: str) -> tuple[int, ...]:
    try:
        return tuple(int(size) for size in sizes.split(",") if size.strip())
    except ValueError:
        raise UsageError(f"expected --sizes to be whole numbers separated by commas (64,128), got {sizes!r}") from None
