"""The verbs of tuning: `tune`, and `confirm`, which compares what it found with the defaults."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.app import EXIT_DONE, EXIT_INCOMPLETE, EXIT_INTERRUPTED, app
from bench.cli.launch import run_plan
from bench.cli.options import DataDir, Executor, Jobs, Plugins, engine_of, load, options_of, use_data, used_by
from bench.errors import UsageError


@app.command()
def tune(
    quantizers: Annotated[str, typer.Option(help="Families or all; separated by commas. Presets keep their values.")],
    datasets: Annotated[str, typer.Option(help="Names or all; separated by commas.")],
    trials: Annotated[int, typer.Option(help="For every family on every dataset.")] = 40,
    objective: Annotated[str, typer.Option(help="Metric, or several separated by commas, on validation.")] = "mse",
    constraint: Annotated[str, typer.Option(help="What winners keep: topographic_error<=0.1.")] = "",
    protocol: Annotated[str, typer.Option(help="quick, paper, paper-cold or tiny.")] = "quick",
    seeds: Annotated[int | None, typer.Option(help="A trial; the protocol's number unless told.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    out: Annotated[Path | None, typer.Option(help="Folder of the study; runs/tune-PROTOCOL unless told.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds a job may take.")] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
    require_real: Annotated[bool, typer.Option(help="Refuse to tune on a stand-in.")] = False,
) -> int:
    """Give every family the same number of trials, on validation data and seeds that no run uses; write tuned.toml.

    Running the same command again goes on with it, and so does one with more trials. `bench run --params` takes
    tuned.toml; optuna-dashboard opens DIR/study.journal. Exit codes: 0 every study has a winner, 3 some has none, 2 bad
    usage, 130 interrupted.
    """
    from bench.errors import LostError
    from bench.planning.request import Request
    from bench.records.environment import environment, keep
    from bench.records.store import Store
    from bench.tuning.tuner import JOURNAL, Tuner, task_of

    use_data(data_dir)
    load(plugin)
    options = options_of(device, jobs, executor, plugin, timeout=timeout)
    request = Request(quantizers=quantizers, datasets=datasets, protocol=protocol, require_real=require_real)
    task = task_of(request, objective=objective, constraint=constraint, seeds=seeds, trials=trials)
    for remark in task.remarks:
        print(f"note: {remark}", file=sys.stderr)
    folder = out or Path("runs") / f"tune-{task.protocol.name}"
    if (folder / "plan.json").exists():
        raise UsageError(f"{folder} holds a run; choose another --out")
    store = Store(folder)
    store.lock()
    store.clean()
    used = [(subject.source.name, subject.source.parameters) for subject in task.subjects]
    command = ["python", "-m", "bench", *sys.argv[1:]]
    with engine_of(executor, used, store, options, jobs) as engine:
        facts = environment(engine.device)
        keep(store.root, facts)
        tuner = Tuner(task, store, options, facts, engine, lambda line: print(line, file=sys.stderr, flush=True))
        try:
            tuner.run()
        except KeyboardInterrupt:
            tuner.write(command)
            print(f"interrupted: {folder} keeps every finished trial; the same command goes on", file=sys.stderr)
            return EXIT_INTERRUPTED
        except LostError as error:
            tuner.write(command)
            print(f"error: {error}; the same command goes on from here", file=sys.stderr)
            return EXIT_INCOMPLETE
    lines = tuner.write(command)
    print("\n".join([*lines, f"{folder / 'tuned.toml'}; optuna-dashboard {folder / JOURNAL}"]))
    return EXIT_DONE if all(study.winner() for study in tuner.studies) else EXIT_INCOMPLETE


@app.command()
def confirm(
    files: Annotated[list[Path], typer.Argument(metavar="TUNED.toml...", help="What bench tune wrote.")],
    seeds: Annotated[str, typer.Option(help="How many (5), or which (0,3,4).")] = "5",
    write: Annotated[Path | None, typer.Option(help="Where the page goes; DIR/tuning.md unless told.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/confirm-PROTOCOL unless told.")] = None,
    rerun: Annotated[str, typer.Option(help="missing, failed or all.")] = "missing",
    timeout: Annotated[float | None, typer.Option(help="Seconds a job may take.")] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Compare tuned parameters with the present defaults, on seeds and test splits that tuning never saw.

    Exit codes: 0 all cells done, 3 some are not, 2 bad usage, 130 interrupted.
    """
    from bench.publishing import run_report
    from bench.records.environment import environment
    from bench.records.files import write_atomically
    from bench.records.store import Store
    from bench.stats.estimates import FEWEST_SEEDS
    from bench.tuning import confirm as confirming
    from reports.pages import tuning

    use_data(data_dir)
    load(plugin)
    options = options_of(device, jobs, executor, plugin, timeout=timeout, rerun=rerun)
    made = confirming.make(files, seeds)
    held_out = sorted({cell.seed for cell in made.plan.cells})
    if len(held_out) < FEWEST_SEEDS:
        raise UsageError(f"expected --seeds of at least {FEWEST_SEEDS} to compare anything, got {seeds!r}")
    store = Store(out or Path("runs") / f"confirm-{made.plan.protocol.name}")
    store.lock()
    command = ["python", "-m", "bench", *sys.argv[1:]]
    with engine_of(executor, used_by(made.plan), store, options, jobs) as engine:
        code = run_plan(made.plan, store, options, command, engine)
        facts = environment(engine.device)
    records, _ = store.read_all(cell.key for cell in made.plan.cells)
    rows = confirming.compare(made, records)
    page = tuning.report(
        rows,
        beaten=confirming.beaten(made, rows),
        objective=made.metrics[0],
        constraint=made.constraint,
        protocol=made.plan.protocol.name,
        seeds=held_out,
        commands=[*confirming.commands(files), shlex.join(command)],
        made=f"{run_report.made(records)} {facts['processor']}, PyTorch {facts['packages']['torch']}, {engine.device}.",
    )
    path = write or store.root / "tuning.md"
    write_atomically(path, page)
    print(f"{len(rows)} comparisons: {path}")
    return code
