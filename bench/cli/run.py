"""`bench run` and `bench evaluate`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.app import EXIT_DONE, EXIT_INCOMPLETE, app
from bench.cli.ending import end
from bench.cli.options import DataDir, Executor, Jobs, Plugins, command
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.api.launch import Launched


@app.command()
def run(
    quantizers: Annotated[
        str,
        typer.Option(
            help="Names, name:preset, name@K, name@KxM (M indices), none, kmeans, name+control, or all; separated by "
            "commas. With all, families that cannot have this codebook size or frame width are unavailable; by "
            "name they are refused."
        ),
    ] = "",
    datasets: Annotated[str, typer.Option(help="Names or all; separated by commas.")] = "",
    suite: Annotated[str, typer.Option(help="Rows, datasets, protocol: see bench list suites.")] = "",
    protocol: Annotated[str, typer.Option(help="quick, paper, paper-cold or tiny; a suite has its own.")] = "",
    seeds: Annotated[
        str, typer.Option(help="Number of seeds (5), or the seeds (0,3,4); default: the protocol's number.")
    ] = "",
    codebook_size: Annotated[int | None, typer.Option(help="Codebook size K of every family.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="QUANTIZER.PARAMETER=VALUE, repeatable.")] = None,
    params: Annotated[Path | None, typer.Option(help="File tuned.toml that bench tune wrote.")] = None,
    capacity: Annotated[
        str, typer.Option(help="Rule for network sizes: matched, or published (every family's own width).")
    ] = "matched",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    jobs: Jobs = None,
    executor: Executor = "local",
    out: Annotated[Path | None, typer.Option(help="Run folder; default: runs/[SUITE-]PROTOCOL.")] = None,
    rerun: Annotated[
        str, typer.Option(help="Cells with a record that run again: missing (none), failed or all.")
    ] = "missing",
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Add seeds until no primary comparison is undecided.")
    ] = False,
    max_seeds: Annotated[int, typer.Option(help="Largest number of seeds with --until-decided.")] = 20,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that a job may take: one seed on a CPU, all seeds of a row on a GPU.")
    ] = None,
    plugin: Plugins = None,
    data_dir: DataDir = None,
    require_real: Annotated[bool, typer.Option(help="Refuse to run on a stand-in.")] = False,
    profile: Annotated[bool, typer.Option(help="Show in the report where the time went; write profile.csv.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the plan and an estimate, run nothing.")] = False,
) -> int:
    """Train every quantizer on every dataset over seeds, and measure.

    Running the same command again resumes it. Exit codes: 0 all cells done, 3 some are not, 2 bad usage, 130
    interrupted.
    """
    from bench.api.decide import run_until_decided
    from bench.api.preparation import Setting, prepare
    from bench.cli import preview
    from bench.planning.request import Request

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
    setting = Setting(
        device=device, jobs=jobs, executor=executor, timeout=timeout, plugins=plugin or (), data_dir=data_dir
    )
    if until_decided and not dry_run:
        launched = run_until_decided(
            request,
            setting,
            out=out,
            rerun=rerun,
            max_seeds=max_seeds,
            command=command(),
            profile=profile,
            announce=preview.print_capacity,
        )
        return _end(launched)
    preparation = prepare(request, setting, out=out, rerun=rerun)
    if dry_run:
        from bench.records.store import Store

        store = Store(preparation.folder, writable=False)
        preview.print_capacity(preparation.plan)
        print(preview.dry_run(preparation.plan, store, preparation.options))
        return EXIT_DONE
    return _end(preparation.launch(command(), profile=profile, announce=preview.print_capacity))


def _end(launched: "Launched") -> int:
    """Print the scorecards and the last line."""
    if advice := launched.advice:
        print(f"{advice}\n")
    return end(launched)


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

    The new values replace the recorded ones; those that differ are printed once.

    Exit codes: 0 all agree, 1 some value differs, 3 a cell cannot be measured, 2 bad usage.
    """
    from bench.analysis.agreement import differences, unmeasured
    from bench.api.preparation import Preparation, Setting
    from bench.planning import cells
    from bench.planning.finished import existing

    setting = Setting(device=device, jobs=jobs, executor=executor, plugins=plugin or (), data_dir=data_dir)
    options = setting.options(rerun="all", trains=False)
    store = existing(folder)
    plan_json = store.plan()
    plan = cells.from_values(plan_json, folder / "plan.json")
    reasons = [cells.made_elsewhere(cell) for cell in plan.cells]
    if reasons and all(reasons):
        raise UsageError(reasons[0])
    for reason in dict.fromkeys(filter(None, reasons)):
        print(f"note: {reason}; what is recorded stays as it is", file=sys.stderr)
    former, _ = store.read_all(cell.key for cell in plan.cells)
    preparation = Preparation(plan=plan, options=options, folder=folder, executor=executor, jobs=jobs)
    launched = preparation.launch(plan_json.get("command", []))
    code = end(launched, interrupted="starts over")
    present, _ = store.read_all(cell.key for cell in plan.cells)
    lines = differences(plan, former, present)
    print("\n".join(lines))
    return code or (EXIT_INCOMPLETE if unmeasured(plan, former, present) else int(len(lines) > 1))
