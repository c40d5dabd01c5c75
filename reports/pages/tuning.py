"""The page that tells whether tuning was worth it."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document import markdown
from reports.document.rows import unique
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
    """The whole page in markdown.

    Args:
        rows: One a candidate, dataset and metric, with `default` and `value` as estimates.
        beaten: (quantizer, candidate) that should become defaults.
        objective: What was tuned for.
        constraint: What winners were to keep, or "".
        protocol: Name.
        seeds: Of the comparison.
        commands: What was typed.
        made: On what and when.
    """
    told = f"objective {code(objective)}" + (
        f" under {code(constraint)} for families with a grid" if constraint else ""
    )
    names = [f"{code(quantizer)} ({escape(candidate)})" for quantizer, candidate in beaten]
    verdict = f"Better than the defaults on some dataset and worse on none: {listed(names)}." if names else ""
    parts = [
        "# Tuned parameters against the defaults",
        INTRODUCTION,
        f"Protocol {code(protocol)}, {told}, {len(seeds)} seeds ({', '.join(map(str, seeds))}).",
        verdict or "No default is beaten.",
    ]
    for dataset in unique(rows, "dataset"):
        parts += [f"## {escape(dataset)}", markdown.table([_row(row) for row in rows if row["dataset"] == dataset])]
    parts += ["## Parameters", _parameters(rows), "## Reproduce", made, "\n".join(f"    {each}" for each in commands)]
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


def _estimate(found: Any) -> str:
    return spread(found.mean, None if found.high is None else found.high - found.mean)


def _parameters(rows: Sequence[Mapping[str, Any]]) -> str:
    told = {(row["quantizer"], row["candidate"]): row["parameters"] for row in rows}
    return "\n".join(
        f"- {code(quantizer)} {escape(candidate)}: "
        + ", ".join(f"{escape(name)} {_shown(value)}" for name, value in parameters.items())
        for (quantizer, candidate), parameters in told.items()
    )


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else escape(value)
