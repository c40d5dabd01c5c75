"""`report.md`: the run as a page of markdown."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports import published, tables
from reports.text import FEW_SEEDS, code, escape, listed, markdown_table
from reports.verdict import verdict

TOLERANCE = 0.01  # of network parameters: more is another size
CAPACITY = {
    "matched": "Every family gets encoder, decoder and projections of one size; the codebook is counted apart.",
    "published": "Each family has the hidden width of its publication, so sizes differ; the codebook is counted apart.",
}

TRIALS = " Trials: how many a tuner spent on a row's parameters; 0 are the family's defaults, a preset's or `--set`."


def report(
    *,
    table: pd.DataFrame,
    summary: pd.DataFrame,
    capacities: Sequence[dict[str, Any]],
    metrics: Sequence[dict[str, Any]],
    protocol: dict[str, Any],
    parameters: Sequence[dict[str, Any]],
    stand_ins: dict[str, str],
    failures: Sequence[dict[str, Any]],
    planned: int,
    notes: dict[str, dict[str, Any]],
    units: dict[str, str],
    environments: Sequence[dict[str, Any]],
    made: str,
    command: str,
    rankings: pd.DataFrame,
    claims: pd.DataFrame,
    nulls: pd.DataFrame,
    published_tables: Sequence[str] = (),
    columns: Sequence[str] = (),
    title: str = "",
) -> str:
    """The whole page.

    Args:
        table: One row a cell (results.csv).
        summary: One row a (quantizer, dataset) (summary.csv).
        capacities: Rows of the capacity table.
        metrics: The catalogue: name, direction, target, summary, needs.
        protocol: Its values.
        parameters: Quantizer or dataset -> the values it was run with.
        stand_ins: Dataset that is not real -> what it stands in for.
        failures: Cells that are not done, with their cause.
        planned: Cells in the plan.
        notes: Dataset -> facts about its data.
        units: Dataset -> unit of `error_units`.
        environments: Versions and machines that the shown cells were made with.
        made: When and in what time.
        command: What was typed.
        rankings: Per dataset and metric, each family against the best (rankings.csv).
        claims: The tests of the SOM-VQ paper's claims (claims.csv).
        nulls: Grid metrics against their values on shuffled grids (nulls.csv).
        published_tables: Which published tables to set beside the results.
        columns: Of the results' tables; the usual ones unless told.
        title: Of the page; the protocol unless told.
    """
    directions = {metric["name"]: metric for metric in metrics}
    done = int((table["status"] == "done").sum())
    parts = [
        f"# quantizer-bench: {escape(title or 'protocol ' + protocol['name'])}{_caveat(protocol)}",
        _opening(table, protocol, stand_ins, done, planned),
        verdict(table, summary, rankings, claims, stand_ins, protocol),
        "## Capacity",
        CAPACITY[protocol["capacity"]] + (_unmatched(capacities) if protocol["capacity"] == "matched" else "") + TRIALS,
        _capacity(capacities),
    ]
    if failures:
        parts += ["## Cells without a result", _failures(failures)]
    for dataset in dict.fromkeys(summary["dataset"]) if len(summary) else []:
        rows = summary[summary["dataset"] == dataset]
        parts += [
            _title(dataset, stand_ins),
            *tables.results(rows, rankings, directions, units.get(dataset, ""), columns),
        ]
        parts += tables.null_lines(nulls[nulls["dataset"] == dataset])
        parts += _lattices(dataset, rows, capacities)
        parts += _identical(table[table["dataset"] == dataset], list(directions))
    compared = published.section(summary, protocol, stand_ins, published_tables)
    parts += [
        "## Published figures beside ours" if compared else "",
        compared,
        "## How to read this",
        _legend(metrics),
        "## All metrics",
        tables.everything(summary, metrics),
        "## Data",
        _notes(notes),
        "## Protocol",
        _values(protocol),
        "## Parameters",
        _parameters(parameters),
        "## Environment",
        made,
        *(_values(facts) for facts in environments),
        "## Reproduce",
        f"    {command}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _caveat(protocol: dict[str, Any]) -> str:
    return "" if protocol["name"].startswith("paper") else " (not the paper's)"


def _opening(table: pd.DataFrame, protocol: dict[str, Any], stand_ins: dict[str, str], done: int, planned: int) -> str:
    seeds = table["seed"].nunique()
    lines = [f"Protocol: {escape(protocol['purpose'])}. {done} of {planned} cells done, {seeds} seed(s)."]
    if seeds < FEW_SEEDS:
        lines.append(f"**With fewer than {FEW_SEEDS} seeds nothing can be concluded about which quantizer is better.**")
    else:
        lines.append(f"With {seeds} seeds the intervals are wide: only large differences can be told from chance.")
    for name, original in stand_ins.items():
        instead = f", not {escape(original)}" if original else ""
        lines.append(
            f"**{code(name)}: stand-in data, generated{instead}: compare no figure of it with a published one.**"
        )
    return "\n\n".join(lines)


def _title(dataset: str, stand_ins: dict[str, str]) -> str:
    original = stand_ins.get(dataset)
    what = f": not {escape(original)}" if original else ""
    mark = f" (stand-in, synthetic{what})" if dataset in stand_ins else ""
    return f"## Results: {escape(dataset)}{mark}"


def _unmatched(rows: Sequence[dict[str, Any]]) -> str:
    names = dict.fromkeys(code(row["quantizer"]) for row in rows if row["built"] and abs(row["mismatch"]) > TOLERANCE)
    return f" Of another size, and not ranked: {listed([*names])}." if names else ""


def _capacity(rows: Sequence[dict[str, Any]]) -> str:
    shown = [
        {
            "quantizer": escape(row["quantizer"]),
            "dataset": escape(row["dataset"]),
            "K": row["codebook_size"],
            "log2 K": f"{row['bits_per_token']:.2f}",
            "hidden": row["hidden"],
            "network parameters": f"{row['network_parameters']:,}",
            "against reference": f"{row['mismatch']:+.2%}",
            "codebook values": f"{row['codebook_values']:,}",
            "frames seen": "" if row["frames_seen"] is None else f"{row['frames_seen']:,}",
            "trials": row["trials"],
        }
        if row["built"]
        else {"quantizer": escape(row["quantizer"]), "dataset": escape(row["dataset"]), "hidden": "cannot be built"}
        for row in rows
    ]
    return markdown_table(shown)


def _failures(failures: Sequence[dict[str, Any]]) -> str:
    return markdown_table([{name: escape(value) for name, value in row.items()} for row in failures])


def _lattices(dataset: str, rows: pd.DataFrame, capacities: Sequence[dict[str, Any]]) -> list[str]:
    """How far a lattice is filled: a finding that would otherwise look like a fault of the run."""
    told = []
    for row in capacities:
        own = rows[rows["quantizer"] == row["quantizer"]]
        if row["dataset"] == dataset and row.get("levels") and own["active"].notna().any():
            levels = " x ".join(map(str, row["levels"]))
            told.append(f"{code(row['quantizer'])} ({levels}) uses {own['active'].iloc[0]:.0f} % of its codes")
    if not told:
        return []
    return [
        f"{'; '.join(told)}. A lattice fills as far as the data have as many dimensions as it has axes (`fsq:2d` has "
        "two); where it is full, its topographic error is 0 by construction."
    ]


def _identical(table: pd.DataFrame, metrics: list[str]) -> list[str]:
    """Quantizers that gave the very same numbers for every seed."""
    alike: dict[str, list[str]] = {}
    for quantizer, group in table[table["status"] == "done"].groupby("quantizer", sort=False):
        values = group.sort_values("seed")[["seed", *metrics]].to_csv(index=False)
        alike.setdefault(values, []).append(str(quantizer))
    return [
        f"{', '.join(code(name) for name in names)} gave the same numbers to the last digit: what sets them apart (a "
        "reset of dead codes, say) never came into play."
        for names in alike.values()
        if len(names) > 1
    ]


def _legend(metrics: Sequence[dict[str, Any]]) -> str:
    rows = "\n".join(f"- {code(metric['name'])}: {escape(metric['summary'])}" for metric in metrics)
    return (
        "Mean ± half the 95 % t interval over n seeds; a single seed has no interval. An arrow tells which way is "
        "better; a column without one is a fact, not a score. Overlapping intervals are no proof of equality, and the "
        "best mean alone is no proof of being best.\n\n" + rows
    )


def _notes(notes: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        f"- {code(name)}: " + "; ".join(f"{escape(key)} {escape(_plain(value))}" for key, value in facts.items())
        for name, facts in notes.items()
    )


def _plain(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _parameters(parameters: Sequence[dict[str, Any]]) -> str:
    return "\n".join(
        f"- {code(row['name'])}: "
        + ", ".join(f"{escape(key)} {escape(value)}" for key, value in row["parameters"].items())
        for row in parameters
    )


def _values(values: dict[str, Any], indent: str = "") -> str:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}- {escape(key)}:", _values(value, indent + "  ")]
        else:
            lines.append(f"{indent}- {escape(key)}: {escape(value)}")
    return "\n".join(lines)
