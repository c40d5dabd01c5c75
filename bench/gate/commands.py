"""Output of `bench baseline` and `bench check`."""

from pathlib import Path

from bench.gate import baseline as baselines
from bench.gate import check as checks
from bench.gate import messages, null_pairs
from bench.planning.finished import FinishedRun
from bench.records.store import Store


def keep(run: FinishedRun, null: FinishedRun, out: Path) -> None:
    """Write the baseline of a finished run and of its null pairs, and print which losses it can see.

    Raises:
        UsageError: Nothing was measured, or the file cannot be written.
    """
    baseline = null_pairs.make(run, null)
    baselines.write(baseline, out)
    print(f"\n{messages.sight_of(baseline)}\n\nbaseline: {out}")


def check(store: Store, baseline: Path, *, github: bool, junit: Path | None) -> int:
    """Compare a run with a baseline, print and write the verdict, and return the exit code.

    Args:
        store: Folder of the run.
        baseline: File that `keep` wrote.
        github: Whether to print annotations for GitHub Actions as well.
        junit: File that takes JUnit XML; None for none.

    Raises:
        UsageError: The baseline or the run's plan cannot be read, or the JUnit file cannot be written.
    """
    kept = baselines.read(baseline)
    run, _ = FinishedRun.read(store)
    verdict = checks.check(kept, run)
    print(messages.text(verdict, kept))
    if github:
        print(messages.github(verdict))
    if junit:
        messages.junit(verdict, junit)
    return verdict.code
