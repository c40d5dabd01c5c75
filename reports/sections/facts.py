"""Facts of a run: protocol, data, seeds, machines, failures and capacity; everything but results."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Facts, Prose, Table, TableCell, table_of
from reports.document.rows import codes, unique
from reports.document.text import FEW_SEEDS, code, escape, listed
from reports.sections.tables import STAND_IN

TRIALS = " Trials: how many a tuner spent on a row's parameters; 0 are the family's defaults, a preset's or `--set`."
TOLERANCE = 0.01  # of network parameters: more is another size
CAPACITY = {
    "matched": "Every family gets encoder, decoder and projections of one size; the codebook is counted apart.",
    "published": "Each family has the hidden width of its publication, so sizes differ; the codebook is counted apart.",
}


def source(dataset: str, stand_ins: Mapping[str, str]) -> TableCell:
    """Name of a dataset, as a cell of a table."""
    return TableCell(escape(dataset), dataset, tag=STAND_IN if dataset in stand_ins else "")


def source_title(dataset: str, stand_ins: Mapping[str, str]) -> str:
    """Name of a dataset, as a heading."""
    if dataset not in stand_ins:
        return escape(dataset)
    original = stand_ins[dataset]
    return f"{escape(dataset)} (stand-in, synthetic{f': not {escape(original)}' if original else ''})"


def seeds_of(table: pd.DataFrame) -> list[int]:
    """Seeds that occur in any cell, sorted."""
    return sorted(set(map(int, table["seed"])))


def what_was_run(
    table: pd.DataFrame,
    protocol: Mapping[str, Any],
    stand_ins: Mapping[str, str],
    environments: Sequence[Mapping[str, Any]],
    planned: int,
    made: str,
    folder: str,
) -> list[Block]:
    """Protocol, data, seeds, cells and hardware, with the conclusions that they forbid.

    Args:
        table: Table with one row per cell.
        protocol: Values of the protocol, by name.
        stand_ins: Dataset that is not real -> the dataset that it stands in for.
        environments: Versions and machines that the shown cells were made with.
        planned: Number of cells in the plan.
        made: Date and duration of the run, as a sentence.
        folder: Name of the run folder.
    """
    kinds = dict.fromkeys(table["dataset"], "not on this machine")
    kinds |= dict.fromkeys(table.loc[table["status"] != "unavailable", "dataset"], "real")
    kinds |= dict.fromkeys(stand_ins, "stand-in, generated")
    seeds = seeds_of(table)
    pairs = [
        ("Protocol", f"{code(protocol['name'])}: {escape(protocol['purpose'])}"),
        ("Data", listed([f"{code(name)} ({kind})" for name, kind in kinds.items()])),
        ("Seeds", f"{len(seeds)} ({', '.join(map(str, seeds))})" if seeds else "none"),
        ("Cells", _cells(table, planned)),
        ("Hardware", "; ".join(dict.fromkeys(map(_machine, environments)))),
        ("Time", escape(made)),
        ("Folder", code(folder)),
    ]
    blocks: list[Block] = [Facts(tuple((name, value) for name, value in pairs if value))]
    if len(seeds) < FEW_SEEDS:
        few = f"**With fewer than {FEW_SEEDS} seeds nothing can be concluded about which quantizer is better.**"
    else:
        few = f"With {len(seeds)} seeds the intervals are wide: only large differences can be told from chance."
    blocks.append(Prose(few))
    for name, original in stand_ins.items():
        instead = f", not {escape(original)}" if original else ""
        caution = f"**{code(name)}: stand-in data, generated{instead}: compare no figure of it with a published one.**"
        blocks.append(Prose(caution))
    return blocks


def failures(rows: Sequence[Mapping[str, Any]], stand_ins: Mapping[str, str]) -> Table:
    """Table of the cells without a result, with their cause."""
    lines: list[dict[str, TableCell | str]] = []
    for row in rows:
        lines.append(
            {
                "quantizer": escape(row["quantizer"]),
                "dataset": source(row["dataset"], stand_ins),
                "seed": TableCell(str(row["seed"]), row["seed"]),
                "status": TableCell(escape(row["status"]), row["status"], failed=True),
                "cause": escape(row["cause"]),
            }
        )
    return table_of("", "Cells without a result and their cause", lines)


def capacity(
    rows: Sequence[Mapping[str, Any]], protocol: Mapping[str, Any], stand_ins: Mapping[str, str]
) -> list[Block]:
    """Network sizes, codebook sizes and trials of every row, with the rule that they follow."""
    rule = CAPACITY[protocol["capacity"]]
    if protocol["capacity"] == "matched":
        rule += unmatched(rows)
    shown = [_capacity(row, stand_ins) for row in rows]
    return [Prose(rule + TRIALS), table_of("capacity", "Capacity of every row", shown)]


def unmatched(rows: Sequence[Mapping[str, Any]]) -> str:
    """Sentence about rows of another size than the others; blank where there are none."""
    others = [row for row in rows if row["built"] and abs(row["mismatch"]) > TOLERANCE]
    return f" Of another size, and not ranked: {listed(codes(unique(others, 'quantizer')))}." if others else ""


def lattices(dataset: str, rows: pd.DataFrame, capacities: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Utilisation of the lattices, with the reason why a lattice may stay empty without a fault of the run."""
    uses = []
    for row in capacities:
        active = rows.loc[rows["quantizer"] == row["quantizer"], "active"]
        if row["dataset"] == dataset and row.get("levels") and active.notna().any():
            levels = " x ".join(map(str, row["levels"]))
            uses.append(f"{code(row['quantizer'])} ({levels}) uses {active.iloc[0]:.0f} % of its codes")
    if not uses:
        return []
    meaning = (
        "A lattice fills as far as the data have as many dimensions as it has axes (`fsq:2d` has two); where it is "
        "full, its topographic error is 0 by construction."
    )
    return [Prose(f"{'; '.join(uses)}. {meaning}")]


def identical(table: pd.DataFrame, metrics: Iterable[str]) -> list[Block]:
    """Sentences about quantizers that gave the very same numbers for every seed."""
    alike: dict[str, list[str]] = {}
    for quantizer, group in table[table["status"] == "done"].groupby("quantizer", sort=False):
        values = group.sort_values("seed")[["seed", *metrics]].to_csv(index=False)
        alike.setdefault(values, []).append(code(quantizer))
    blocks: list[Block] = []
    for names in alike.values():
        if len(names) > 1:
            blocks.append(
                Prose(
                    f"{', '.join(names)} gave the same numbers to the last digit: what sets them apart (a reset of "
                    "dead codes, say) never came into play."
                )
            )
    return blocks


def values(given: Mapping[str, Any]) -> Facts:
    """Names and values; a value of a nested mapping stands under both names, joined by a dot."""
    return Facts(tuple(_flat(given)))


def _flat(given: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield escape(f"{prefix}{name}"), escape(f"{value:.5g}" if isinstance(value, float) else value)


def _cells(table: pd.DataFrame, planned: int) -> str:
    counts = table["status"].value_counts()
    parts = [f"{counts.get('done', 0)} of {planned} done"]
    for status, count in counts.drop("done", errors="ignore").items():
        parts.append(f"{count} {escape(status)}")
    if absent := planned - len(table):
        parts.append(f"{absent} not run")
    return "; ".join(parts)


def _machine(facts: Mapping[str, Any]) -> str:
    parts = [facts.get("gpu"), facts.get("processor"), facts.get("cores") and f"{facts['cores']} cores"]
    return escape(", ".join(map(str, filter(None, parts))))


def _capacity(row: Mapping[str, Any], stand_ins: Mapping[str, str]) -> dict[str, TableCell | str]:
    line: dict[str, TableCell | str] = {
        "quantizer": escape(row["quantizer"]),
        "dataset": source(row["dataset"], stand_ins),
    }
    built, seen = row["built"], row.get("frames_seen")
    cells = {
        "K": TableCell(str(row.get("codebook_size")), row.get("codebook_size")),
        "log2 K": TableCell(f"{row.get('bits_per_token', 0):.2f}", row.get("bits_per_token")),
        "hidden": TableCell(str(row.get("hidden")), row.get("hidden")),
        "network parameters": TableCell(f"{row.get('network_parameters', 0):,}", row.get("network_parameters")),
        "against reference": TableCell(f"{row.get('mismatch', 0):+.2%}", row.get("mismatch")),
        "codebook values": TableCell(f"{row.get('codebook_values', 0):,}", row.get("codebook_values")),
        "frames seen": TableCell("" if seen is None else f"{seen:,}", seen),
        "trials": TableCell(str(row.get("trials", 0)), row.get("trials", 0)),
    }
    if not built:
        cells = dict.fromkeys(cells, TableCell(failed=True)) | {"hidden": TableCell("cannot be built", failed=True)}
    return line | cells
