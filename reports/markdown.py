"""`report.md`: the run as a page of markdown."""

import math
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

MAIN = (
    "mse",
    "explained",
    "error_units",
    "active",
    "trust",
    "cont",
    "topographic_error",
    "distortion_ratio",
    "seq_ppl",
    "bits_per_frame",
    "train_seconds",
)
FEW_SEEDS = 3
CAPACITY = {
    "matched": "Every family gets encoder, decoder and projections of one size; the codebook is counted apart.",
    "published": "Each family has the hidden width of its publication, so sizes differ; the codebook is counted apart.",
}


def escape(text: object) -> str:
    """Text that shows as itself in markdown and in the HTML made of it."""
    shown = str(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "|*_`[]":
        shown = shown.replace(sign, f"\\{sign}")
    return " ".join(shown.split())


def code(text: object) -> str:
    """Text as a code span, whatever it holds: the fence is longer than any run of backticks in it."""
    shown = " ".join(str(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}{shown}{fence}" if len(fence) == 1 else f"{fence} {shown} {fence}"


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
    command: str,
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
        command: What was typed.
    """
    directions = {metric["name"]: metric for metric in metrics}
    done = int((table["status"] == "done").sum())
    parts = [
        f"# quantizer-bench: protocol {escape(protocol['name'])}{_caveat(protocol)}",
        _opening(table, protocol, stand_ins, done, planned),
        "## Capacity",
        CAPACITY[protocol["capacity"]],
        _capacity(capacities),
    ]
    if failures:
        parts += ["## Cells without a result", _failures(failures)]
    for dataset in dict.fromkeys(summary["dataset"]) if len(summary) else []:
        rows = summary[summary["dataset"] == dataset]
        parts += [_title(dataset, stand_ins), _results(rows, directions, units.get(dataset, ""))]
        parts += _lattices(dataset, rows, capacities)
        parts += _identical(table[table["dataset"] == dataset], list(directions))
    parts += [
        "## How to read this",
        _legend(metrics),
        "## All metrics",
        _everything(summary, metrics),
        "## Data",
        _notes(notes),
        "## Protocol",
        _values(protocol),
        "## Parameters",
        _parameters(parameters),
        "## Environment",
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
            "frames seen": f"{row['frames_seen']:,}",
        }
        if row["built"]
        else {"quantizer": escape(row["quantizer"]), "dataset": escape(row["dataset"]), "hidden": "cannot be built"}
        for row in rows
    ]
    return _table(shown)


def _failures(failures: Sequence[dict[str, Any]]) -> str:
    return _table([{name: escape(value) for name, value in row.items()} for row in failures])


def _results(rows: pd.DataFrame, directions: dict[str, dict[str, Any]], unit: str) -> str:
    names = [name for name in MAIN if name in rows]
    shown = []
    for _, row in rows.iterrows():
        line = {"quantizer": escape(row["quantizer"]), "n": f"{row['done']} of {row['cells']}"}
        line |= {_heading(name, directions, unit): _interval(row, name) for name in names}
        shown.append(line)
    return _table(shown)


def _heading(name: str, directions: dict[str, dict[str, Any]], unit: str) -> str:
    metric = directions.get(name, {"direction": "none"})
    arrow = {"lower": " ↓", "higher": " ↑", "target": f" → {metric.get('target')}"}.get(metric["direction"], "")
    return escape(name) + (f" ({escape(unit)})" if unit and name == "error_units" else "") + arrow


def _interval(row: pd.Series, name: str) -> str:
    mean = row.get(name)
    if mean is None or pd.isna(mean):
        return ""
    fewer = f" (n = {row[f'{name}_n']:.0f})" if row[f"{name}_n"] < row["done"] else ""
    high = row.get(f"{name}_high")
    if high is None or pd.isna(high):
        return _number(mean) + fewer
    half = high - mean
    return f"{_number(mean, half)} ± {_number(half, half)}{fewer}"


def _number(value: float, precision: float | None = None) -> str:
    """Three significant digits, or as many decimals as the interval's two leading digits justify."""
    scale = abs(precision if precision else value)
    if scale == 0 or not math.isfinite(scale):
        return f"{value:.3g}"
    decimals = (1 if precision else 2) - math.floor(math.log10(scale))
    return f"{value:.{min(max(decimals, 0), 6)}f}"


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
        "better; a column without one is a fact, not a score. Overlapping intervals are no proof of equality, and no "
        "value is called best here.\n\n" + rows
    )


def _everything(summary: pd.DataFrame, metrics: Sequence[dict[str, Any]]) -> str:
    shown = []
    for _, row in summary.iterrows():
        line = {"dataset": escape(row["dataset"]), "quantizer": escape(row["quantizer"])}
        shown.append(line | {escape(m["name"]): _interval(row, m["name"]) for m in metrics})
    return _table(shown)


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


def _table(rows: Sequence[dict[str, Any]]) -> str:
    return str(tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True)) if rows else ""
