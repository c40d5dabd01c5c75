"""The command line: parse, call one function, print.

Heavy modules are imported inside the verbs, so that `--help` answers at once.
"""

import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bench import cli_data
from bench.cli_options import DataDir, Executor, Jobs, Plugins, engine_of, existing, load, options_of, use_data, used_by
from bench.errors import FULL, UsageError

if TYPE_CHECKING:
    from bench.cells import Plan
    from bench.executors import Engine
    from bench.store import Record, Store

DONE, USAGE, INCOMPLETE, INTERRUPTED = 0, 2, 3, 130

app = typer.Typer(
    name="bench",
    help="Benchmark of discrete tokenizers: quantizers crossed with datasets, one protocol, one capacity.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cli_data.app, name="data")


def main() -> NoReturn:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that a terminal cannot show
    arguments = sys.argv[1:]
    if arguments[:1] == ["_job"]:
        from bench.job import main as job

        job(arguments[1])
        sys.exit(DONE)
    if arguments[:1] == ["_probe"]:
        from bench.probe import main as probe

        probe(arguments[1])
        sys.exit(DONE)
    from bench import cli_report, cli_tune  # noqa: F401 - they add their verbs

    if arguments in ([], ["data"]):
        arguments = [*arguments, "--help"]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(args=arguments, prog_name="bench", standalone_mode=False)
    except UsageError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    except OSError as error:
        _fail_of_files(error)
    except Exception as error:
        # typer's own complaints (an unknown option, a wrong type) print themselves over several lines otherwise
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        _fail(f"{message()} (see python -m bench --help)")
    sys.exit(code if isinstance(code, int) else DONE)


def _fail_of_files(error: OSError) -> NoReturn:
    """A disk that is full ends a command as work that is left does; a file that cannot be used is bad usage."""
    name = f"{error.filename}: " if error.filename else ""
    if error.errno in FULL:
        print(
            f"error: {name}{error.strerror}; make room, and the same command goes on from what is finished",
            file=sys.stderr,
        )
        sys.exit(INCOMPLETE)
    _fail(f"{name}{error.strerror or error}")


def _interrupt(*_: object) -> NoReturn:
    """What a batch system says before it kills is worth as much as Ctrl-C."""
    raise KeyboardInterrupt


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(USAGE)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="quantizers, datasets, metrics, protocols or suites")] = "quantizers",
    plugin: Plugins = None,
) -> None:
    """List what is registered, with parameters and their defaults."""
    from bench import listing

    load(plugin)
    print(listing.show(what))


@app.command()
def run(
    quantizers: Annotated[
        str,
        typer.Option(
            help="Names, name:preset, name@K, none, kmeans, name+control, or all; separated by commas. all leaves out, "
            "as unavailable, what cannot be at this codebook size or width of frames; a name is refused then."
        ),
    ] = "",
    datasets: Annotated[str, typer.Option(help="Names or all; separated by commas.")] = "",
    suite: Annotated[str, typer.Option(help="Rows, datasets, protocol: see bench list suites.")] = "",
    protocol: Annotated[str, typer.Option(help="quick, paper, paper-cold or tiny; a suite has its own.")] = "",
    seeds: Annotated[str, typer.Option(help="How many (5), or which (0,3,4). The protocol's unless told.")] = "",
    codebook_size: Annotated[int | None, typer.Option(help="K asked of every family.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="QUANTIZER.PARAMETER=VALUE, repeatable.")] = None,
    params: Annotated[Path | None, typer.Option(help="tuned.toml that bench tune wrote.")] = None,
    capacity: Annotated[str, typer.Option(help="matched, or published: each family's own width.")] = "matched",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/[SUITE-]PROTOCOL unless told.")] = None,
    rerun: Annotated[str, typer.Option(help="missing, failed or all.")] = "missing",
    timeout: Annotated[
        float | None, typer.Option(help="Seconds a job may take: a seed on a CPU, a pair on a GPU.")
    ] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
    require_real: Annotated[bool, typer.Option(help="Refuse to run on a stand-in.")] = False,
    profile: Annotated[bool, typer.Option(help="Tell in the report where the time went; write profile.csv.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the plan and an estimate, run nothing.")] = False,
) -> int:
    """Train every quantizer on every dataset over seeds, and measure.

    Running the same command again resumes it. Exit codes: 0 all cells done, 3 some are not, 2 bad usage, 130
    interrupted.
    """
    from bench import plan as planning
    from bench.request import Request
    from bench.runner import RERUN
    from bench.store import Store

    use_data(data_dir)
    load(plugin)
    if rerun not in RERUN:
        raise UsageError(f"expected --rerun to be one of {', '.join(RERUN)}, got {rerun!r}")
    options = options_of(device, jobs, executor, plugin, timeout=timeout, rerun=rerun)
    request = Request(
        quantizers=quantizers,
        datasets=datasets,
        protocol=protocol,
        suite=suite,
        seeds=seeds,
        codebook_size=codebook_size,
        settings=tuple(set_ or ()),
        capacity=capacity,
        require_real=require_real,
        params=str(params or ""),
    )
    plan = planning.make(request)
    for remark in plan.remarks:
        print(f"note: {remark}", file=sys.stderr)
    folder = out or Path("runs") / "-".join(filter(None, (plan.suite, plan.protocol.name)))
    store = Store(folder, writable=not dry_run)
    if dry_run:
        from bench.listing import dry_run as show

        _print_capacity(plan)
        print(show(plan, store, options))
        return DONE
    store.lock()
    with engine_of(executor, used_by(plan), store, options, jobs) as engine:
        _print_capacity(plan)
        return run_plan(plan, store, options, ["python", "-m", "bench", *sys.argv[1:]], engine, profile=profile)


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder")],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Recompute every metric of a run from its stored weights, without training, and compare with what was recorded.

    The new values take the place of the recorded ones; those that differ are told once.

    Exit codes: 0 all agree, 1 some value differs, 3 a cell cannot be measured, 2 bad usage.
    """
    from bench import cells
    from bench.evaluation import differences, unmeasured
    from bench.store import Store

    use_data(data_dir)
    load(plugin)
    options = options_of(device, jobs, executor, plugin, rerun="all", trains=False)
    told = existing(folder).plan()  # before anything is written: it may be no run folder
    plan = cells.from_values(told, folder / "plan.json")
    reasons = [cells.made_elsewhere(cell) for cell in plan.cells]
    if reasons and all(reasons):
        raise UsageError(reasons[0])
    for reason in dict.fromkeys(filter(None, reasons)):
        print(f"note: {reason}; what is recorded stays as it is", file=sys.stderr)
    store = Store(folder)
    store.lock()
    former, _ = store.read_all(cell.key for cell in plan.cells)
    with engine_of(executor, used_by(plan), store, options, jobs) as engine:
        code = run_plan(plan, store, options, told.get("command", []), engine)
    present, _ = store.read_all(cell.key for cell in plan.cells)
    lines = differences(plan, former, present)
    print("\n".join(lines))
    return code or (INCOMPLETE if unmeasured(plan, former, present) else int(len(lines) > 1))


@app.command()
def export(
    cell: Annotated[Path, typer.Argument(metavar="CELL", help="RUN/cells/KEY (the key may be cut short), or RUN")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to make.")],
    quantizer: Annotated[str, typer.Option(help="Of a RUN: the row.")] = "",
    dataset: Annotated[str, typer.Option(help="Of a RUN: the dataset.")] = "",
    seed: Annotated[int | None, typer.Option(help="Of a RUN: the seed.")] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> None:
    """Write a trained tokenizer as safetensors, JSON and a model card; quantizers.load_tokenizer reads it."""
    from bench.export import export as write

    use_data(data_dir)
    load(plugin)
    for line in write(cell, out, quantizer=quantizer, dataset=dataset, seed=seed):
        print(line)


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Say what versions, devices, extras and data are here, and the command for what is missing."""
    from bench import doctor as diagnosis

    use_data(data_dir)
    load(None)
    for line in diagnosis.lines():
        print(line)


@app.command()
def test(
    name: Annotated[str, typer.Argument(help="Quantizer, with or without :preset, or dataset")],
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Check that a quantizer or a dataset keeps its contract, and say what to change where it does not.

    Exit codes: 0 it does, 1 it does not, 2 bad usage.
    """
    use_data(data_dir)
    load(plugin)
    from bench.testing import runner

    return 0 if runner.run(runner.case(name)) else 1


def run_plan(
    plan: "Plan", store: "Store", options: Any, command: list[str], engine: "Engine", *, profile: bool = False
) -> int:
    """Run a plan with a live view, write what a run leaves, and return the exit code."""
    from bench import publish
    from bench.display import Display
    from bench.environment import environment
    from bench.executors import LostError
    from bench.runner import Run, damaged_records
    from bench.store import DONE as CELL_DONE

    store.clean()
    others = publish.other_cells(store, plan)
    if others:
        print(
            f"note: {store.root} holds {others} cells of other commands, which this report leaves out", file=sys.stderr
        )
    for line in damaged_records(plan, store):
        print(f"warning: {line}; the cell runs again", file=sys.stderr)
    facts = environment(engine.device)
    publish.write_plan(store, plan, command, facts)
    display = Display(plan)
    work = Run(plan, store, options, facts, display, engine)
    interrupted, lost = False, ""
    try:
        with display:
            work.run()
    except KeyboardInterrupt:
        interrupted = True
    except LostError as error:
        lost = str(error)
    records: dict[str, Record] = work.records
    publish.write(store, plan, records, profiled=profile)
    for line in publish.left_out(plan, records):
        print(f"note: {line}", file=sys.stderr)
    done = sum(record["status"] == CELL_DONE for record in records.values())
    total = len(plan.cells) + len(plan.absent)
    kept = sum(records[key]["status"] != CELL_DONE for key in display.resumed if key in records)
    if kept:
        print(f"note: {kept} cells without a result are from before; --rerun failed tries them again", file=sys.stderr)
    told = f"{done} of {total} cells done; report: {store.root / 'report.html'}"
    if interrupted:
        then = "goes on from here" if options.trains else "starts over"
        print(f"interrupted: {told}; the same command {then}", file=sys.stderr)
        return INTERRUPTED
    if lost:
        print(f"error: {lost}: {told}; the same command goes on from here", file=sys.stderr)
        return INCOMPLETE
    print(told)
    return DONE if done == total else INCOMPLETE


def _print_capacity(plan: "Plan") -> None:
    from bench.listing import capacity

    print(capacity(plan), file=sys.stderr)
