"""A plan run to its end, with its report."""

import sys
from dataclasses import dataclass
from typing import Literal

from bench.api.display import Display
from bench.errors import LostError
from bench.execution.engine import Engine
from bench.execution.reuse import damaged_records
from bench.execution.runner import Options, Runner
from bench.planning.cells import Plan
from bench.planning.finished import FinishedRun
from bench.publishing import run_report
from bench.records.environment import environment
from bench.records.store import Store
from bench.stats.estimates import SIGNIFICANCE
from bench.vocabulary import DONE

End = Literal["finished", "interrupted", "lost"]


@dataclass(frozen=True, kw_only=True)
class Launched:
    """A run that was launched, with the way it ended.

    Attributes:
        run: Plan, records and folder of the run.
        device: Device of the jobs, "cpu" or "cuda".
        end: Way it ended: all jobs "finished", "interrupted" by the user, or "lost" with what ran the jobs.
        cause: Reason why the jobs were lost; "" otherwise.
    """

    run: FinishedRun
    device: str
    end: End = "finished"
    cause: str = ""

    @property
    def done(self) -> int:
        """Number of cells that are done."""
        return sum(record["status"] == DONE for record in self.run.records.values())

    @property
    def complete(self) -> bool:
        """Whether every cell is done, the unavailable ones included."""
        return self.end == "finished" and self.done == self.run.plan.size

    @property
    def advice(self) -> str:
        """Scorecards and advice as plain text; "" where nothing was tested, or the run did not end."""
        return run_report.advice(self.run) if self.end == "finished" else ""

    @property
    def summary(self) -> str:
        """One line: how many cells are done, and where the report lies."""
        return f"{self.done} of {self.run.plan.size} cells done; report: {self.run.store.root / 'report.html'}"


def launch(
    plan: Plan,
    store: Store,
    options: Options,
    command: list[str],
    engine: Engine,
    *,
    profile: bool = False,
    progress: bool = True,
) -> Launched:
    """Run a plan and write what a run leaves; it resumes from the records that the folder holds.

    Args:
        plan: Plan with the cells to run.
        store: Folder that takes everything.
        options: Choices of how to run.
        command: Command to record, as a list of words.
        engine: Engine that runs the jobs.
        profile: Whether the report shows where the time went.
        progress: Whether to show the run while it goes on.
    """
    store.clean()
    others = run_report.other_cells(store, plan)
    if others and plan.significance == SIGNIFICANCE:  # later looks of an interrupted run are cells of its own command
        _note(f"{store.root} holds {others} cells of other commands, which this report leaves out")
    for line in damaged_records(plan, store):
        print(f"warning: {line}; the cell runs again", file=sys.stderr)
    facts = environment(engine.device)
    run_report.write_plan(store, plan, command, facts)
    display = Display(plan, shown=progress)
    runner = Runner(plan, store, options, facts, display, engine)
    end: End = "finished"
    cause = ""
    try:
        with display:
            runner.run()
    except KeyboardInterrupt:
        end = "interrupted"
    except LostError as error:
        end, cause = "lost", str(error)
    run = FinishedRun(plan=plan, records=runner.records, store=store)
    run_report.write(run, profiled=profile)
    for line in run_report.left_out(run):
        _note(line)
    kept = sum(run.records[key]["status"] != DONE for key in display.resumed if key in run.records)
    if kept:
        _note(f"{kept} cells without a result are from before; --rerun failed tries them again")
    return Launched(run=run, device=engine.device, end=end, cause=cause)


def _note(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)
