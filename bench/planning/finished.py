"""A run that is read: its plan, its records and its folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.planning.cells import Cell, Plan, as_kept
from bench.records.record import Record
from bench.records.store import Store
from bench.vocabulary import DONE


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """Plan and records of a run, finished or cut off, with the folder that they lie in.

    Attributes:
        plan: Plan of the run, with the keys that its cells had.
        records: Key of a cell -> its record; cells without a record are not in it.
        store: Folder of the run.
    """

    plan: Plan
    records: Mapping[str, Record]
    store: Store

    @classmethod
    def read(cls, store: Store) -> tuple["FinishedRun", list[str]]:
        """Read what a folder holds; what it names need not be registered.

        Returns:
            The run, and a line for every record that cannot be read.

        Raises:
            UsageError: The folder holds no plan that can be read.
        """
        plan = as_kept(store.plan(), store.root / "plan.json")
        records, damaged = store.read_all(cell.key for cell in plan.cells)
        return cls(plan=plan, records=records, store=store), damaged

    def recorded(self) -> Iterator[tuple[Cell, Record]]:
        """Cells that have a record, with it, in the order of the plan."""
        for cell in self.plan.cells:
            record = self.records.get(cell.key)
            if record is not None:
                yield cell, record

    def done(self) -> Iterator[tuple[Cell, Record]]:
        """Cells that are done, with their records, in the order of the plan."""
        for cell, record in self.recorded():
            if record["status"] == DONE:
                yield cell, record

    def whole(self, record: Record) -> Record:
        """The record with the parts that a run does not keep in memory."""
        return self.store.whole(record)


def existing(folder: Path) -> Store:
    """The folder of a run, to be read.

    Raises:
        UsageError: There is no such folder, or its schema is another one.
    """
    if not folder.is_dir():
        raise UsageError(f"no run folder {folder}; expected what bench run wrote (--out)")
    return Store(folder, writable=False)
