"""A run as a page: what was run, what can be said, the tables behind it, and how to do it again."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document.blocks import Block, Code, Facts, Page, Prose, Section
from reports.document.figure import Figure
from reports.document.text import code, escape, records
from reports.inputs import Results
from reports.sections import facts, published, tables
from reports.sections.costs import where_the_time_goes
from reports.sections.row_by_row import row_by_row
from reports.sections.verdict import verdict

ARROWS = (
    "Mean ± half the 95 % t interval over n seeds; a single seed has no interval. An arrow tells which way is better; "
    "a column without one is a fact, not a score. Overlapping intervals are no proof of equality, and the best mean "
    "alone is no proof of being best. Hatched in the HTML page: cells without a result, with their status."
)


def report(run: Results, figures: Sequence[Figure] = (), grids: Sequence[Mapping[str, Any]] = ()) -> Page:
    """The whole page.

    Args:
        run: What it tells.
        figures: What is drawn of it.
        grids: What its interactive grids show.
    """
    metrics = {metric["name"]: metric for metric in run.metrics}
    ran = facts.what_was_run(
        run.table, run.protocol, run.stand_ins, run.environments, run.planned, run.made, run.folder
    )
    if run.failures:
        ran.append(Section("Cells without a result", (facts.failures(run.failures, run.stand_ins),)))
    compared = published.section(run.summary, run.protocol, run.stand_ins, run.published_tables)
    by_row = row_by_row(run.summary, metrics, run.parameters, run.stand_ins, figures, grids)
    sections: dict[str, Sequence[Block]] = {
        "What was run": ran,
        "What can be said": verdict(run.table, run.summary, run.rankings, run.claims, run.stand_ins, run.protocol),
        "Results": [*_results(run, metrics), Section("How to read the tables", (*_legend(run),), detail=True)],
        "Capacity": facts.capacity(run.capacities, run.protocol, run.stand_ins),
        "Published figures beside ours": compared,
        "Figures": _figures(run, figures),
        "Row by row": by_row,
        "Data": [
            Section(facts.source_title(name, run.stand_ins), (facts.values({**run.sources.get(name, {}), **notes}),))
            for name, notes in run.notes.items()
        ],
        "Protocol": [facts.values(run.protocol)],
        "Where the time goes": [] if run.profile is None else where_the_time_goes(run.profile, run.eager),
        "Environment": [Prose(escape(run.made)), *map(facts.values, run.environments)],
        "Reproduce": [Code(run.command)],
    }
    blocks = tuple(Section(title, tuple(inside)) for title, inside in sections.items() if inside)
    return Page(f"quantizer-bench: {escape(run.title)}{_caveat(run.protocol)}", blocks)


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
    """All but those of single rows: of the whole run, then of each dataset."""
    datasets = list(dict.fromkeys(run.table["dataset"]))
    blocks: list[Block] = [figure for figure in figures if figure.section == "overview"]
    for dataset in datasets:
        own = tuple(figure for figure in figures if figure.section == f"dataset:{dataset}")
        if own:
            blocks.append(Section(facts.source_title(dataset, run.stand_ins), own))
    if run.unreadable:
        files = "; ".join(f"{code(name)} ({escape(reason)})" for name, reason in run.unreadable.items())
        blocks.append(Prose(f"Figures lack codes that could not be read: {files}."))
    return blocks
