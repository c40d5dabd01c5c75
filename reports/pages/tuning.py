"""Page of a tuning: tuned parameters against the defaults."""

from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

from reports.document import markdown
from reports.document.rows import select, unique
from reports.document.text import code, escape, listed, number, spread

INTRODUCTION = (
    "Every family had the same number of trials on the same seeds; a trial was measured on validation splits, with "
    "data seeds that no run uses. Here each family's tuned parameters stand against its defaults on test splits of "
    "other seeds: means ± half the 95 % t interval, and the paired difference with its 95 % interval (below 0: the "
    "tuned value is lower)."
)


def report(
    rows: Sequence[Mapping[str, Any]],
    *,
    beaten: Sequence[tuple[str, str]],
    objective: str,
    constraint: str,
    protocol: str,
    seeds: Sequence[int],
    commands: Sequence[str],
    made: str,
) -> str:
    """Page that compares tuned parameters with the defaults, in markdown.

    Args:
        rows: One row per candidate, dataset and metric, with `default` and `value` as estimates.
        beaten: Pairs (quantizer, candidate) that should become defaults.
        objective: Metric or metrics that were tuned for.
        constraint: Bound that winners had to keep, or "".
        protocol: Name of the protocol.
        seeds: Seeds of the comparison.
        commands: Commands that were typed.
        made: Machine and date, as a sentence.
    """
    goal = f"objective {code(objective)}"
    if constraint:
        goal += f" under {code(constraint)} for families with a grid"
    names = [f"{code(quantizer)} ({escape(candidate)})" for quantizer, candidate in beaten]
    verdict = "No default is beaten."
    if names:
        verdict = f"Better than the defaults on some dataset and worse on none: {listed(names)}."
    parts = [
        "# Tuned parameters against the defaults",
        INTRODUCTION,
        f"Protocol {code(protocol)}, {goal}, {len(seeds)} seeds ({', '.join(map(str, seeds))}).",
        verdict,
    ]
    for dataset in unique(rows, "dataset"):
        parts += [f"## {escape(dataset)}", markdown.table(list(map(_row, select(rows, dataset=dataset))))]
    parts += ["## Parameters", _parameters(rows), "## Reproduce", made, indent("\n".join(commands), "    ")]
    return "\n\n".join(parts) + "\n"


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    half = None if row["high"] is None else (row["high"] - row["low"]) / 2
    limits = "" if half is None else f"{number(row['low'], half)} to {number(row['high'], half)}"
    return {
        "quantizer": code(row["quantizer"]),
        "parameters": escape(row["candidate"]),
        "trials": row["trials"],
        "metric": code(row["metric"]),
        "default": _estimate(row["default"]),
        "tuned": _estimate(row["value"]),
        "difference": number(row["difference"], half),
        "95 % interval": limits,
        "n": row["n"],
        "": row["outcome"],
    }


def _estimate(estimate: Any) -> str:
    return spread(estimate.mean, None if estimate.high is None else estimate.high - estimate.mean)


def _parameters(rows: Sequence[Mapping[str, Any]]) -> str:
    lines: dict[tuple[str, str], str] = {}
    for row in rows:
        shown = ", ".join(f"{escape(name)} {_shown(value)}" for name, value in row["parameters"].items())
        lines[row["quantizer"], row["candidate"]] = f"- {code(row['quantizer'])} {escape(row['candidate'])}: {shown}"
    return "\n".join(lines.values())


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else escape(value)
