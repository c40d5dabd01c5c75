"""What was run, on what, and what came of it: everything of a report but its results."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Facts, Prose, Table, TableCell, table_of
from reports.document.text import FEW_SEEDS, code, escape, listed
from reports.sections.tables import STAND_IN

TRIALS = " Trials: how many a tuner spent on a row's parameters; 0 are the family's defaults, a preset's or `--set`."
TOLERANCE = 0.01  # of network parameters: more is another size
CAPACITY = {
    "matched": "Every family gets encoder, decoder and projections of one size; the codebook is counted apart.",
    "published": "Each family has the hidden width of its publication, so sizes differ; the codebook is counted apart.",
}


def source(dataset: str, stand_ins: Mapping[str, str]) -> TableCell:
    """A dataset's name in a table."""
    return TableCell(escape(dataset), dataset, tag=STAND_IN if dataset in stand_ins else "")


def source_title(dataset: str, stand_ins: Mapping[str, str]) -> str:
    """A dataset's name in a heading."""
    original = stand_ins.get(dataset)
    told = f" (stand-in, synthetic{f': not {escape(original)}' if original else ''})"
    return escape(dataset) + (told if dataset in stand_ins else "")


def seeds_of(table: pd.DataFrame) -> list[int]:
    """The seeds of any cell."""
    return sorted({int(seed) for seed in table["seed"]})


def what_was_run(
    table: pd.DataFrame,
    protocol: Mapping[str, Any],
    stand_ins: Mapping[str, str],
    environments: Sequence[Mapping[str, Any]],
    planned: int,
    made: str,
    folder: str,
) -> list[Block]:
    """Protocol, data, seeds, cells and hardware, and what they forbid to conclude.

    Args:
        table: One row a cell.
        protocol: Its values.
        stand_ins: Dataset that is not real -> what it stands in for.
        environments: Versions and machines that the shown cells were made with.
        planned: Cells in the plan.
        made: When and in what time.
        folder: Name of the run folder.
    """
    here = set(table.loc[table["status"] != "unavailable", "dataset"])
    kinds = {name: "real" if name in here else "not on this machine" for name in dict.fromkeys(table["dataset"])}
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
        told = f"**{code(name)}: stand-in data, generated{instead}: compare no figure of it with a published one.**"
        blocks.append(Prose(told))
    return blocks


def failures(rows: Sequence[Mapping[str, Any]], stand_ins: Mapping[str, str]) -> Table:
    """Cells without a result, with their cause."""
    return table_of(
        "",
        "Cells without a result and their cause",
        [
            {
                "quantizer": escape(row["quantizer"]),
                "dataset": source(row["dataset"], stand_ins),
                "seed": TableCell(str(row["seed"]), row["seed"]),
                "status": TableCell(escape(row["status"]), row["status"], failed=True),
                "cause": escape(row["cause"]),
            }
            for row in rows
        ],
    )


def capacity(
    rows: Sequence[Mapping[str, Any]], protocol: Mapping[str, Any], stand_ins: Mapping[str, str]
) -> list[Block]:
    """What every family may spend."""
    told = CAPACITY[protocol["capacity"]] + (unmatched(rows) if protocol["capacity"] == "matched" else "") + TRIALS
    shown = [_capacity(row, stand_ins) for row in rows]
    return [Prose(told), table_of("capacity", "Capacity of every row", shown)]


def unmatched(rows: Sequence[Mapping[str, Any]]) -> str:
    """A sentence about rows of another size than the others."""
    names = dict.fromkeys(code(row["quantizer"]) for row in rows if row["built"] and abs(row["mismatch"]) > TOLERANCE)
    return f" Of another size, and not ranked: {listed([*names])}." if names else ""


def lattices(dataset: str, rows: pd.DataFrame, capacities: Sequence[Mapping[str, Any]]) -> list[Block]:
    """How far a lattice is filled: a finding that would otherwise look like a fault of the run."""
    told = []
    for row in capacities:
        own = rows[rows["quantizer"] == row["quantizer"]]
        if row["dataset"] == dataset and row.get("levels") and own["active"].notna().any():
            levels = " x ".join(map(str, row["levels"]))
            told.append(f"{code(row['quantizer'])} ({levels}) uses {own['active'].iloc[0]:.0f} % of its codes")
    if not told:
        return []
    meaning = (
        "A lattice fills as far as the data have as many dimensions as it has axes (`fsq:2d` has two); where it is "
        "full, its topographic error is 0 by construction."
    )
    return [Prose(f"{'; '.join(told)}. {meaning}")]


def identical(table: pd.DataFrame, metrics: Iterable[str]) -> list[Block]:
    """Quantizers that gave the very same numbers for every seed."""
    alike: dict[str, list[str]] = {}
    for quantizer, group in table[table["status"] == "done"].groupby("quantizer", sort=False):
        values = group.sort_values("seed")[["seed", *metrics]].to_csv(index=False)
        alike.setdefault(values, []).append(str(quantizer))
    return [
        Prose(
            f"{', '.join(code(name) for name in names)} gave the same numbers to the last digit: what sets them apart "
            "(a reset of dead codes, say) never came into play."
        )
        for names in alike.values()
        if len(names) > 1
    ]


def values(given: Mapping[str, Any]) -> Facts:
    """Names and values, those of a mapping within it under both names."""
    return Facts(tuple(_flat(given)))


def _flat(given: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield escape(f"{prefix}{name}"), escape(f"{value:.5g}" if isinstance(value, float) else value)


def _cells(table: pd.DataFrame, planned: int) -> str:
    counts = {str(status): int(count) for status, count in table["status"].value_counts().items()}
    others = [f"{count} {escape(status)}" for status, count in counts.items() if status != "done"]
    absent = planned - len(table)
    others += [f"{absent} not run"] if absent else []
    return "; ".join([f"{counts.get('done', 0)} of {planned} done", *others])


def _machine(facts: Mapping[str, Any]) -> str:
    parts = [facts.get("gpu"), facts.get("processor"), facts.get("cores") and f"{facts['cores']} cores"]
    return escape(", ".join(str(part) for part in parts if part))


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
    if built:
        return line | cells
    return line | {name: TableCell("cannot be built" if name == "hidden" else "", failed=True) for name in cells}
