"""Page of a run: facts, verdict, the tables behind it, and the command to repeat it."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document.blocks import Block, Code, Facts, Page, Prose, Section
from reports.document.figure import Figure
from reports.document.rows import by_name
from reports.document.text import code, escape, records
from reports.inputs import Results
from reports.sections import facts, published, tables
from reports.sections.costs import where_the_time_goes
from reports.sections.diagnosis import findings
from reports.sections.indices import indices
from reports.sections.rates import rates
from reports.sections.row_by_row import row_by_row
from reports.sections.scorecard import scorecards
from reports.sections.spread import spread_lines
from reports.sections.verdict import verdict

ARROWS = (
    "Mean ± half the 95 % t interval over n seeds; a single seed has no interval. An arrow tells which way is better; "
    "a column without one is a fact, not a score. Overlapping intervals are no proof of equality, and the best mean "
    "alone is no proof of being best. Hatched in the HTML page: cells without a result, with their status."
)


def report(run: Results, figures: Sequence[Figure] = (), grids: Sequence[Mapping[str, Any]] = ()) -> Page:
    """Page that reports a run.

    Args:
        run: Results of the run.
        figures: Figures drawn from the run.
        grids: Contents of the interactive grids.
    """
    metrics = by_name(run.metrics, "name")
    ran = facts.what_was_run(
        run.table, run.protocol, run.stand_ins, run.environments, run.planned, run.made, run.folder
    )
    ran += map(Prose, spread_lines(run.spread))
    if run.failures:
        ran.append(Section("Cells without a result", (facts.failures(run.failures, run.stand_ins),)))
    compared = published.section(run.summary, run.protocol, run.stand_ins, run.published_tables)
    by_row = row_by_row(run.summary, metrics, run.parameters, run.stand_ins, figures, grids)
    said = verdict(run.table, run.summary, run.rankings, run.claims, run.stand_ins, run.protocol)
    decisions = scorecards(run.table, run.rankings, run.stand_ins, run.protocol, run.significance)
    if decisions:
        said = [Section("Every comparison", tuple(said), detail=True)]
    sections: dict[str, Sequence[Block]] = {
        "Which one to take": decisions,
        "What looks wrong": findings(run.diagnosis),
        "What was run": ran,
        "What can be said": said,
        "Results": [*_results(run, metrics), Section("How to read the tables", (*_legend(run),), detail=True)],
        "Rate at equal quality": rates(run.rates),
        "Use of every index": indices(run.indices),
        "Capacity": facts.capacity(run.capacities, run.protocol, run.stand_ins),
        "Published figures beside ours": compared,
        "Figures": _figures(run, figures),
        "Row by row": by_row,
        "Data": _data(run),
        "Protocol": [facts.values(run.protocol)],
        "Where the time goes": [] if run.profile is None else where_the_time_goes(run.profile, run.eager),
        "Environment": [Prose(escape(run.made)), *map(facts.values, run.environments)],
        "Reproduce": [Code(run.command)],
    }
    blocks = tuple(Section(title, tuple(inside)) for title, inside in sections.items() if inside)
    return Page(f"quantizer-bench: {escape(run.title)}{_caveat(run.protocol)}", blocks)


def _data(run: Results) -> list[Block]:
    sections: list[Block] = []
    for name, notes in run.notes.items():
        values = facts.values({**run.sources.get(name, {}), **notes})
        sections.append(Section(facts.source_title(name, run.stand_ins), (values,)))
    return sections


def _caveat(protocol: Mapping[str, Any]) -> str:
    return "" if str(protocol["name"]).startswith("paper") else " (not the paper's)"


def _results(run: Results, metrics: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    sections: list[Block] = []
    for dataset in dict.fromkeys(run.summary["dataset"]) if len(run.summary) else []:
        rows, cells = run.summary[run.summary["dataset"] == dataset], run.table[run.table["dataset"] == dataset]
        missing: dict[str, list[str]] = {}
        for cell in records(cells[cells["status"] != "done"]):
            missing.setdefault(cell["quantizer"], []).append(cell["status"])
        stand_in = dataset in run.stand_ins
        blocks = [
            *tables.results(
                rows,
                run.rankings,
                metrics,
                run.units.get(dataset, ""),
                run.columns,
                missing=missing,
                stand_in=stand_in,
            ),
            *tables.null_lines(run.nulls[run.nulls["dataset"] == dataset], dataset, stand_in=stand_in),
            *facts.lattices(dataset, rows, run.capacities),
            *facts.identical(cells, metrics),
        ]
        sections.append(Section(facts.source_title(dataset, run.stand_ins), tuple(blocks)))
    return sections


def _legend(run: Results) -> list[Block]:
    return [Prose(ARROWS), Facts(tuple((code(metric["name"]), escape(metric["summary"])) for metric in run.metrics))]


def _figures(run: Results, figures: Sequence[Figure]) -> list[Block]:
    """Figures of the whole run, then those of each dataset; those of rows stand row by row."""
    by_section: dict[str, list[Figure]] = {}
    for figure in figures:
        by_section.setdefault(figure.section, []).append(figure)
    blocks: list[Block] = [*by_section.get("overview", [])]
    for dataset in dict.fromkeys(run.table["dataset"]):
        if drawn := by_section.get(f"dataset:{dataset}"):
            blocks.append(Section(facts.source_title(dataset, run.stand_ins), tuple(drawn)))
    if run.unreadable:
        files = "; ".join(f"{code(name)} ({escape(reason)})" for name, reason in run.unreadable.items())
        blocks.append(Prose(f"Figures lack codes that could not be read: {files}."))
    return blocks
