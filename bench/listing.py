"""What `bench list` and `bench run --dry-run` print."""

import math
from importlib import metadata
from typing import Any

from tabulate import tabulate

import datasets
import quantizers
from bench import suite
from bench.cells import Cell, Plan
from bench.errors import UsageError
from bench.guard import guarded
from bench.metrics import METRICS
from bench.protocol import PROTOCOLS, Protocol
from bench.publish import capacity_rows
from bench.rows import CONTROLS, REFERENCES
from bench.runner import Options, pending
from bench.store import DONE, Record, Store
from quantizers._registry import suggestion


def show(what: str) -> str:
    """A list of quantizers, datasets, metrics, protocols or suites.

    Raises:
        UsageError: There is no such list.
    """
    lists = {
        "quantizers": _quantizers,
        "datasets": _datasets,
        "metrics": _metrics,
        "protocols": _protocols,
        "suites": _suites,
    }
    if what not in lists:
        raise UsageError(f"nothing to list under {what!r}; {suggestion(what, list(lists))}")
    return lists[what]()


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


def _quantizers() -> str:
    blocks = []
    for family in (quantizers.get(name)[0] for name in quantizers.names()):
        parameters = ", ".join(f"{name}={value!r}" for name, value in family.parameters.items())
        lines = [f"{family.name}  ({family.cls.__name__}; {family.paper or 'no source given'})", f"    {parameters}"]
        if family.requires:
            lines.append(f"    {_requirement(family.requires)}; not part of all")
        for preset, values in family.presets.items():
            lines.append(
                f"    {family.name}:{preset}  " + ", ".join(f"{name}={value!r}" for name, value in values.items())
            )
        blocks.append("\n".join(lines))
    blocks += [f"{name}  (reference, never ranked; {purpose})" for name, purpose in REFERENCES.items()]
    blocks += [f"QUANTIZER+{name}  (control, never ranked; {purpose})" for name, purpose in CONTROLS.items()]
    return "\n".join(blocks)


def _requirement(distribution: str) -> str:
    try:
        return f"needs {distribution}, which is here in version {metadata.version(distribution)}"
    except metadata.PackageNotFoundError:
        return f"needs {distribution}, which is not installed: pip install {distribution}"


def _datasets() -> str:
    blocks = []
    for name in datasets.names():
        cls = datasets.get(name)
        parameters = ", ".join(f"{key}={value!r}" for key, value in datasets.parameters(name).items())
        kind = "" if cls.real else " stand-in, synthetic;"
        lines = [f"{name}{':PATH' * cls.located}  ({cls.__name__};{kind} {cls.source})", f"    {parameters}"]
        lines.append(f"    {datasets.missing(name) or 'on this machine'}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _metrics() -> str:
    rows = [
        {"metric": m.name, "better": f"target {m.target:g}" if m.target is not None else m.direction, "": m.summary}
        for m in METRICS.values()
    ]
    return _table(rows)


def _protocols() -> str:
    rows = []
    for protocol in PROTOCOLS.values():
        schedule, reader = protocol.schedule, protocol.reader
        rows.append(
            {
                "protocol": protocol.name,
                "sequences": protocol.sequences,
                "K": protocol.codebook_size,
                "hidden": protocol.hidden,
                "epochs": f"{schedule.warm_up_epochs} + {schedule.epochs}",
                "seeds": protocol.seeds,
                "readers": f"{reader.updates}; at most {reader.cap}; an eighth: at most {protocol.small_reader.cap}",
                "": protocol.purpose,
            }
        )
    return _table(rows)


def _suites() -> str:
    rows = []
    for name in suite.names():
        chosen = suite.load(name)
        count = len(chosen.rows(PROTOCOLS[chosen.protocol]))
        rows.append({"suite": name, "protocol": chosen.protocol, "rows": count, "": chosen.purpose})
    return _table(rows)


def _table(rows: list[dict[str, Any]]) -> str:
    return str(tabulate(rows, headers="keys", tablefmt="simple", disable_numparse=True))
