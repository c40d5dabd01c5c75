"""The files that a run leaves in its folder: tables, figures and pages."""

import dataclasses
import math
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

import datasets
from bench.analysis.comparisons import claims, rankings
from bench.analysis.costs import eager_rows, profile
from bench.analysis.diagnosis import diagnoses
from bench.analysis.indices import index_uses
from bench.analysis.rates import rate_differences
from bench.analysis.results import overlaps, results, summary
from bench.analysis.shuffled_grids import null_lines
from bench.analysis.spread import spread
from bench.metrics import METRICS
from bench.planning import cells
from bench.planning.cells import Plan, capacity_rows
from bench.planning.finished import FinishedRun
from bench.publishing.figure_data import run_data
from bench.records.environment import keep, version
from bench.records.files import read_json, write_atomically, write_json
from bench.records.record import SCHEMA, Record, cause
from bench.records.store import Store
from bench.typing import JSON
from bench.vocabulary import DONE, UNAVAILABLE
from datasets.sequences import CONSTANT, left_out_line
from reports.document import markdown, terminal
from reports.document.blocks import Page
from reports.document.figure import Figure
from reports.figures import draw, grid_data
from reports.inputs import Results
from reports.pages.run import report
from reports.sections.scorecard import scorecards

FORMATS = ("html", "md", "tex", "csv")


def write(
    run: FinishedRun,
    formats: Sequence[str] = FORMATS,
    *,
    out: Path | None = None,
    profiled: bool = False,
) -> list[Path]:
    """Write the report of a run in each of the formats, and return the files.

    Figures come with the formats that show or name them, "html" and "md", as files figures/NAME.svg. The returned list
    has their folder.

    Args:
        run: Plan, records and folder of the run.
        formats: Formats of FORMATS. "csv" stands for results, summary, rankings, claims and nulls; see `write_page` for
            the others.
        out: Folder that takes the files; by default the run's folder.
        profiled: Whether to write profile.csv too, and to show in the report where the time went. That is done anyway
            where there is a profile.csv already.
    """
    folder = out or run.store.root
    gathered = gather(run, profiled=profiled or (run.store.root / "profile.csv").exists())
    written = []
    if "csv" in formats:
        written += write_tables(gathered, folder)
    figures: list[Figure] = []
    grids: list[JSON] = []
    if "html" in formats or "md" in formats:
        unreadable: dict[str, str] = {}
        figure_data = run_data(run, gathered, unreadable)
        figures, grids = list(draw(figure_data)), grid_data(figure_data)
        gathered = dataclasses.replace(gathered, unreadable=unreadable)
        for file, reason in unreadable.items():
            print(f"warning: {run.store.cells / file} cannot be read ({reason}); figures lack it", file=sys.stderr)
        written.append(folder / "figures")
        write_figures(figures, written[-1])
    return written + write_page(report(gathered, figures, grids), folder, "report", formats)


def advice(run: FinishedRun) -> str:
    """Scorecards and advice as plain text, from the tables that `write` left; "" where nothing was tested."""
    table, rankings = (pd.read_csv(run.store.root / f"{name}.csv") for name in ("results", "rankings"))
    plan = run.plan
    blocks = scorecards(table, rankings, stand_ins(plan), plan.protocol.values(), plan.significance)
    return terminal.write(blocks)


def write_tables(gathered: Results, folder: Path) -> list[Path]:
    """Write the tables of a run as NAME.csv, and return the files."""
    tables = {
        "results": gathered.table,
        "summary": gathered.summary,
        "rankings": gathered.rankings,
        "claims": gathered.claims,
        "nulls": gathered.nulls,
        "spread": gathered.spread,
        "diagnosis": gathered.diagnosis,
        "rates": gathered.rates,
        "indices": gathered.indices,
    }
    if gathered.profile is not None:
        tables["profile"] = gathered.profile
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table)
    return [folder / f"{name}.csv" for name in tables]


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


def gather(run: FinishedRun, *, profiled: bool = False) -> Results:
    """Gather the contents of a run's folder as tables and plain values.

    Args:
        run: Plan, records and folder of the run.
        profiled: Whether to gather where the time went as well.
    """
    plan = run.plan
    table = results(run)
    shares = overlaps(run)
    data = {cell.dataset: record["data"] for cell, record in run.done()}
    command = run.store.plan().get("command", [])
    return Results(
        table=table,
        summary=summary(table),
        rankings=rankings(table, METRICS.values(), shares, plan.significance),
        significance=plan.significance,
        claims=claims(table, shares),
        nulls=null_lines(run),
        spread=spread(run),
        diagnosis=diagnoses(run),
        rates=rate_differences(run),
        indices=index_uses(run),
        metrics=metric_rows(),
        protocol=plan.protocol.values() | {"seeds": plan.seeds},
        capacities=capacity_rows(plan),
        parameters={cell.row: cell.parameters for cell in plan.cells if not cell.control},
        sources={cell.dataset: cell.dataset_parameters for cell in plan.cells},
        notes={name: facts["notes"] for name, facts in data.items()},
        units={name: facts["unit"] for name, facts in data.items()},
        stand_ins=stand_ins(plan),
        failures=failures(run),
        planned=plan.size,
        environments=environments(run),
        made=made(run.records),
        command=shlex.join(map(str, command)),
        folder=run.store.root.resolve().name,
        title=f"suite {plan.suite}, protocol {plan.protocol.name}" if plan.suite else f"protocol {plan.protocol.name}",
        published_tables=plan.published,
        columns=plan.columns,
        profile=profile(run) if profiled else None,
        eager=eager_rows(run),
    )


def write_plan(store: Store, plan: Plan, command: list[str], environment: JSON) -> None:
    """Write plan.json and environment.json, before anything runs."""
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
    """Number of records in the folder that belong to other commands."""
    planned = {cell.key for cell in plan.cells}
    return sum(path.stem not in planned for path in store.cells.glob("*.json"))


def failures(run: FinishedRun) -> list[JSON]:
    """Cells that have no result, with the status and the cause."""
    rows: list[JSON] = []
    for cell, record in run.recorded():
        if record["status"] != DONE:
            rows.append(_failure(cell.row, cell.dataset, cell.seed, record["status"], cause(record)))
    for absent in run.plan.unavailable:
        rows.append(_failure(absent.row, absent.dataset, absent.seed, UNAVAILABLE, absent.reason))
    return rows


def _failure(row: str, dataset: str, seed: int, status: str, cause: str) -> JSON:
    return {"quantizer": row, "dataset": dataset, "seed": seed, "status": status, "cause": cause}


def left_out(run: FinishedRun) -> list[str]:
    """A line for every dataset and set of features that a seed's training sees constant."""
    seeds: dict[tuple[str, tuple[int, ...]], dict[int, None]] = {}
    for cell, record in run.recorded():
        features = record["data"]["notes"].get(CONSTANT) if "data" in record else None
        if features:
            seeds.setdefault((cell.dataset, tuple(features)), {})[cell.data_seed] = None
    lines = []
    for (dataset, features), numbers in seeds.items():
        lines.append(f"{dataset}: {left_out_line(features)} of seed {', '.join(map(str, numbers))}")
    return lines


def stand_ins(plan: Plan) -> dict[str, str]:
    """Generated dataset -> title of the real one that it stands in for; "" where it stands in for none."""
    titles = {}
    for name in datasets.names():
        cls = datasets.get(name)
        if cls.stand_in:
            titles[cls.stand_in] = cls.title or name
    return {cell.dataset: titles.get(cell.dataset, "") for cell in plan.cells if not cell.real}


def environments(run: FinishedRun) -> list[JSON]:
    """Facts about the machines that made the records; a resumed run may have several.

    A run without records has the environment that its command found.
    """
    names = dict.fromkeys(record["environment"] for record in run.records.values() if "environment" in record)
    facts = []
    for name in names:
        facts.append(_read(run.store.root / "environments" / f"{name}.json") or {"unknown": name})
    return facts or [_read(run.store.root / "environment.json")]


def made(records: Mapping[str, Record]) -> str:
    """One sentence that says when the cells were finished, and how much time they took."""
    finished = [record["finished"] for record in records.values() if record["status"] == DONE]
    if not finished:
        return ""
    first, last = (time.strftime("%Y-%m-%d %H:%M", time.gmtime(end)) for end in (min(finished), max(finished)))
    training: dict[str, float] = {}
    for record in records.values():
        if "train_seconds" in record:
            training[record["cell"]["tokenizer_key"]] = record["train_seconds"]
    train_hours = math.fsum(training.values()) / 3600
    measure_hours = math.fsum(record.get("eval_seconds", 0.0) for record in records.values()) / 3600
    return (
        f"{len(finished)} cells, finished {first} to {last} UTC; training took {train_hours:.2f} h, "
        f"measuring {measure_hours:.2f} h."
    )


def metric_rows() -> list[JSON]:
    """The catalogue as plain values."""
    return [
        {
            "name": m.name,
            "direction": m.direction,
            "target": m.target,
            "summary": m.summary,
            "needs": [*m.needs, *m.budgets],
        }
        for m in METRICS.values()
    ]


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table atomically."""
    write_atomically(path, table.to_csv(index=False, lineterminator="\n"))


def _read(path: Path) -> JSON:
    """Content of a JSON file; empty where there is none that can be read."""
    try:
        facts = read_json(path)
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
