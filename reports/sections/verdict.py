"""Verdict on a run: sentences made from its tables alone."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Bullets, Prose, Section
from reports.document.rows import by_name, having, pluck, quantizers, select
from reports.document.text import FEW_SEEDS, code, escape, interval, is_family, listed, number, number_in, records
from reports.sections.claims import bounds, papers_order, seeds, topology

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Aspect:
    """A question that one metric answers.

    Attributes:
        title: Subject of the question, as a heading.
        metric: Name of the metric that answers it.
        better: Direction in words; blank for a fact, which nobody is ranked by.
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
UNRANKED = "No row here is one that is ranked, so nothing is compared."
INTRODUCTION = (
    "Made from the tables below. Means ± half the 95 % interval over n seeds; a difference is paired over seeds and "
    "followed by its interval and p, both corrected for the comparisons of the column. Only the best mean is tested "
    "against the others: rows behind it are not compared with each other."
)


def verdict(
    table: pd.DataFrame,
    summary: pd.DataFrame,
    rankings: pd.DataFrame | None,
    claims: pd.DataFrame | None,
    stand_ins: Mapping[str, str],
    protocol: Mapping[str, Any],
) -> list[Block]:
    """Best rows per question, rows that do not differ from them, and what is left of the SOM-VQ paper's claims.

    Args:
        table: Table with one row per cell.
        summary: Table with one row per (quantizer, dataset).
        rankings: Per dataset and metric, each family against the best; None or empty where nothing was compared.
        claims: Tests of the paper's claims; None or empty where there are none.
        stand_ins: Dataset that is not real -> the dataset that it stands in for.
        protocol: Values of the protocol, by name.
    """
    sections: list[Block] = []
    concluded = False
    for dataset in dict.fromkeys(table["dataset"]):
        own_summary, own_rankings, own_claims = (
            select(records(frame), dataset=dataset) for frame in (summary, rankings, claims)
        )
        done = table[(table["dataset"] == dataset) & (table["status"] == "done")]
        n = int(done["seed"].nunique())
        kind = _kind(dataset, stand_ins, protocol)
        blocks: list[Block] = [Prose(kind)] if kind else []
        untested = n < FEW_SEEDS or _untested(own_rankings, own_claims)
        sentences = () if untested else tuple(_dataset(own_summary, own_rankings, own_claims))
        if sentences:
            blocks.append(Bullets(sentences))
            concluded = True
        else:
            blocks.append(Prose(_nothing(n) if untested else UNRANKED))
        sections.append(Section(escape(dataset), tuple(blocks)))
    return [Prose(INTRODUCTION), *sections] if concluded else sections


def _kind(dataset: str, stand_ins: Mapping[str, str], protocol: Mapping[str, Any]) -> str:
    sentences = ""
    if dataset in stand_ins:
        original = f" and not {escape(stand_ins[dataset])}" if stand_ins[dataset] else ""
        sentences = f"Stand-in data: {code(dataset)} is generated{original}; what follows holds for the stand-in only. "
    if not str(protocol["name"]).startswith("paper"):
        sentences += f"Protocol {code(protocol['name'])}: not the paper's sizes."
    return sentences.strip()


def _untested(rankings: Sequence[Row], claims: Sequence[Row]) -> bool:
    """Whether comparisons were wanted and none could be made."""
    outcomes = {*pluck(rankings, "standing"), *pluck(claims, "outcome")} - {"best"}
    return outcomes == {"untested"}


def _nothing(n: int) -> str:
    if n >= FEW_SEEDS:
        return f"**No comparison could be tested (n = {n}): nothing can be concluded.**"
    return f"**n = {n}: with fewer than {FEW_SEEDS} seeds nothing can be concluded.**"


def _dataset(summary: Sequence[Row], rankings: Sequence[Row], claims: Sequence[Row]) -> list[str | Bullets]:
    families = list(filter(is_family, summary))
    sentences: list[str | Bullets] = [*_caution(summary)]
    for aspect in ASPECTS:
        ranked = select(rankings, metric=aspect.metric)
        sentence = _ranking(aspect, ranked, families) if aspect.better and ranked else _fact(aspect, families)
        if sentence:
            sentences.append(sentence)
    traded = [row for row in summary if is_family(row) or row["role"] == "curve"]
    return [*sentences, *_pareto(traded), *papers_order(claims, summary), *topology(claims)]


def _caution(rows: Sequence[Row]) -> list[str]:
    beaten = []
    for row in rows:
        trigram, reader = number_in(row, "ngram_bits"), number_in(row, "bits_per_frame")
        if trigram is not None and reader is not None and trigram < reader:
            n = number_in(row, "bits_per_frame_n")
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
    """Lowest and highest value of a metric that nobody was ranked by."""
    measured = sorted(having(rows, aspect.metric), key=itemgetter(aspect.metric))
    if not measured:
        return ""
    n = seeds(_seeds_behind(measured, aspect.metric))
    head = f"**{aspect.title}** ({code(aspect.metric)}, {'not ranked' if aspect.better else 'a fact, no score'}, {n}): "
    lowest = f"{code(measured[0]['quantizer'])} {interval(measured[0], aspect.metric)}"
    if len(measured) == 1:
        return f"{head}{lowest}."
    return f"{head}from {lowest} to {code(measured[-1]['quantizer'])} {interval(measured[-1], aspect.metric)}."


def _seeds_behind(rows: Sequence[Row], metric: str) -> list[int]:
    """Number of seeds behind a metric, per row."""
    return [row.get(f"{metric}_n", row["done"]) for row in rows]


def _ranking(aspect: Aspect, rows: Sequence[Row], families: Sequence[Row]) -> str:
    shown = _with_values(rows, aspect.metric, by_name(families))
    best = rows[0]["best"]
    places = defaultdict(list)
    for row in rows:
        if row["quantizer"] != best:
            places[row["standing"]].append(row)
    others = len(list(chain(*places.values())))
    head = f"**{aspect.title}** ({code(aspect.metric)}, {aspect.better}, {seeds(pluck(rows, 'n'))}):"
    if len(rows) == 1:
        return " ".join(
            [f"{head} only {shown[rows[0]['quantizer']]} can be ranked.", *_by_construction(aspect, families)]
        )
    if len(places["untested"]) == others:
        return f"{head} no comparison could be tested, so nothing can be concluded."
    trivial = aspect.metric == LATTICE and best in pluck(_flat(families), "quantizer")
    alone = len(places["behind"]) == others and not trivial
    sentences = [head, f"{shown[best]} is best." if alone else f"{shown[best]} has the best mean."]
    if alike := places["equivalent"]:
        sentences.append(f"Equivalent to it: {listed([shown[name] for name in pluck(alike, 'quantizer')])}.")
    if undecided := places["undecided"]:
        sentences.append(f"Undecided: {', '.join(_open(row, shown) for row in undecided)}.")
    if places["identical"]:
        sentences.append(f"The same on every seed: {_names(places['identical'])}.")
    if places["behind"]:
        sentences.append(f"Behind it: {', '.join(map(_behind, places['behind']))}.")
    if places["untested"]:
        sentences.append(f"Not tested against it: {_names(places['untested'])}.")
    return " ".join([*sentences, *_by_construction(aspect, families)])


def _with_values(rows: Sequence[Row], metric: str, families: Mapping[str, Row]) -> dict[str, str]:
    """Quantizer -> its name with the interval of a metric, or with the mean where there is no interval."""
    shown = {}
    for row in rows:
        name = row["quantizer"]
        value = interval(families[name], metric) if name in families else ""
        shown[name] = f"{code(name)} ({value or number(row['mean'])})"
    return shown


def _names(rows: Sequence[Row]) -> str:
    return listed(quantizers(rows))


def _open(row: Row, shown: Mapping[str, str]) -> str:
    needed = number_in(row, "seeds_needed")
    enough = "more than 1,000" if needed is None else f"{needed:.0f}"
    return f"{shown[row['quantizer']]}, {enough} seeds would decide"


def _behind(row: Row) -> str:
    low, high = number_in(row, "low"), number_in(row, "high")
    half = None if low is None or high is None else (high - low) / 2
    between = bounds(row)
    return f"{code(row['quantizer'])} by {number(row['difference'], half)}" + (f" ({between})" if between else "")


def _flat(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if number_in(row, LATTICE) == 0 and not number_in(row, f"{LATTICE}_std")]


def _by_construction(aspect: Aspect, rows: Sequence[Row]) -> list[str]:
    """Sentences about values that follow from the construction of a row alone."""
    if aspect.metric == LATTICE and (flat := _flat(rows)):
        return [
            f"An error of exactly 0 on every seed ({_names(flat)}) is what a lattice has by construction: no finding."
        ]
    if aspect.metric == RATE and CURVE in pluck(having(rows, RATE), "quantizer"):
        return [f"{code(CURVE)} is the curve itself: 0 by construction."]
    return []


def _pareto(rows: Sequence[Row]) -> list[str]:
    """Sentence about the rows that no other beats both in bits per frame and in explained variance."""
    measured = having(having(rows, "bits_per_frame"), "explained")
    if len(measured) < 2:
        return []
    # By rising cost, a row is on the front when it explains more than every cheaper one, or is the last one's equal.
    front: list[Row] = []
    for row in sorted(measured, key=lambda row: (row["bits_per_frame"], -row["explained"])):
        if not front or row["explained"] > front[-1]["explained"] or _point(row) == _point(front[-1]):
            front.append(row)
    shown = []
    for row in front:
        shown.append(f"{code(row['quantizer'])} ({interval(row, 'bits_per_frame')}; {interval(row, 'explained')})")
    n = seeds(_seeds_behind(measured, "bits_per_frame"))
    return [
        f"**Bits against quality** (`bits_per_frame`; `explained`, by means, untested, {n}): of {len(measured)} "
        f"rows no other is at once cheaper and better than {listed(shown)}."
    ]


def _point(row: Row) -> tuple[float, float]:
    return row["bits_per_frame"], row["explained"]
