"""What a run leaves in its folder."""

import dataclasses
import math
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import datasets
from bench.analysis.comparisons import claims, rankings
from bench.analysis.costs import eager_rows, profile
from bench.analysis.results import overlaps, results, summary
from bench.analysis.shuffled_grids import null_lines
from bench.metrics import METRICS
from bench.planning import cells
from bench.planning.cells import Plan, capacity_rows
from bench.publishing.figure_data import run_data
from bench.records.environment import keep, version
from bench.records.files import read_json, write_atomically, write_json
from bench.records.record import SCHEMA, Record, cause
from bench.records.store import Store
from bench.vocabulary import DONE, UNAVAILABLE
from datasets.base import CONSTANT, left_out_line
from reports.document import markdown
from reports.document.blocks import Page
from reports.document.figure import Figure
from reports.figures import draw, grid_data
from reports.inputs import Results
from reports.pages.run import report

FORMATS = ("html", "md", "tex", "csv")


def write(
    store: Store,
    plan: Plan,
    records: Mapping[str, Record],
    formats: Sequence[str] = FORMATS,
    *,
    out: Path | None = None,
    profiled: bool = False,
) -> list[Path]:
    """Write the report of what lies in a run folder, in each of the formats, and return the files.

    Figures come with the formats that show or name them, "html" and "md", and as figures/NAME.svg; returned is their
    folder.

    Args:
        store: The folder, with its plan.json.
        plan: That plan.
        records: Its cells' records.
        formats: "csv" is results, summary, rankings, claims and nulls; see `write_page` for the others.
        out: Where the files go; into the run's folder unless told.
        profiled: Whether to write profile.csv too, and to tell in the report where the time went, as is done wherever
            there is one already.
    """
    folder = out or store.root
    run = gather(store, plan, records, profiled=profiled or (store.root / "profile.csv").exists())
    written = []
    if "csv" in formats:
        frames = {"results": run.table, "summary": run.summary, "rankings": run.rankings, "claims": run.claims}
        frames |= {"nulls": run.nulls} | ({} if run.profile is None else {"profile": run.profile})
        for name, frame in frames.items():
            written.append(folder / f"{name}.csv")
            write_csv(written[-1], frame)
    unreadable: dict[str, str] = {}
    figures: list[Figure] = []
    grids: list[dict[str, Any]] = []
    if "html" in formats or "md" in formats:
        shown = run_data(
            store,
            plan,
            records,
            table=run.table,
            summary=run.summary,
            rankings=run.rankings,
            metrics=run.metrics,
            unreadable=unreadable,
        )
        figures, grids = list(draw(shown)), grid_data(shown)
        run = dataclasses.replace(run, unreadable=unreadable)
        for file, reason in unreadable.items():
            print(f"warning: {store.cells / file} cannot be read ({reason}); figures lack it", file=sys.stderr)
        written.append(folder / "figures")
        write_figures(figures, written[-1])
    return written + write_page(report(run, figures, grids), folder, "report", formats)


def write_figures(figures: Sequence[Figure], folder: Path) -> None:
    """Write each figure as NAME.svg, and remove those of a former report that this one does not have."""
    folder.mkdir(exist_ok=True)
    texts = {folder / f"{figure.name}.svg": figure.svg + "\n" for figure in figures}
    for former in {*folder.glob("*.svg")} - {*texts}:
        former.unlink()
    for file, text in texts.items():
        write_atomically(file, text)


def write_page(page: Page, folder: Path, name: str, formats: Sequence[str]) -> list[Path]:
    """Write a page as NAME.html ("html") and NAME.md ("md"), and its tables into tables/ ("tex"); return the files."""
    texts = {}
    if "html" in formats:
        from reports.document import html  # jinja2, which the other verbs need not wait for

        texts[f"{name}.html"] = html.write(page)
    if "md" in formats:
        texts[f"{name}.md"] = markdown.write(page)
    if "tex" in formats:
        from reports.document import latex

        (folder / "tables").mkdir(exist_ok=True)
        texts |= {f"tables/{file}": text for file, text in latex.tables(page).items()}
    for file, text in texts.items():
        write_atomically(folder / file, text)
    return [folder / file for file in texts]


def gather(store: Store, plan: Plan, records: Mapping[str, Record], *, profiled: bool = False) -> Results:
    """What a run folder tells, as tables and plain values; where the time went only if it is `profiled`."""
    told = store.plan()
    table = results(plan, records)
    shares = overlaps(plan, records)
    data = {
        cell.dataset: records[cell.key]["data"]
        for cell in plan.cells
        if cell.key in records and records[cell.key]["status"] == DONE
    }
    return Results(
        table=table,
        summary=summary(table),
        rankings=rankings(table, METRICS.values(), shares),
        claims=claims(table, shares),
        nulls=null_lines(plan, records),
        metrics=metric_rows(),
        protocol=plan.protocol.values() | {"seeds": sorted({cell.seed for cell in plan.cells})},
        capacities=capacity_rows(plan),
        parameters={cell.row: cell.parameters for cell in plan.cells if not cell.control},
        sources={cell.dataset: cell.dataset_parameters for cell in plan.cells},
        notes={name: facts["notes"] for name, facts in data.items()},
        units={name: facts["unit"] for name, facts in data.items()},
        stand_ins=stand_ins(plan),
        failures=failures(plan, records),
        planned=len(plan.cells) + len(plan.absent),
        environments=environments(store, records),
        made=made(records),
        command=shlex.join(map(str, told.get("command", []))),
        folder=store.root.resolve().name,
        title=f"suite {plan.suite}, protocol {plan.protocol.name}" if plan.suite else f"protocol {plan.protocol.name}",
        published_tables=plan.published,
        columns=plan.columns,
        profile=profile(store, plan, records) if profiled else None,
        eager=eager_rows(store, plan, records),
    )


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


def failures(plan: Plan, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """Cells that have no result, and why."""
    found = [
        (cell.row, cell.dataset, cell.seed, records[cell.key]["status"], cause(records[cell.key]))
        for cell in plan.cells
        if cell.key in records and records[cell.key]["status"] != DONE
    ]
    found += [(label, name, seed, UNAVAILABLE, reason) for label, name, seed, reason in plan.absent]
    return [dict(zip(("quantizer", "dataset", "seed", "status", "cause"), row, strict=True)) for row in found]


def left_out(plan: Plan, records: Mapping[str, Record]) -> list[str]:
    """A line for each dataset and set of features that a seed's training sees constant."""
    seeds: dict[tuple[str, tuple[int, ...]], dict[int, None]] = {}
    for cell in plan.cells:
        features = records.get(cell.key, {}).get("data", {}).get("notes", {}).get(CONSTANT)
        if features:
            seeds.setdefault((cell.dataset, tuple(features)), {})[cell.data_seed] = None
    return [
        f"{dataset}: {left_out_line(features)} of seed {', '.join(map(str, numbers))}"
        for (dataset, features), numbers in seeds.items()
    ]


def stand_ins(plan: Plan) -> dict[str, str]:
    """Dataset that is not real -> what it stands in for, as people call it; "" where nothing is known."""
    known = {datasets.get(name).stand_in: datasets.get(name).title or name for name in datasets.names()}
    return {cell.dataset: known.get(cell.dataset, "") for cell in plan.cells if not cell.real}


def environments(store: Store, records: Mapping[str, Record]) -> list[dict[str, Any]]:
    """What the shown records were made on; a resumed run may have several, one without records its own."""
    names = dict.fromkeys(record["environment"] for record in records.values() if "environment" in record)
    found = [_read(store.root / "environments" / f"{name}.json") or {"unknown": name} for name in names]
    return found or [_read(store.root / "environment.json")]


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


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table atomically."""
    write_atomically(path, table.to_csv(index=False, lineterminator="\n"))


def _read(path: Path) -> dict[str, Any]:
    """What a JSON file says; nothing where there is none that can be read."""
    try:
        facts = read_json(path)
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
