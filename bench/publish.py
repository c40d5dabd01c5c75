"""What a run leaves in its folder."""

import json
import math
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import datasets
from bench import cells
from bench.cells import Plan
from bench.comparisons import claims, rankings
from bench.environment import digest, keep, version
from bench.metrics import METRICS
from bench.nulls import null_lines
from bench.results import overlaps, results, summary
from bench.store import DONE, SCHEMA, UNAVAILABLE, Record, Store, write_atomically, write_json
from reports import markdown


def write(
    store: Store,
    plan: Plan,
    records: Mapping[str, Record],
    *,
    command: list[str],
    environment: dict[str, Any],
) -> pd.DataFrame:
    """Write results.csv, summary.csv, rankings.csv, claims.csv, nulls.csv and report.md; return the results."""
    table = results(plan, records)
    _write_csv(store.root / "results.csv", table)
    means = summary(table)
    _write_csv(store.root / "summary.csv", means)
    shares = overlaps(plan, records)
    ranked, claimed = rankings(table, METRICS.values(), shares), claims(table, shares)
    nulls = null_lines(plan, records)
    for name, frame in (("rankings", ranked), ("claims", claimed), ("nulls", nulls)):
        _write_csv(store.root / f"{name}.csv", frame)
    failures = [
        {
            "quantizer": cell.row,
            "dataset": cell.dataset,
            "seed": cell.seed,
            "status": records[cell.key]["status"],
            "cause": cause(records[cell.key]),
        }
        for cell in plan.cells
        if cell.key in records and records[cell.key]["status"] != DONE
    ]
    failures += [
        {"quantizer": label, "dataset": name, "seed": seed, "status": UNAVAILABLE, "cause": reason}
        for label, name, seed, reason in plan.absent
    ]
    data = {
        cell.dataset: records[cell.key]["data"]
        for cell in plan.cells
        if cell.key in records and records[cell.key]["status"] == DONE
    }
    text = markdown.report(
        table=table,
        summary=means,
        capacities=capacity_rows(plan),
        metrics=metric_rows(),
        protocol=plan.protocol.values() | {"seeds": sorted({cell.seed for cell in plan.cells})},
        parameters=parameter_rows(plan),
        stand_ins=stand_ins(plan),
        failures=failures,
        planned=len(plan.cells) + len(plan.absent),
        notes={name: facts["notes"] for name, facts in data.items()},
        units={name: facts["unit"] for name, facts in data.items()},
        environments=environments(store, records, environment),
        made=made(records),
        command=shlex.join(command),
        rankings=ranked,
        claims=claimed,
        nulls=nulls,
        published_tables=plan.published,
        columns=plan.columns,
        title=f"suite {plan.suite}, protocol {plan.protocol.name}" if plan.suite else f"protocol {plan.protocol.name}",
    )
    write_atomically(store.root / "report.md", text)
    return table


def write_plan(store: Store, plan: Plan, command: list[str], environment: dict[str, Any]) -> None:
    """Write plan.json and environment.json before anything runs."""
    value = cells.values(plan) | {
        "schema": SCHEMA,
        "version": version(),
        "command": command,
        "capacity": capacity_rows(plan),
    }
    write_json(store.root / "plan.json", value)
    write_json(store.root / "environment.json", environment)
    keep(store.root, environment)


def other_cells(store: Store, plan: Plan) -> int:
    """How many records in the folder belong to other commands."""
    ours = {cell.key for cell in plan.cells}
    return sum(path.stem not in ours for path in store.cells.glob("*.json"))


def capacity_rows(plan: Plan) -> list[dict[str, Any]]:
    """The capacity table, one row a (quantizer, dataset)."""
    return [
        {
            **capacity.facts,
            "quantizer": label,
            "dataset": dataset,
            "built": capacity.built,
            "codebook_size": capacity.codebook_size,
            "bits_per_token": capacity.bits_per_token,
            "hidden": capacity.hidden,
            "network_parameters": capacity.network_parameters,
            "mismatch": capacity.mismatch,
            "codebook_values": capacity.codebook_values,
            "frames_seen": seen,
            "trials": plan.trials.get((label, dataset), 0),
        }
        for (label, dataset), (capacity, seen) in plan.capacities().items()
    ]


def parameter_rows(plan: Plan) -> list[dict[str, Any]]:
    """Every value that a row was run with: a quantizer's, then a dataset's; a control has those of its quantizer."""
    rows = {cell.row: cell.parameters for cell in plan.cells if not cell.control}
    sources = {cell.dataset: cell.dataset_parameters for cell in plan.cells}
    return [{"name": name, "parameters": values} for name, values in (rows | sources).items()]


def stand_ins(plan: Plan) -> dict[str, str]:
    """Dataset that is not real -> what it stands in for, as people call it; "" where nothing is known."""
    known = {datasets.get(name).stand_in: datasets.get(name).title or name for name in datasets.names()}
    return {cell.dataset: known.get(cell.dataset, "") for cell in plan.cells if not cell.real}


def environments(store: Store, records: Mapping[str, Record], present: dict[str, Any]) -> list[dict[str, Any]]:
    """What the shown records were made on; a resumed run may have several."""
    found = {digest(present): present}
    for record in records.values():
        name = record.get("environment", digest(present))
        path = store.root / "environments" / f"{name}.json"
        if name not in found:
            found[name] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"unknown": name}
    used = {record.get("environment") for record in records.values()}
    return [facts for name, facts in found.items() if name in used] or [present]


def made(records: Mapping[str, Record]) -> str:
    """When the shown cells were finished, and how much time they took."""
    finished = [record["finished"] for record in records.values() if record["status"] == DONE]
    if not finished:
        return ""
    ends = [time.strftime("%Y-%m-%d %H:%M", time.gmtime(end)) for end in (min(finished), max(finished))]
    training = {
        record["cell"]["tokenizer"]: record["train_seconds"] for record in records.values() if "train_seconds" in record
    }
    measuring = math.fsum(record.get("eval_seconds", 0.0) for record in records.values())
    hours = [f"{seconds / 3600:.2f} h" for seconds in (math.fsum(training.values()), measuring)]
    return (
        f"{len(finished)} cells, finished {ends[0]} to {ends[1]} UTC; training took {hours[0]}, measuring {hours[1]}."
    )


def metric_rows() -> list[dict[str, Any]]:
    """The catalogue as plain values."""
    return [
        {"name": m.name, "direction": m.direction, "target": m.target, "summary": m.summary, "needs": list(m.needs)}
        for m in METRICS.values()
    ]


def cause(record: Record) -> str:
    """Why a cell is not done, in one line."""
    error = record.get("error") or {}
    kind, message = error.get("type"), " ".join(str(error.get("message", "")).split())
    return f"{kind}: {message}" if kind else message


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    write_atomically(path, table.to_csv(index=False, lineterminator="\n"))
