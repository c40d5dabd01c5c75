"""Section about costs: where the time went."""

from collections.abc import Mapping, Sequence
from typing import cast

import pandas as pd

from reports.document.blocks import Block, Bullets, Prose, Table, TableCell, table_of
from reports.document.text import code, escape, number

PHASES = {
    "start-up": "starting the process, imports",
    "data": "making or reading the frames",
    "warm-up": "the autoencoder before the quantizer is put in",
    "train": "training after that",
    "encode": "loading the model, encoding every split",
    "write": "weights and codes",
}
KINDS = {"reader": "metrics that train readers", "metric": "other metrics"}
CLOCK = (
    "On a CPU the clock is that of the process's time on a core, on a GPU the time of day, the device waited for. What "
    "several metrics share (a trained reader, distances) counts with the first that asks for it; a training that "
    "several rows share counts once."
)


def where_the_time_goes(profile: pd.DataFrame, eager: Sequence[Mapping[str, str]] = ()) -> list[Block]:
    """Tables of the phases and of the metrics; nothing where nothing is done.

    Args:
        profile: Table with one row per cell and part (profile.csv): quantizer, dataset, seed, kind, part, seconds.
        eager: Rows whose training was not replayed as CUDA graphs: quantizer, dataset, reason.
    """
    if profile.empty:
        return []
    cells = len(profile[["quantizer", "dataset", "seed"]].drop_duplicates())
    total = float(profile["seconds"].sum())
    blocks: list[Block] = [Prose(f"{cells} cells took {number(total)} s. {CLOCK}"), _phases(profile, total, cells)]
    blocks.append(_metrics(profile, total))
    if eager:
        blocks.append(Bullets(tuple(map(_reason, eager))))
    return blocks


def _reason(row: Mapping[str, str]) -> str:
    return (
        f"{code(row['quantizer'])} on {escape(row['dataset'])}: its steps were not replayed as CUDA graphs: "
        f"{escape(row['reason'])}"
    )


def _phases(profile: pd.DataFrame, total: float, cells: int) -> Table:
    phases = profile[profile["kind"] == "phase"].groupby("part")["seconds"].sum()
    kinds = profile.groupby("kind")["seconds"].sum()
    rows: list[dict[str, TableCell | str]] = []
    for name, meaning in PHASES.items():
        rows.append({"part": name, "what it is": meaning, **_cost(float(phases.get(name, 0.0)), total, cells)})
    for kind, name in KINDS.items():
        rows.append({"part": name, "what it is": "see below", **_cost(float(kinds.get(kind, 0.0)), total, cells)})
    return table_of("time-by-part", "Time by part", rows)


def _metrics(profile: pd.DataFrame, total: float) -> Table:
    """Table of the metrics, the dearest first, with the row where a cell cost most."""
    rows = []
    measured = profile[profile["kind"] != "phase"]
    for name, group in measured.groupby("part", sort=False):
        means = group.groupby(["quantizer", "dataset"], sort=False)["seconds"].mean()
        quantizer, dataset = cast("tuple[str, str]", means.idxmax())
        dearest = TableCell(f"{number(float(means.max()))} ({code(quantizer)}, {escape(dataset)})", float(means.max()))
        spent = float(group["seconds"].sum())
        row = {"metric": TableCell(code(name), str(name)), **_cost(spent, total, len(group)), "dearest cell": dearest}
        rows.append((spent, row))
    rows.sort(key=lambda row: -row[0])
    return table_of("time-by-metric", "Time by metric", [row for _, row in rows])


def _cost(spent: float, total: float, cells: int) -> dict[str, TableCell | str]:
    share, a_cell = (spent / total if total else 0.0), spent / cells
    return {
        "seconds": TableCell(number(spent), spent),
        "share": TableCell(f"{share:.1%}", share),
        "seconds a cell": TableCell(number(a_cell), a_cell),
    }
