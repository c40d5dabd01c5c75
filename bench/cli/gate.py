"""`bench baseline` and `bench check`."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import EXIT_DONE, app
from bench.cli.ending import end
from bench.cli.options import DataDir, Executor, Jobs, Plugins, command


@app.command()
def baseline(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")],
    null_pairs: Annotated[
        int, typer.Option(help="Extra trainings per row that estimate noise, on the run's data from other seeds.")
    ] = 10,
    jobs: Jobs = None,
    executor: Executor = "local",
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Keep a run's metrics for bench check, with the noise of training on the same data.

    The noise is measured: null pairs are trained into RUN/null. Running the same command again resumes it.

    Exit codes: 0 written, 3 some null pair is not done, 2 bad usage, 130 interrupted.
    """
    from bench.api.preparation import Preparation, Setting
    from bench.gate import commands
    from bench.gate.null_pairs import device_of, finished, null_plan
    from bench.planning.finished import existing

    setting = Setting(jobs=jobs, executor=executor, plugins=plugin or (), data_dir=data_dir)
    setting.register()
    run = finished(existing(folder))
    null = null_plan(run.plan, null_pairs)
    options = setting.choose(device=device_of(run.records), rerun="failed")
    preparation = Preparation(plan=null, options=options, folder=folder / "null", executor=executor, jobs=jobs)
    launched = preparation.launch(command())
    code = end(launched)
    if code == EXIT_DONE:
        commands.keep(run, launched.run, out)
    return code


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder")],
    baseline: Annotated[Path, typer.Option(help="File that bench baseline wrote.")],
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions, too.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file, too.")] = None,
) -> int:
    """Compare a run with a baseline: has quality fallen by more than chance?

    Exit codes: 0 it holds, 1 it fell, 2 something was not measured or not comparable, 3 a cell failed.
    """
    from bench.gate import commands
    from bench.planning.finished import existing

    return commands.check(existing(folder), baseline, github=github, junit=junit)
