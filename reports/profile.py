"""The section of a report that tells where the time went."""

from collections.abc import Mapping, Sequence

import pandas as pd

from reports.text import escape, markdown_table, number, records

PHASES = {
    "start-up": "starting the process, imports",
    "data": "making or reading the frames",
    "warm-up": "the autoencoder before the quantizer is put in",
    "train": "training after that",
    "encode": "loading the model, encoding every split",
    "write": "weights and codes",
}
KINDS = {"reader": "metrics that train readers", "metric": "other metrics"}


def section(profile: pd.DataFrame, device: str, eager: Sequence[Mapping[str, str]] = ()) -> str:
    """A page section in markdown; empty where nothing is done.

    Args:
        profile: One row a cell and part (profile.csv): quantizer, dataset, seed, kind, part, seconds.
        device: "cpu" or "cuda".
        eager: Rows whose training was not replayed as CUDA graphs: quantizer, dataset, reason.
    """
    if profile.empty:
        return ""
    cells = len(profile[["quantizer", "dataset", "seed"]].drop_duplicates())
    total = float(profile["seconds"].sum())
    phases = profile[profile["kind"] == "phase"].groupby("part")["seconds"].sum()
    kinds = profile.groupby("kind")["seconds"].sum()
    lines = [(name, what, phases.get(name, 0.0)) for name, what in PHASES.items()]
    lines += [(what, "see below", kinds.get(kind, 0.0)) for kind, what in KINDS.items()]
    table = [{"part": escape(name), "": what, **_cost(float(spent), total, cells)} for name, what, spent in lines]
    clock = "CPU time" if device == "cpu" else "time of their processes, the GPU's waited for"
    parts = [
        "## Where the time goes",
        f"{cells} cells took {number(total)} s of {clock}. What several metrics share (a trained reader, distances) "
        "counts with the first that asks for it; a training that several rows share counts once.",
        markdown_table(table),
        markdown_table(_metrics(profile, total)),
    ]
    parts += [
        f"- {escape(row['quantizer'])} on {escape(row['dataset'])}: its steps were not replayed as CUDA graphs: "
        f"{escape(row['reason'])}"
        for row in eager
    ]
    return "\n\n".join(part for part in parts if part)


def _metrics(profile: pd.DataFrame, total: float) -> list[dict[str, str]]:
    """Every metric, the dearest first, with the row where a cell of it cost most."""
    rows = []
    measured = profile[profile["kind"] != "phase"]
    for name, group in measured.groupby("part", sort=False):
        means = group.groupby(["quantizer", "dataset"], sort=False)["seconds"].mean().reset_index()
        most = records(means.nlargest(1, "seconds"))[0]
        spent = float(group["seconds"].sum())
        cost = _cost(spent, total, len(group))
        dearest = f"{escape(most['quantizer'])} on {escape(most['dataset'])}: {number(float(most['seconds']))}"
        rows.append((spent, {"metric": escape(name), **cost, "most, seconds a cell": dearest}))
    return [row for _, row in sorted(rows, key=lambda each: -each[0])]


def _cost(spent: float, total: float, cells: int) -> dict[str, str]:
    share = spent / total if total else 0.0
    return {"seconds": number(spent), "share": f"{share:.1%}", "seconds a cell": number(spent / cells)}
