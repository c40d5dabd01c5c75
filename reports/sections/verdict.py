"""What a run allows one to say, in sentences made from its tables alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Bullets, Prose, Section
from reports.document.rows import by_name, pluck, quantizers, select
from reports.document.text import FEW_SEEDS, code, escape, interval, is_family, known, listed, number, records
from reports.sections.claims import bounds, papers_order, seeds, topology

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Aspect:
    """A question that one metric answers.

    Attributes:
        title: What is asked.
        metric: What answers it.
        better: Which way is better; blank for a fact.
    """

    title: str
    metric: str
    better: str = ""


LATTICE = "topographic_error"
RATE, CURVE = "rate_excess", "vq"  # bits above this family's curve over codebook sizes
ASPECTS = (
    Aspect("Reconstruction", "mse", "lower is better"),
    Aspect("Codebook use", "active"),
    Aspect("Topology, frames", LATTICE, "lower is better"),
    Aspect("Topology, spacing", "distortion_ratio", "nearest to 1 is better"),
    Aspect("Topology, neighbourhoods", "grid_trust", "higher is better"),
    Aspect("Learnability at convergence", "bits_per_frame", "lower is better"),
    Aspect("Learnability from an eighth of the data", "bits_eighth", "lower is better"),
    Aspect("Learnability against plain VQ of equal reconstruction", RATE, "lower is better"),
    Aspect("Cost", "train_seconds", "lower is better"),
)
STANDINGS = ("best", "tied", "identical", "behind", "untested")
UNRANKED = "No row here is one that is ranked, so nothing is compared."
INTRODUCTION = (
    "Made from the tables below. Means ± half the 95 % interval over n seeds; a difference is paired over seeds and "
    "followed by its 95 % interval and its p (Holm). Only the best mean is tested against the others: rows behind it "
    "are not compared with each other."
)


def verdict(
    table: pd.DataFrame,
    summary: pd.DataFrame,
    rankings: pd.DataFrame | None,
    claims: pd.DataFrame | None,
    stand_ins: Mapping[str, str],
    protocol: Mapping[str, Any],
) -> list[Block]:
    """Who is best at what, who cannot be told from the best and what is left of the SOM-VQ paper's claims.

    Args:
        table: One row a cell.
        summary: One row a (quantizer, dataset).
        rankings: Per dataset and metric, each family against the best; None or empty where nothing was compared.
        claims: The tests of the paper's claims; None or empty where there are none.
        stand_ins: Dataset that is not real -> what it stands in for.
        protocol: Its values.
    """
    sections: list[Block] = []
    concluded = False
    for dataset in dict.fromkeys(table["dataset"]):
        own = [[row for row in records(frame) if row["dataset"] == dataset] for frame in (summary, rankings, claims)]
        done = table[(table["dataset"] == dataset) & (table["status"] == "done")]
        n = int(done["seed"].nunique())
        kind = _kind(dataset, stand_ins, protocol)
        blocks: list[Block] = [Prose(kind)] if kind else []
        untested = n < FEW_SEEDS or _untested(own[1], own[2])
        told = () if untested else tuple(_dataset(*own))
        if told:
            blocks.append(Bullets(told))
            concluded = True
        else:
            blocks.append(Prose(_nothing(n) if untested else UNRANKED))
        sections.append(Section(escape(dataset), tuple(blocks)))
    return [Prose(INTRODUCTION), *sections] if concluded else sections


def _kind(dataset: str, stand_ins: Mapping[str, str], protocol: Mapping[str, Any]) -> str:
    told = ""
    if dataset in stand_ins:
        original = f" and not {escape(stand_ins[dataset])}" if stand_ins[dataset] else ""
        told = f"Stand-in data: {code(dataset)} is generated{original}; what follows holds for the stand-in only. "
    if not str(protocol["name"]).startswith("paper"):
        told += f"Protocol {code(protocol['name'])}: not the paper's sizes."
    return told.strip()


def _untested(rankings: Sequence[Row], claims: Sequence[Row]) -> bool:
    """Whether comparisons were wanted and none could be made."""
    outcomes = [row["standing"] for row in rankings if row["standing"] != "best"] + pluck(claims, "outcome")
    return bool(outcomes) and set(outcomes) == {"untested"}


def _nothing(n: int) -> str:
    if n >= FEW_SEEDS:
        return f"**No comparison could be tested (n = {n}): nothing can be concluded.**"
    return f"**n = {n}: with fewer than {FEW_SEEDS} seeds nothing can be concluded.**"


def _dataset(summary: Sequence[Row], rankings: Sequence[Row], claims: Sequence[Row]) -> list[str | Bullets]:
    families = [row for row in summary if is_family(row)]
    told: list[str | Bullets] = [*_caution(summary)]
    for aspect in ASPECTS:
        ranked = select(rankings, metric=aspect.metric)
        sentence = _ranking(aspect, ranked, families) if aspect.better and ranked else _fact(aspect, families)
        told += [sentence] if sentence else []
    traded = [row for row in summary if is_family(row) or row["role"] == "curve"]
    return [*told, *_pareto(traded), *papers_order(claims, summary), *topology(claims)]


def _caution(rows: Sequence[Row]) -> list[str]:
    beaten = []
    for row in rows:
        trigram, reader = known(row, "ngram_bits"), known(row, "bits_per_frame")
        if trigram is not None and reader is not None and trigram < reader:
            n = known(row, "bits_per_frame_n")
            beaten.append(
                f"{code(row['quantizer'])} ({number(trigram)} against {number(reader)}{f', n = {n:.0f}' if n else ''})"
            )
    if not beaten:
        return []
    return [
        "**Caution:** a trigram, which needs no training, predicts better than the converged reader (`ngram_bits` "
        f"against `bits_per_frame`) on {listed(beaten)}. There the reader is not trained well enough to be "
        "believed, nor is what follows from it."
    ]


def _fact(aspect: Aspect, rows: Sequence[Row]) -> str:
    """The span of a metric that nobody was ranked by."""
    found = sorted((row for row in rows if known(row, aspect.metric) is not None), key=lambda row: row[aspect.metric])
    if not found:
        return ""
    n = seeds([row.get(f"{aspect.metric}_n", row["done"]) for row in found])
    head = f"**{aspect.title}** ({code(aspect.metric)}, {'not ranked' if aspect.better else 'a fact, no score'}, {n}): "
    ends = [f"{code(row['quantizer'])} {interval(row, aspect.metric)}" for row in (found[0], found[-1])]
    return head + (f"from {ends[0]} to {ends[1]}." if len(found) > 1 else f"{ends[0]}.")


def _ranking(aspect: Aspect, rows: Sequence[Row], families: Sequence[Row]) -> str:
    others = [row for row in rows if row["quantizer"] != row["best"]]
    places = {name: select(others, standing=name) for name in STANDINGS}
    values = {row["quantizer"]: interval(row, aspect.metric) for row in families}
    shown = {row["quantizer"]: values.get(row["quantizer"]) or number(row["mean"]) for row in rows}
    first = rows[0]["best"]
    name = f"{code(first)} ({shown.get(first, '')})"
    told = [f"**{aspect.title}** ({code(aspect.metric)}, {aspect.better}, {seeds([row['n'] for row in rows])}):"]
    if len(rows) == 1:
        only = rows[0]["quantizer"]
        return " ".join(
            [f"{told[0]} only {code(only)} ({shown[only]}) can be ranked.", *_by_construction(aspect, families)]
        )
    if len(places["untested"]) == len(others):
        return f"{told[0]} no comparison could be tested, so nothing can be concluded."
    trivial = aspect.metric == LATTICE and first in [row["quantizer"] for row in _flat(families)]
    alone = len(places["behind"]) == len(others) and not trivial
    told.append(f"{name} is best." if alone else f"{name} has the best mean.")
    if places["tied"]:
        tied = [f"{code(row['quantizer'])} ({shown[row['quantizer']]})" for row in places["tied"]]
        told.append(f"{listed(tied)} cannot be told from it at {seeds([row['n'] for row in places['tied']])}.")
    if places["identical"]:
        told.append(f"The same on every seed: {_names(places['identical'])}.")
    if places["behind"]:
        told.append(f"Behind it: {', '.join(map(_behind, places['behind']))}.")
    if places["untested"]:
        told.append(f"Not tested against it: {_names(places['untested'])}.")
    return " ".join([*told, *_by_construction(aspect, families)])


def _names(rows: Sequence[Row]) -> str:
    return listed(quantizers(rows))


def _behind(row: Row) -> str:
    low, high = known(row, "low"), known(row, "high")
    half = None if low is None or high is None else (high - low) / 2
    between = bounds(row)
    return f"{code(row['quantizer'])} by {number(row['difference'], half)}" + (f" ({between})" if between else "")


def _flat(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if known(row, LATTICE) == 0 and not known(row, f"{LATTICE}_std")]


def _by_construction(aspect: Aspect, rows: Sequence[Row]) -> list[str]:
    """What a metric reads without anything to be found."""
    if aspect.metric == LATTICE and (flat := _flat(rows)):
        return [
            f"An error of exactly 0 on every seed ({_names(flat)}) is what a lattice has by construction: no finding."
        ]
    if aspect.metric == RATE and any(row["quantizer"] == CURVE and known(row, RATE) is not None for row in rows):
        return [f"{code(CURVE)} is the curve itself: 0 by construction."]
    return []


def _pareto(rows: Sequence[Row]) -> list[str]:
    """The rows that no other beats both in bits a frame and in explained variance."""
    points = {
        row["quantizer"]: (bits, -explained)
        for row in rows
        if (bits := known(row, "bits_per_frame")) is not None and (explained := known(row, "explained")) is not None
    }
    if len(points) < 2:
        return []
    kept = [
        name
        for name, point in points.items()
        if not any(other != point and other[0] <= point[0] and other[1] <= point[1] for other in points.values())
    ]
    kept.sort(key=lambda name: points[name])
    of = by_name(rows)
    shown = [f"{code(q)} ({interval(of[q], 'bits_per_frame')}; {interval(of[q], 'explained')})" for q in kept]
    n = seeds([of[name].get("bits_per_frame_n", of[name]["done"]) for name in points])
    return [
        f"**Bits against quality** (`bits_per_frame`; `explained`, by means, untested, {n}): of {len(points)} "
        f"rows no other is at once cheaper and better than {listed(shown)}."
    ]
