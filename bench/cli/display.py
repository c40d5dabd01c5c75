"""Shows a run: a live table on a terminal, plain lines elsewhere."""

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
    """Is told by the runner what happens and shows it.

    Args:
        plan: What runs.
        stream: Where to; a terminal gets the live table.
    """

    def __init__(self, plan: Plan, stream: TextIO = sys.stderr) -> None:
        self.plan = plan
        self.console = Console(file=stream, highlight=False)
        self.records: dict[str, tuple[Cell, Record]] = {}
        self.running: set[str] = set()
        self.fresh = 0
        self.resumed: set[str] = set()
        self.begun = time.monotonic()
        self.live = Live(get_renderable=self._view, console=self.console, refresh_per_second=2, transient=True)
        self.interactive = self.console.is_terminal

    def __enter__(self) -> "Display":
        if self.interactive:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.interactive:
            self.live.stop()
            self.console.print(self._table())

    def started(self, cells: list[Cell]) -> None:
        """A job began."""
        self.running |= {cell.key for cell in cells}

    def finished(self, cell: Cell, record: Record, resumed: bool) -> None:
        """A cell has its record."""
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
        values = [f"{name} {_short(record['metrics'].get(name))}" for name in SHOWN]
        return (
            f"{head} {seconds:.1f} s, {', '.join(value for value in values if not value.endswith(' '))}; {self._eta()}"
        )

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
        told = f"{len(self.records)}/{total} cells"
        told += f", {len(self.resumed)} from before" if self.resumed else ""
        told += f", {failed} without a result" if failed else ""
        told += f", {len(self.running)} running, {self._eta()}"
        # Above the table, because a small terminal cuts off what is below.
        return Group(Text(told), ProgressBar(total, len(self.records), width=60), self._table())

    def _table(self) -> Table:
        table = Table(title=f"protocol {self.plan.protocol.name}")
        table.add_column("quantizer")
        table.add_column("dataset")
        for name in ("seeds", *SHOWN):
            table.add_column(name, justify="right")
        planned: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.plan.cells:
            planned.setdefault(cell.pair, []).append(cell)
        sources = list(dict.fromkeys(dataset for _, dataset in planned))
        for (label, dataset), cells in sorted(planned.items(), key=lambda item: sources.index(item[0][1])):
            records = [self.records[cell.key][1] for cell in cells if cell.key in self.records]
            done = [record for record in records if record["status"] == DONE]
            failed = [record for record in records if record["status"] != DONE]
            seeds = f"{len(done)}/{len(cells)}" + (f" {failed[0]['status']}" if failed else "")
            seeds += " …" if any(cell.key in self.running for cell in cells) else ""
            table.add_row(escape(label), escape(dataset), seeds, *(_mean(done, name) for name in SHOWN))
        return table


def _mean(records: list[Record], name: str) -> str:
    values = [record["metrics"][name] for record in records if record["metrics"].get(name) is not None]
    return _short(sum(values) / len(values)) if values else ""


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.3g}"
