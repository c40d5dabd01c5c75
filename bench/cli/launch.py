"""A plan run from the command line."""

import sys
from typing import TYPE_CHECKING, Any

from bench.cli.app import EXIT_DONE, EXIT_INCOMPLETE, EXIT_INTERRUPTED

if TYPE_CHECKING:
    from bench.execution.engine import Engine
    from bench.planning.cells import Plan
    from bench.records.record import Record
    from bench.records.store import Store


def run_plan(
    plan: "Plan", store: "Store", options: Any, command: list[str], engine: "Engine", *, profile: bool = False
) -> int:
    """Run a plan with a live view, write what a run leaves, and return the exit code."""
    from bench.cli.display import Display
    from bench.errors import LostError
    from bench.execution.reuse import damaged_records
    from bench.execution.runner import Run
    from bench.publishing import run_report
    from bench.records.environment import environment
    from bench.vocabulary import DONE

    store.clean()
    others = run_report.other_cells(store, plan)
    if others:
        print(
            f"note: {store.root} holds {others} cells of other commands, which this report leaves out", file=sys.stderr
        )
    for line in damaged_records(plan, store):
        print(f"warning: {line}; the cell runs again", file=sys.stderr)
    facts = environment(engine.device)
    run_report.write_plan(store, plan, command, facts)
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
    run_report.write(store, plan, records, profiled=profile)
    for line in run_report.left_out(plan, records):
        print(f"note: {line}", file=sys.stderr)
    done = sum(record["status"] == DONE for record in records.values())
    total = len(plan.cells) + len(plan.absent)
    kept = sum(records[key]["status"] != DONE for key in display.resumed if key in records)
    if kept:
        print(f"note: {kept} cells without a result are from before; --rerun failed tries them again", file=sys.stderr)
    told = f"{done} of {total} cells done; report: {store.root / 'report.html'}"
    if interrupted:
        then = "goes on from here" if options.trains else "starts over"
        print(f"interrupted: {told}; the same command {then}", file=sys.stderr)
        return EXIT_INTERRUPTED
    if lost:
        print(f"error: {lost}: {told}; the same command goes on from here", file=sys.stderr)
        return EXIT_INCOMPLETE
    print(told)
    return EXIT_DONE if done == total else EXIT_INCOMPLETE


def print_capacity(plan: "Plan") -> None:
    """Print the capacity table on standard error."""
    from bench.cli.preview import capacity

    print(capacity(plan), file=sys.stderr)
