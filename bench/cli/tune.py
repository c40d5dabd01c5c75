"""`bench tune`, and `bench confirm`, which compares tuned parameters with the defaults."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import EXIT_DONE, EXIT_INCOMPLETE, EXIT_INTERRUPTED, app
from bench.cli.ending import end
from bench.cli.options import DataDir, Executor, Jobs, Plugins, command
from bench.errors import UsageError


@app.command()
def tune(
    quantizers: Annotated[str, typer.Option(help="Families or all; separated by commas. Presets keep their values.")],
    datasets: Annotated[str, typer.Option(help="Names or all; separated by commas.")],
    trials: Annotated[int, typer.Option(help="Number of trials of every family on every dataset.")] = 40,
    objective: Annotated[str, typer.Option(help="Metric, or several separated by commas, on validation.")] = "mse",
    constraint: Annotated[str, typer.Option(help="Bound that winners keep, such as topographic_error<=0.1.")] = "",
    protocol: Annotated[str, typer.Option(help="quick, paper, paper-cold or tiny.")] = "quick",
    seeds: Annotated[int | None, typer.Option(help="Seeds per trial; default: the protocol's number.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    out: Annotated[Path | None, typer.Option(help="Folder of the study; default: runs/tune-PROTOCOL.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that a job may take.")] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
    require_real: Annotated[bool, typer.Option(help="Refuse to tune on a stand-in.")] = False,
) -> int:
    """Give every family the same number of trials, on validation data and seeds that no run uses; write tuned.toml.

    Running the same command again goes on with it, and so does one with more trials. `bench run --params` takes
    tuned.toml; optuna-dashboard opens DIR/study.journal. Exit codes: 0 every study has a winner, 3 some has none, 2 bad
    usage, 130 interrupted.
    """
    from bench.api.preparation import Setting
    from bench.api.tuned import tune_task
    from bench.errors import LostError
    from bench.planning.request import Request
    from bench.tuning.task import task_of

    setting = Setting(
        device=device, jobs=jobs, executor=executor, timeout=timeout, plugins=plugin or (), data_dir=data_dir
    )
    options = setting.options()
    request = Request(quantizers=quantizers, datasets=datasets, protocol=protocol, require_real=require_real)
    task = task_of(request, objective=objective, constraint=constraint, seeds=seeds, trials=trials)
    folder = out or Path("runs") / f"tune-{task.protocol.name}"
    try:
        tuning = tune_task(task, options, executor=executor, jobs=jobs, out=folder, command=command(), progress=True)
    except KeyboardInterrupt:
        print(f"interrupted: {folder} keeps every finished trial; the same command goes on", file=sys.stderr)
        return EXIT_INTERRUPTED
    except LostError as error:
        print(f"error: {error}; the same command goes on from here", file=sys.stderr)
        return EXIT_INCOMPLETE
    print("\n".join([*tuning.lines, f"{tuning.params}; optuna-dashboard {tuning.journal}"]))
    return EXIT_DONE if tuning.complete else EXIT_INCOMPLETE


@app.command()
def confirm(
    files: Annotated[list[Path], typer.Argument(metavar="TUNED.toml...", help="Files that bench tune wrote.")],
    seeds: Annotated[str, typer.Option(help="Number of seeds (5), or the seeds (0,3,4).")] = "5",
    write: Annotated[Path | None, typer.Option(help="File of the page; default: DIR/tuning.md.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    out: Annotated[Path | None, typer.Option(help="Run folder; default: runs/confirm-PROTOCOL.")] = None,
    rerun: Annotated[
        str, typer.Option(help="Cells with a record that run again: missing (none), failed or all.")
    ] = "missing",
    timeout: Annotated[float | None, typer.Option(help="Seconds that a job may take.")] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Compare tuned parameters with the present defaults, on seeds and test splits that tuning never saw.

    Exit codes: 0 all cells done, 3 some are not, 2 bad usage, 130 interrupted.
    """
    from bench.api.preparation import Preparation, Setting
    from bench.publishing import run_report
    from bench.records.environment import environment
    from bench.records.files import write_atomically
    from bench.stats.estimates import FEWEST_SEEDS
    from bench.tuning import confirm as confirming
    from reports.pages import tuning

    setting = Setting(
        device=device, jobs=jobs, executor=executor, timeout=timeout, plugins=plugin or (), data_dir=data_dir
    )
    options = setting.options(rerun=rerun)
    confirmation = confirming.make(files, seeds)
    plan = confirmation.plan
    if len(plan.seeds) < FEWEST_SEEDS:
        raise UsageError(f"expected --seeds of at least {FEWEST_SEEDS} to compare anything, got {seeds!r}")
    folder = out or Path("runs") / f"confirm-{plan.protocol.name}"
    preparation = Preparation(plan=plan, options=options, folder=folder, executor=executor, jobs=jobs)
    launched = preparation.launch(command())
    code = end(launched)
    facts = environment(launched.device)
    rows = confirming.compare(confirmation, launched.run)
    finished = run_report.made(launched.run.records)
    page = tuning.report(
        rows,
        beaten=confirming.beaten(confirmation, rows),
        objective=confirmation.metrics[0],
        constraint=confirmation.constraint,
        protocol=plan.protocol.name,
        seeds=plan.seeds,
        commands=[*confirming.commands(files), shlex.join(command())],
        made=f"{finished} {facts['processor']}, PyTorch {facts['packages']['torch']}, {launched.device}.",
    )
    path = write or folder / "tuning.md"
    write_atomically(path, page)
    print(f"{len(rows)} comparisons: {path}")
    return code
