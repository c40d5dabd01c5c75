"""Display of a run: a live table on a terminal and in a notebook, plain lines elsewhere."""

import importlib.util
import sys
import time
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.planning.cells import Cell, Plan
from bench.records.record import Record, cause
from bench.vocabulary import DONE

SHOWN = ("mse", "active", "trust", "topographic_error", "bits_per_frame")


class Display:
    """A watcher that shows a run while it goes on.

    Args:
        plan: Plan of the run.
        stream: Stream to write to; None for standard error. A terminal gets the live table.
        shown: Whether to show anything.
    """

    def __init__(self, plan: Plan, stream: TextIO | None = None, *, shown: bool = True) -> None:
        self.plan = plan
        self.console = Console(file=stream or sys.stderr, highlight=False, quiet=not shown)
        self.records: dict[str, tuple[Cell, Record]] = {}
        self.running: set[str] = set()
        self.fresh = 0
        self.resumed: set[str] = set()
        self.begun = time.monotonic()
        self.live = Live(get_renderable=self._view, console=self.console, refresh_per_second=2, transient=True)
        has_widgets = self.console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None
        self.interactive = shown and (self.console.is_terminal or has_widgets)

    def __enter__(self) -> "Display":
        if self.interactive:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.interactive:
            self.live.stop()
            self.console.print(self._table())

    def started(self, cells: list[Cell]) -> None:
        """Take note that a job began."""
        self.running |= {cell.key for cell in cells}

    def finished(self, cell: Cell, record: Record, resumed: bool) -> None:
        """Take note that a cell has its record."""
        self.records[cell.key] = (cell, record)
        self.running.discard(cell.key)
        if resumed:
            self.resumed.add(cell.key)
            return
        self.fresh += 1
        if not self.interactive:
            self.console.print(escape(self._line(cell, record)), soft_wrap=True)

    def _line(self, cell: Cell, record: Record) -> str:
        place = f"[{len(self.records)}/{len(self.plan.cells)}]"
        head = f"{place} {cell.row} {cell.dataset} seed {cell.seed} {record['status']}"
        if record["status"] != DONE:
            return f"{head}: {cause(record)}"
        seconds = record["train_seconds"] + record["eval_seconds"]
        shown = [f"{seconds:.1f} s"]
        for name in SHOWN:
            value = record["metrics"].get(name)
            if value is not None:
                shown.append(f"{name} {_short(value)}")
        return f"{head} {', '.join(shown)}; {self._eta()}"

    def _eta(self) -> str:
        left = len(self.plan.cells) - len(self.records)
        if not left:
            return "last"
        if not self.fresh:
            return "estimating"
        seconds = (time.monotonic() - self.begun) / self.fresh * left
        return f"about {seconds / 60:.1f} min left" if seconds > 90 else f"about {seconds:.0f} s left"

    def _view(self) -> Group:
        total = len(self.plan.cells)
        failed = sum(record["status"] != DONE for _, record in list(self.records.values()))
        line = f"{len(self.records)}/{total} cells"
        line += f", {len(self.resumed)} from before" if self.resumed else ""
        line += f", {failed} without a result" if failed else ""
        line += f", {len(self.running)} running, {self._eta()}"
        # Above the table, because a small terminal cuts off what is below.
        return Group(Text(line), ProgressBar(total, len(self.records), width=60), self._table())

    def _table(self) -> Table:
        table = Table(title=f"protocol {self.plan.protocol.name}")
        table.add_column("quantizer")
        table.add_column("dataset")
        for name in ("seeds", *SHOWN):
            table.add_column(name, justify="right")
        planned: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.plan.cells:
            planned.setdefault((cell.dataset, cell.row), []).append(cell)
        names = list(dict.fromkeys(dataset for dataset, _ in planned))
        for (dataset, row), cells in sorted(planned.items(), key=lambda item: names.index(item[0][0])):
            table.add_row(escape(row), escape(dataset), *self._columns(cells))
        return table

    def _columns(self, cells: list[Cell]) -> list[str]:
        """Seeds that are done, and the means of the shown metrics over them."""
        done: list[Record] = []
        failed: list[Record] = []
        for cell in cells:
            if cell.key in self.records:
                record = self.records[cell.key][1]
                (done if record["status"] == DONE else failed).append(record)
        seeds = f"{len(done)}/{len(cells)}"
        if failed:
            seeds += f" {failed[0]['status']}"
        if any(cell.key in self.running for cell in cells):
            seeds += " …"
        return [seeds, *(_mean(done, name) for name in SHOWN)]


def _mean(records: list[Record], name: str) -> str:
    values = []
    for record in records:
        value = record["metrics"].get(name)
        if value is not None:
            values.append(value)
    return _short(sum(values) / len(values)) if values else ""


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.3g}"
