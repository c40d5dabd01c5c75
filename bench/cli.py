"""The command line: parse, call one function, print.

Heavy modules are imported inside the verbs, so that `--help` answers at once.
"""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.cells import Plan
    from bench.store import Record, Store

DONE, USAGE, INCOMPLETE, INTERRUPTED = 0, 2, 3, 130

app = typer.Typer(
    name="bench",
    help="Benchmark of discrete tokenizers: quantizers crossed with datasets, one protocol, one capacity.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Data on this machine: list, check, import.", rich_markup_mode=None)
app.add_typer(data_app, name="data")

DataDir = Annotated[Path | None, typer.Option(help="Where imported data lie; else BENCH_DATA.")]
Plugins = Annotated[list[str] | None, typer.Option("--plugin", help="Python file or module that registers more.")]


def main() -> NoReturn:
    """Run the command line and exit."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["_job"]:
        from bench.job import main as job

        job(arguments[1])
        sys.exit(DONE)
    if arguments[:1] == ["_probe"]:
        from bench.probe import main as probe

        probe(arguments[1])
        sys.exit(DONE)
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
    except Exception as error:
        # typer's own complaints (an unknown option, a wrong type) print themselves over several lines otherwise
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        _fail(f"{message()} (see python -m bench --help)")
    sys.exit(code if isinstance(code, int) else DONE)


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

    _load(plugin)
    print(listing.show(what))


@app.command()
def run(
    quantizers: Annotated[
        str, typer.Option(help="Names, name:preset, name@K, none, kmeans, name+control, or all; separated by commas.")
    ] = "",
    datasets: Annotated[str, typer.Option(help="Names or all; separated by commas.")] = "",
    suite: Annotated[str, typer.Option(help="Rows, datasets, protocol: see bench list suites.")] = "",
    protocol: Annotated[str, typer.Option(help="quick, paper, paper-cold or tiny; a suite has its own.")] = "",
    seeds: Annotated[str, typer.Option(help="How many (5), or which (0,3,4). The protocol's unless told.")] = "",
    codebook_size: Annotated[int | None, typer.Option(help="K asked of every family.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="QUANTIZER.PARAMETER=VALUE, repeatable.")] = None,
    capacity: Annotated[str, typer.Option(help="matched, or published: each family's own width.")] = "matched",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Annotated[
        int | None, typer.Option(help="Processes at a time: one a core on a CPU, at most three on a GPU.")
    ] = None,
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
    from bench.runner import RERUN, Options
    from bench.store import Store

    _use_data(data_dir)
    _load(plugin)
    if rerun not in RERUN:
        raise UsageError(f"expected --rerun to be one of {', '.join(RERUN)}, got {rerun!r}")
    if timeout is not None and not timeout > 0:
        raise UsageError(f"expected --timeout in seconds above 0, got {timeout:g}")
    chosen = _device(device)
    at_once = _jobs(jobs, chosen)
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
    )
    plan = planning.make(request)
    for remark in plan.remarks:
        print(f"note: {remark}", file=sys.stderr)
    options = Options(device=chosen, jobs=at_once, rerun=rerun, timeout=timeout, plugins=_absolute(plugin))
    folder = out or Path("runs") / "-".join(filter(None, (plan.suite, plan.protocol.name)))
    store = Store(folder, writable=not dry_run)
    if not dry_run:
        store.lock()
    _print_capacity(plan)
    if dry_run:
        from bench.listing import dry_run as show

        print(show(plan, store, options))
        return DONE
    return _run(plan, store, options, ["python", "-m", "bench", *sys.argv[1:]], profile)


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder")],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Annotated[
        int | None, typer.Option(help="Processes at a time: one a core on a CPU, at most three on a GPU.")
    ] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Recompute every metric of a run from its stored weights, without training, and compare with what was recorded.

    The new values take the place of the recorded ones; those that differ are told once.

    Exit codes: 0 all agree, 1 some value differs, 3 a cell cannot be measured, 2 bad usage.
    """
    from bench import cells
    from bench.evaluation import differences
    from bench.runner import Options
    from bench.store import Store

    _use_data(data_dir)
    _load(plugin)
    chosen = _device(device)
    at_once = _jobs(jobs, chosen)
    told = _existing(folder).plan()  # before anything is written: it may be no run folder
    plan = cells.from_values(told)
    store = Store(folder)
    store.lock()
    former, _ = store.read_all(cell.key for cell in plan.cells)
    options = Options(device=chosen, jobs=at_once, rerun="all", plugins=_absolute(plugin), trains=False)
    code = _run(plan, store, options, told.get("command", []))
    lines = differences(plan, former, store.read_all(cell.key for cell in plan.cells)[0])
    print("\n".join(lines))
    return code if code else int(len(lines) > 1)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR [DIR]", help="Run folder; two are set side by side.")],
    format_: Annotated[
        str, typer.Option("--format", help="html, md, tex, csv, separated by commas; all, of two runs html and md.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Where the comparison of two runs goes; else this folder.")] = None,
    plugin: Plugins = None,
) -> None:
    """Write the report of a run again from what lies in its folder, or set two runs side by side. Nothing is run."""
    from bench import reporting

    _load(plugin)
    print("\n".join(map(str, reporting.write(folders, out, format_))))


@app.command()
def baseline(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")],
    null_pairs: Annotated[int, typer.Option(help="Trainings of every row on the run's data, from other seeds.")] = 10,
    jobs: Annotated[
        int | None, typer.Option(help="Processes at a time: one a core on a CPU, at most three on a GPU.")
    ] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
) -> int:
    """Keep a run's metrics for bench check, with how far trainings on the same data differ.

    That is measured: null pairs are trained into RUN/null. Running the same command again resumes it.

    Exit codes: 0 written, 3 some null pair is not done, 2 bad usage, 130 interrupted.
    """
    from bench import gate
    from bench.null_pairs import device_of, finished, null_plan
    from bench.runner import Options
    from bench.store import Store

    _use_data(data_dir)
    _load(plugin)
    plan, records = finished(_existing(folder))
    null = null_plan(plan, null_pairs)
    device = _device(device_of(records))
    options = Options(device=device, jobs=_jobs(jobs, device), rerun="failed", plugins=_absolute(plugin))
    store = Store(folder / "null")
    store.lock()
    code = _run(null, store, options, ["python", "-m", "bench", *sys.argv[1:]])
    if code == DONE:
        gate.keep(plan, records, null, store, out)
    return code


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder")],
    baseline: Annotated[Path, typer.Option(help="What bench baseline wrote.")],
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions, too.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file, too.")] = None,
) -> int:
    """Compare a run with a baseline: has quality fallen by more than chance?

    Exit codes: 0 it holds, 1 it fell, 2 something was not measured or not comparable, 3 a cell failed.
    """
    from bench import gate

    return gate.check(_existing(folder), baseline, github=github, junit=junit)


def _existing(folder: Path) -> "Store":
    """A run folder, to be read."""
    from bench.store import Store

    if not folder.is_dir():
        raise UsageError(f"no run folder {folder}; expected what bench run wrote (--out)")
    return Store(folder, writable=False)


def _run(plan: "Plan", store: "Store", options: Any, command: list[str], profile: bool = False) -> int:
    from bench import publish
    from bench.display import Display
    from bench.environment import environment
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
    facts = environment(options.device)
    publish.write_plan(store, plan, command, facts)
    display = Display(plan)
    work = Run(plan, store, options, facts, display)
    interrupted = False
    try:
        with display:
            work.run()
    except KeyboardInterrupt:
        interrupted = True
    records: dict[str, Record] = work.records
    publish.write(store, plan, records, profiled=profile)
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
    print(told)
    return DONE if done == total else INCOMPLETE


@data_app.command("list")
def data_list(
    data_dir: DataDir = None,
) -> None:
    """Say which datasets are on this machine and how to get the others."""
    from bench import listing

    _use_data(data_dir)
    print(listing.show("datasets"))


@data_app.command("check")
def data_check(
    name: Annotated[str, typer.Argument(help="Dataset")],
    data_dir: DataDir = None,
) -> None:
    """Verify a dataset's files and tell its facts."""
    _use_data(data_dir)
    for line in _with_dataset(name, lambda dataset: dataset.check()):
        print(line)


@data_app.command("import")
def data_import(
    name: Annotated[str, typer.Argument(help="Dataset")],
    path: Annotated[Path, typer.Argument(help="Folder with its original files")],
    data_dir: DataDir = None,
) -> None:
    """Convert a dataset's original files once; later runs read the converted file alone."""
    _use_data(data_dir)
    for line in _with_dataset(name, lambda dataset: dataset.install(path)):
        print(line)


def _with_dataset(name: str, act: Any) -> list[str]:
    import datasets

    try:
        lines: list[str] = act(datasets.get(name)())
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
    return lines


def _use_data(folder: Path | None) -> None:
    if folder is not None:
        os.environ["BENCH_DATA"] = str(folder.resolve())


def _load(plugin: list[str] | None) -> None:
    if plugin:
        from bench import plugins

        for each in plugin:
            plugins.load(each)


def _absolute(plugin: list[str] | None) -> tuple[str, ...]:
    return tuple(str(Path(each).resolve()) if Path(each).is_file() else each for each in plugin or ())


def _device(name: str) -> str:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"expected --device to be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch finds no CUDA device on this machine; use --device cpu or auto")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _jobs(told: int | None, device: str) -> int:
    if told is not None and told < 1:
        raise UsageError(f"expected --jobs of at least 1, got {told}")
    # Of a GPU's jobs one computes while another starts up and a third measures on the CPU.
    return told or (_cores() if device == "cpu" else min(3, _cores()))


def _print_capacity(plan: "Plan") -> None:
    from bench.listing import capacity

    print(capacity(plan), file=sys.stderr)
