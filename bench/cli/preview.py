"""What a plan would do, and how long that takes."""

import math
import sys

import datasets
from bench.cli.listing import _table
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
    rows = [
        {
            "quantizer": row["quantizer"],
            "dataset": row["dataset"],
            "K": row["codebook_size"],
            "log2 K": f"{row['bits_per_token']:.2f}",
            "hidden": row["hidden"],
            "network parameters": f"{row['network_parameters']:,} ({row['mismatch']:+.2%})",
            "codebook values": f"{row['codebook_values']:,}",
            "frames seen": "" if row["frames_seen"] is None else f"{row['frames_seen']:,}",
        }
        if row["built"]
        else {"quantizer": row["quantizer"], "dataset": row["dataset"], "network parameters": "cannot be built"}
        for row in capacity_rows(plan)
    ]
    return "\n".join(["capacity (codebook counted apart)", _table(rows)])


def print_capacity(plan: Plan) -> None:
    """Print the capacity table on standard error."""
    print(capacity(plan), file=sys.stderr)


def dry_run(plan: Plan, store: Store, options: Options) -> str:
    """Which cells would run, and about how long."""
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
    """Of one cell: the mean of those done, else what one core of a 2-core EPYC took (readers dominate)."""
    if former:
        total: float = sum(record["train_seconds"] + record["eval_seconds"] + 3 for record in former)
        return total / len(former)
    protocol = Protocol.from_values(cell.protocol)
    with guarded():
        frames = datasets.get(cell.dataset)(**cell.dataset_parameters).train_frames
    scale = math.sqrt(protocol.codebook_size / 256)
    steps = protocol.schedule.steps_per_epoch(frames) * protocol.schedule.epochs
    tokens = 0.0
    if "seq_ppl" in cell.metric_keys:
        tokens += frames * protocol.reader.updates * min(1.0, 64 / protocol.sequences)
    if "bits_per_frame" in cell.metric_keys:
        tokens += 4_096 * protocol.reader.cap
    # Small readers mostly stop at about half their cap; the grid's gain takes four of them.
    small = sum({"bits_eighth": 1, "vector_gain": 1, "topology_gain": 4}.get(name, 0) for name in cell.metric_keys)
    tokens += small * 64 * protocol.small_reader.batch * protocol.small_reader.cap // 2
    trained = 0.0 if cell.control else 4.0 + steps * 1.6e-3 * scale
    return trained + tokens / 1e5 * scale
