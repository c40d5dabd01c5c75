"""The tables of results: ranked rows with their marks, and those that are never ranked."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reports.text import code, escape, interval, is_family, known, listed, markdown_table, number, records

MAIN = (
    "mse",
    "explained",
    "error_units",
    "active",
    "trust",
    "cont",
    "topographic_error",
    "distortion_ratio",
    "grid_trust",
    "seq_ppl",
    "bits_per_frame",
    "bits_eighth",
    "rate_excess",
    "topology_gain",
    "train_seconds",
)
MARK = "†"
UNTESTED = "?"
MARKS = {"best": MARK, "tied": MARK, "identical": MARK, "behind": "", "untested": UNTESTED}
KEY = (
    f"{MARK} cannot be told from the best of its column (paired t test against it, Holm within the column); a column "
    f"without {MARK} was not ranked; {UNTESTED} no test was possible."
)
ROLES = {
    "reference": "are bounds, no tokenizers of this benchmark (`none`: the autoencoder without a quantizer; `kmeans`: "
    "clusters of the data, no encoder)",
    "control": "share the trained tokenizer that they are named after (`sorted`: its codes laid on a grid afterwards; "
    "`shuffled`: its tokens out of their order in time; `shuffled-grid`: means over random permutations of its "
    "positions)",
    "published": "are presets that hold the values of a publication",
    "curve": "have other numbers of codes, so that they cannot be ranked with the others",
}


def results(
    rows: pd.DataFrame,
    rankings: pd.DataFrame | None,
    directions: Mapping[str, Mapping[str, Any]],
    unit: str,
    columns: Sequence[str] = (),
) -> list[str]:
    """The tables of one dataset.

    Args:
        rows: Its rows of the summary.
        rankings: Which family stands where in which metric, or None.
        directions: Metric -> its catalogue entry.
        unit: Of `error_units`.
        columns: Metrics to show; MAIN unless told.
    """
    lines = records(rows)
    names = [name for name in columns or MAIN if any(known(line, name) is not None for line in lines)]
    marks = standing_marks(rankings, lines[0]["dataset"]) if lines else {}
    ranked = [line for line in lines if is_family(line)]
    apart = sorted((line for line in lines if not is_family(line)), key=lambda line: _place(line["role"]))
    parts = [markdown_table([_line(line, names, marks, directions, unit) for line in ranked])]
    if marks:
        parts.append(KEY)
    if apart:
        parts += [_roles(apart), markdown_table([_line(line, names, {}, directions, unit) for line in apart])]
    return parts


def null_lines(rows: pd.DataFrame) -> list[str]:
    """A table of grid metrics against shuffled grids; nothing where there are none."""
    if not len(rows):
        return []
    shown = [
        {
            "quantizer": escape(row["quantizer"]),
            "metric": escape(row["metric"]),
            "n": str(row["n"]),
            "its grid": number(row["value"]),
            "shuffled, mean": number(row["null"]),
            "shuffled, range": f"{number(row['low'])} to {number(row['high'])}",
            "p": f"{row['p']:.2f}",
        }
        for row in records(rows)
    ]
    return [
        "**Shuffled grids**: the same codes with the positions of the used ones permuted, means over seeds. p is "
        "one-sided, .05 at best with 19 permutations.",
        markdown_table(shown),
    ]


def standing_marks(rankings: pd.DataFrame | None, dataset: str) -> dict[tuple[str, str], str]:
    """(quantizer, metric) -> mark, for the metrics in which at least one family was tested against the best."""
    rows = [row for row in records(rankings) if row["dataset"] == dataset]
    tested = {row["metric"] for row in rows if row["standing"] not in ("best", "untested")}
    return {(row["quantizer"], row["metric"]): MARKS[row["standing"]] for row in rows if row["metric"] in tested}


def everything(summary: pd.DataFrame, metrics: Sequence[Mapping[str, Any]]) -> str:
    """Every metric of every row."""
    return markdown_table(
        [
            {"dataset": escape(row["dataset"]), "quantizer": escape(row["quantizer"])}
            | {escape(m["name"]): _cell(row, m["name"]) for m in metrics}
            for row in records(summary)
        ]
    )


def _place(role: str) -> int:
    return list(ROLES).index(role) if role in ROLES else len(ROLES)


def _roles(rows: Sequence[Mapping[str, Any]]) -> str:
    told = []
    for role in dict.fromkeys(row["role"] for row in rows):
        names = listed([code(row["quantizer"]) for row in rows if row["role"] == role])
        told.append(f"{names}: {escape(role)} rows, which {ROLES[role]}." if role in ROLES else f"{names}.")
    return f"**Reference rows and controls: never ranked.** {' '.join(told)}"


def _line(
    row: Mapping[str, Any],
    names: Sequence[str],
    marks: Mapping[tuple[str, str], str],
    directions: Mapping[str, Mapping[str, Any]],
    unit: str,
) -> dict[str, str]:
    line = {"quantizer": escape(row["quantizer"])}
    if not is_family(row):
        line["role"] = escape(row["role"])
    line["n"] = f"{row['done']} of {row['cells']}"
    for name in names:
        mark = marks.get((row["quantizer"], name), "")
        line[_heading(name, directions, unit)] = f"{_cell(row, name)} {mark}".strip()
    return line


def _cell(row: Mapping[str, Any], name: str) -> str:
    """A metric's interval, with n where it has fewer values than the row."""
    n = known(row, f"{name}_n")
    return interval(row, name) + (f" (n = {n:.0f})" if n and n < row["done"] else "")


def _heading(name: str, directions: Mapping[str, Mapping[str, Any]], unit: str) -> str:
    metric = directions.get(name, {"direction": "none"})
    arrow = {"lower": " ↓", "higher": " ↑", "target": f" → {metric.get('target')}"}.get(metric["direction"], "")
    return escape(name) + (f" ({escape(unit)})" if unit and name == "error_units" else "") + arrow
