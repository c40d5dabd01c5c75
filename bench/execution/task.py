"""The work of a job on one cell, as it travels to the child process."""

from dataclasses import dataclass, field
from typing import Any

from bench.planning.cells import Cell
from bench.records.record import Record
from bench.typing import JSON


@dataclass(frozen=True, kw_only=True)
class CellTask:
    """A cell with everything that a job has to know beside it.

    Attributes:
        cell: The cell to train, where its tokenizer has no weights yet, and to measure.
        missing: Names of the metrics to measure.
        former: Parts of the former record by metric that stay good, see `bench.records.record.KEPT`.
        ceiling: Validation error per point of the learning curve above which training is given up; None where there is
            no bound. See `bench.training.loop.train`.
    """

    cell: Cell
    missing: tuple[str, ...] = ()
    former: dict[str, dict[str, Any]] = field(default_factory=dict)
    ceiling: tuple[float | None, ...] = ()

    def values(self) -> JSON:
        """Plain values from which `from_values` makes the task again."""
        return {
            "cell": self.cell.values(),
            "missing": list(self.missing),
            "former": self.former,
            "ceiling": list(self.ceiling),
        }

    @classmethod
    def from_values(cls, values: JSON) -> "CellTask":
        """Make a task from its plain values, with the path of its data as they lie now."""
        return cls(
            cell=Cell.from_values(values["cell"]),
            missing=tuple(values["missing"]),
            former=values["former"],
            ceiling=tuple(values["ceiling"]),
        )


def kept_parts(record: Record | None, stale: set[str]) -> dict[str, dict[str, Any]]:
    """Parts by metric of a former record, without the entries of metrics whose key has changed."""
    parts: dict[str, dict[str, Any]] = {"metrics": {}, "metric_seconds": {}, "null": {}, "curves": {}}
    if record is not None:
        parts["metrics"] |= record.get("metrics", {})
        parts["metric_seconds"] |= record.get("metric_seconds", {})
        parts["null"] |= record.get("null", {})
        parts["curves"] |= record.get("curves", {})
    for entries in parts.values():
        for name in stale & entries.keys():
            del entries[name]
    return parts
