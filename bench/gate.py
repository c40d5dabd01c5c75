"""What `bench baseline` and `bench check` write and print."""

from collections.abc import Mapping
from pathlib import Path

from bench import baseline as baselines
from bench import cells, check_report, null_pairs
from bench import check as checks
from bench.cells import Plan
from bench.store import Record, Store


def keep(plan: Plan, records: Mapping[str, Record], null: Plan, store: Store, out: Path) -> None:
    """Write the baseline of a finished run and of its null pairs in a store, and print what it can see.

    Raises:
        UsageError: Nothing was measured, or the file cannot be written.
    """
    made = null_pairs.make(plan, records, null, store)
    baselines.write(made, out)
    print(f"\n{check_report.sight_of(made)}\n\nbaseline: {out}")


def check(store: Store, baseline: Path, *, github: bool, junit: Path | None) -> int:
    """Compare a run with a baseline, print and write what that gives, and return the exit code.

    Raises:
        UsageError: The baseline or the run's plan cannot be read, or the JUnit file not be written.
    """
    kept, plan = baselines.read(baseline), cells.as_kept(store.plan(), store.root / "plan.json")
    verdict = checks.check(kept, plan, store.read_all(cell.key for cell in plan.cells)[0])
    print(check_report.text(verdict, kept))
    if github:
        print(check_report.github(verdict))
    if junit:
        check_report.junit(verdict, junit)
    return verdict.code
