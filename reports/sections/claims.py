"""Sentences about claims: the orders of rows that studies claim, and the worth of a grid."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.document.blocks import Bullets
from reports.document.rows import pluck, select, unique
from reports.document.text import code, interval, listed, number, number_in
from reports.studies import Order, studies

Row = Mapping[str, Any]
BARS = {"0": "0", "vector_gain": "`vector_gain`", "vq+sorted": "the sorted control `vq+sorted`"}


def seeds(values: Sequence[Any]) -> str:
    """Numbers of seeds behind a sentence."""
    low, high = int(min(values)), int(max(values))
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def chance(row: Row) -> str:
    """Corrected p as the end of a sentence; blank where there is none."""
    p = number_in(row, "p_adjusted" if "p_adjusted" in row else "p_holm")
    if p is None:
        return ""
    return ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"


def bounds(row: Row) -> str:
    """95 % confidence interval and p of a difference."""
    low, high = number_in(row, "low"), number_in(row, "high")
    if low is None or high is None:
        return chance(row).removeprefix(", ")
    half = (high - low) / 2
    return f"{number(low, half)} to {number(high, half)}{chance(row)}"


def papers_order(claims: Sequence[Row], summary: Sequence[Row]) -> list[str | Bullets]:
    """Sentences on the orders that studies claim, under every way of reading."""
    blocks: list[str | Bullets] = []
    for study in studies():
        sentences = [] if study.order is None else list(_order_sentences(study.order, claims, summary))
        if study.order is not None and sentences:
            blocks += [study.order.heading, Bullets(tuple(sentences))]
    return blocks


def _order_sentences(order: Order, claims: Sequence[Row], summary: Sequence[Row]) -> Iterator[str]:
    used = {row["quantizer"]: interval(row, "active") for row in summary}
    for metric, occasion in order.metrics.items():
        rows = select(claims, claim=order.name, metric=metric)
        for quantizer in unique(rows, "quantizer"):
            compared = select(rows, quantizer=quantizer)
            sentence = f"{occasion} ({code(metric)}), {_order(quantizer, compared)}"
            yield sentence + (_use(quantizer, compared, used) if metric in order.falls_with_use else "")


def topology(claims: Sequence[Row]) -> list[str | Bullets]:
    """Sentences on the gain of a reader from the grid, against nothing, the codes' vectors and a sorted codebook."""
    rows = select(claims, claim="topology_gain")
    sentences, above, partly = [], [], []
    for quantizer in unique(rows, "quantizer"):
        compared = [row for row in select(rows, quantizer=quantizer) if row["against"] in BARS]
        sentences.append(f"{code(quantizer)} ({seeds(pluck(compared, 'n'))}): {'; '.join(map(_bar, compared))}.")
        outcomes = {row["against"]: row["outcome"] for row in compared}
        if [outcomes.get(bar) for bar in BARS] == ["above"] * len(BARS):
            above.append(code(quantizer))
        if not all(_tested(outcomes.get(bar, "untested")) for bar in BARS):
            partly.append(code(quantizer))
    if not sentences:
        return []
    head = (
        "**What the grid is worth to a reader that sees it** (`topology_gain`, bits a frame). It means something "
        f"only above 0, above `vector_gain` and above the sorted control. {listed(above) or 'No family'} "
        f"{'are' if len(above) > 1 else 'is'} above all three."
    )
    if partly:
        head += f" Not tested against all three: {listed(partly)}."
    return [head, Bullets(tuple(sentences))]


def _order(quantizer: str, rows: Sequence[Row]) -> str:
    tested = [row for row in rows if _tested(row["outcome"])]
    below = select(tested, outcome="below")
    if not tested:
        return f"{code(quantizer)} could not be tested ({seeds(pluck(rows, 'n'))})."
    if len(below) == len(rows):
        whole = "holds"
    elif below:
        whole = "holds in part"
    else:
        whole = "does not hold" if select(tested, outcome="above") else "is not shown"
    words = {
        "below": "easier than",
        "not separable": "not separable from",
        "above": "harder than",
        "identical": "identical to",
        "untested": "not tested against",
    }
    parts = []
    for outcome, text in words.items():
        if compared := select(rows, outcome=outcome):
            parts.append(f"{text} {listed(list(map(_against, compared)))}")
    n = seeds(pluck(tested, "n"))
    return f"{code(quantizer)} ({n}): the order {whole}. It is {'; '.join(parts)}."


def _against(row: Row) -> str:
    if not _tested(row["outcome"]) or row["outcome"] == "identical":
        return code(row["against"])
    return f"{code(row['against'])} ({_difference(row)})"


def _difference(row: Row) -> str:
    low, high, value = number_in(row, "low"), number_in(row, "high"), row["difference"]
    shown = number(value, None if low is None or high is None else (high - low) / 2)
    between = bounds(row)
    return f"{shown}, {between}" if between else shown


def _bar(row: Row) -> str:
    outcome, against = row["outcome"], BARS[row["against"]]
    if not _tested(outcome):
        return f"not tested against {against}"
    join = {"not separable": "from ", "identical": "to "}.get(outcome, "")
    return f"{outcome} {join}{against}" + (f" ({_difference(row)})" if outcome != "identical" else "")


def _tested(outcome: str) -> bool:
    return outcome != "untested"


def _use(quantizer: str, rows: Sequence[Row], used: Mapping[str, str]) -> str:
    """Sentence on codebook utilisation, because a barely trained reader mostly learns the number of codes."""
    names = [quantizer, *pluck(rows, "against")]
    shown = [f"{code(name)} {used[name]} %" for name in names if used.get(name)]
    if len(shown) < 2 or not any(map(_tested, pluck(rows, "outcome"))):
        return ""
    return f" Fewer codes in use lower this figure alone; in use are {listed(shown)}."
