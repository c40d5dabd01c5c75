"""Preview of a plan: its capacities, its cells, and an estimate of the time."""

import math
import sys

import datasets
from bench.cli.listing import table
from bench.execution.reuse import pending
from bench.execution.runner import Options
from bench.planning.cells import Cell, Plan, capacity_rows
from bench.planning.protocol import Protocol
from bench.plugins.guard import guarded
from bench.records.record import Record
from bench.records.store import Store
from bench.vocabulary import DONE


def capacity(plan: Plan) -> str:
    """The capacity table, as printed before a run."""
    rows = []
    for capacity in capacity_rows(plan):
        row = {"quantizer": capacity["quantizer"], "dataset": capacity["dataset"]}
        if capacity["built"]:
            seen = capacity["frames_seen"]
            row |= {
                "K": capacity["codebook_size"],
                "log2 K": f"{capacity['bits_per_token']:.2f}",
                "hidden": capacity["hidden"],
                "network parameters": f"{capacity['network_parameters']:,} ({capacity['mismatch']:+.2%})",
                "codebook values": f"{capacity['codebook_values']:,}",
                "frames seen": "" if seen is None else f"{seen:,}",
            }
        else:
            row["network parameters"] = "cannot be built"
        rows.append(row)
    return "\n".join(["capacity (codebook counted apart)", table(rows)])


def print_capacity(plan: Plan) -> None:
    """Print the capacity table on standard error."""
    print(capacity(plan), file=sys.stderr)


def dry_run(plan: Plan, store: Store, options: Options) -> str:
    """Cells that would run, and an estimate of the time."""
    cells, records = pending(plan, store, options.rerun)
    former = [record for record in records.values() if record["status"] == DONE]
    lines = [f"{cell.row} {cell.dataset} seed {cell.seed}" for cell in cells]
    seconds = sum(_seconds(cell, former) for cell in cells) / options.jobs
    basis = "from the cells already done here" if former else "from a 2-core machine's speed; yours may differ"
    lines.append(
        f"{len(cells)} cells to run, {len(records)} already recorded; about {max(1, round(seconds / 60))} min with "
        f"{options.jobs} at a time ({basis})"
    )
    return "\n".join(lines)


def _seconds(cell: Cell, former: list[Record]) -> float:
    """Seconds of one cell: the mean of those that are done, or the time on one core of a 2-core EPYC.

    Readers take most of the time.
    """
    if former:
        total: float = sum(record["train_seconds"] + record["eval_seconds"] + 3 for record in former)
        return total / len(former)
    protocol = Protocol.from_values(cell.protocol)
    with guarded():
        frames = datasets.get(cell.dataset)(**cell.dataset_parameters).train_frames
    # Several codebooks cost by their values, not by the number of their combinations.
    codes = min(protocol.codebook_size, cell.capacity.codebook_values or protocol.codebook_size)
    scale = math.sqrt(codes / 256)
    steps = protocol.schedule.steps_per_epoch(frames) * protocol.schedule.epochs
    tokens = 0.0
    if "seq_ppl" in cell.metric_keys:
        tokens += frames * protocol.reader.updates * min(1.0, 64 / protocol.sequences)
    if "bits_per_frame" in cell.metric_keys:
        tokens += 4_096 * protocol.reader.cap
    # Small readers mostly stop at about half their cap; the grid's gain takes four of them.
    small = 0
    for name, count in (("bits_eighth", 1), ("vector_gain", 1), ("topology_gain", 4)):
        small += count * (name in cell.metric_keys)
    tokens += small * 64 * protocol.small_reader.batch * protocol.small_reader.cap // 2
    trained = 0.0 if cell.control else 4.0 + steps * 1.6e-3 * scale
    return trained + tokens / 1e5 * scale
