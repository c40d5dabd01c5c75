"""What `bench baseline` and `bench check` write and print."""

from collections.abc import Mapping
from pathlib import Path

from bench.gate import baseline as baselines
from bench.gate import check as checks
from bench.gate import messages, null_pairs
from bench.planning import cells
from bench.planning.cells import Plan
from bench.records.record import Record
from bench.records.store import Store


def keep(plan: Plan, records: Mapping[str, Record], null: Plan, store: Store, out: Path) -> None:
    """Write the baseline of a finished run and of its null pairs in a store, and print what it can see.

    Raises:
        UsageError: Nothing was measured, or the file cannot be written.
    """
    made = null_pairs.make(plan, records, null, store)
    baselines.write(made, out)
    print(f"\n{messages.sight_of(made)}\n\nbaseline: {out}")


def check(store: Store, baseline: Path, *, github: bool, junit: Path | None) -> int:
    """Compare a run with a baseline, print and write what that gives, and return the exit code.

    Raises:
        UsageError: The baseline or the run's plan cannot be read, or the JUnit file not be written.
    """
    kept, plan = baselines.read(baseline), cells.as_kept(store.plan(), store.root / "plan.json")
    verdict = checks.check(kept, plan, store.read_all(cell.key for cell in plan.cells)[0])
    print(messages.text(verdict, kept))
    if github:
        print(messages.github(verdict))
    if junit:
        messages.junit(verdict, junit)
    return verdict.code
