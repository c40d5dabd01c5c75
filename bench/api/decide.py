"""Runs that add seeds until the primary questions are settled."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from bench.api.launch import Launched
from bench.api.preparation import Setting, prepare
from bench.errors import UsageError
from bench.planning.cells import Plan
from bench.planning.finished import FinishedRun
from bench.planning.request import Request
from bench.stats.spending import level, looks

MOST_SEEDS = 20
"""Default of the largest number of seeds."""


def run_until_decided(
    request: Request,
    setting: Setting,
    *,
    out: Path | str | None,
    rerun: str,
    max_seeds: int,
    command: list[str],
    profile: bool = False,
    progress: bool = True,
    announce: Callable[[Plan], None] | None = None,
) -> Launched:
    """Run a request with more and more seeds, until no comparison of a primary column is undecided.

    Every look spends a part of the significance level (`bench.stats.spending`), so that looking several times does not
    make false decisions likelier. Cells that are done are kept, so the same call resumes.

    Args:
        request: Request whose number of seeds is that of the first look.
        setting: Choices that do not decide what is measured.
        out: Folder of the run; None for the default one.
        rerun: Cells with a record that run again, at the first look.
        max_seeds: Largest number of seeds.
        command: Command to record, as a list of words.
        profile: Whether the report shows where the time went.
        progress: Whether to show the run while it goes on.
        announce: Function that shows the plan of a look once nothing stands in its way.

    Returns:
        The run of the last look, or of the look that was interrupted.

    Raises:
        UsageError: The request names seeds instead of a number, or more than `max_seeds`; or see `prepare`.
    """
    if "," in request.seeds:
        raise UsageError(f"expected a number of --seeds with --until-decided, which adds to it; got {request.seeds}")
    preparation = prepare(request, setting, out=out, rerun=rerun)
    try:
        counts = looks(len(preparation.plan.seeds), max_seeds)
    except ValueError as error:
        raise UsageError(f"--max-seeds: {error}") from error
    for index, count in enumerate(counts):
        if index or count != len(preparation.plan.seeds):
            again = "missing" if index else rerun
            preparation = prepare(dataclasses.replace(request, seeds=str(count)), setting, out=out, rerun=again)
        significance = level(counts[: index + 1], max_seeds)
        plan = dataclasses.replace(preparation.plan, significance=significance)
        look = dataclasses.replace(preparation, plan=plan)
        launched = look.launch(command, profile=profile, progress=progress, announce=announce)
        if launched.end != "finished":
            break
        still_open = undecided(launched.run)
        following = f"{counts[index + 1]} seeds next" if still_open and count < max_seeds else "no more seeds"
        _note(
            f"{count} seeds, level {significance:.3f}: {still_open or 'no'} primary comparisons undecided; {following}"
        )
        if not still_open:
            break
    return launched


def undecided(run: FinishedRun) -> int:
    """Number of undecided comparisons of primary columns in the tables that a run left."""
    rankings = pd.read_csv(run.store.root / "rankings.csv")
    others = rankings[rankings["quantizer"] != rankings["best"]]
    return int((others["primary"] & (others["standing"] == "undecided")).sum())


def _note(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)
