"""What the tests of the SOM-VQ paper's claims say, as sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.document.blocks import Bullets
from reports.document.rows import pluck, select, unique
from reports.document.text import code, interval, known, listed, number

Row = Mapping[str, Any]
READERS = {
    "seq_ppl_17": "At the paper's reading point (17 updates)",
    "seq_ppl": "After the 50 updates of its text",
    "bits_per_frame": "At convergence",
    "rate_excess": "At equal reconstruction",
}
USE_MATTERS = ("seq_ppl_17", "seq_ppl")
BARS = {"0": "0", "vector_gain": "`vector_gain`", "vq+sorted": "the sorted control `vq+sorted`"}


def seeds(values: Sequence[Any]) -> str:
    """The numbers of seeds behind a sentence."""
    low, high = int(min(values)), int(max(values))
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def chance(row: Row) -> str:
    """A Holm-corrected p."""
    p = known(row, "p_holm")
    if p is None:
        return ""
    return ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"


def bounds(row: Row) -> str:
    """A difference's 95 % interval and p."""
    low, high = known(row, "low"), known(row, "high")
    if low is None or high is None:
        return chance(row).removeprefix(", ")
    half = (high - low) / 2
    return f"{number(low, half)} to {number(high, half)}{chance(row)}"


def papers_order(claims: Sequence[Row], summary: Sequence[Row]) -> list[str | Bullets]:
    """Whether SOM-VQ is easier to read than the others, under each way of reading."""
    told = []
    for metric, when in READERS.items():
        rows = select(claims, claim="paper order", metric=metric)
        for quantizer in unique(rows, "quantizer"):
            own = select(rows, quantizer=quantizer)
            told.append(f"{when} ({code(metric)}), {_order(quantizer, own)}{_use(quantizer, own, metric, summary)}")
    if not told:
        return []
    return ["**The paper's order** (SOM-VQ easier to read than the rest; lower is easier):", Bullets(tuple(told))]


def topology(claims: Sequence[Row]) -> list[str | Bullets]:
    """Whether a reader gains from the grid more than nothing, than from the codes' vectors and than sorting gives."""
    rows = select(claims, claim="topology_gain")
    outcomes: dict[str, dict[str, str]] = {}
    told = []
    for quantizer in unique(rows, "quantizer"):
        own = [row for row in rows if row["quantizer"] == quantizer and row["against"] in BARS]
        outcomes[quantizer] = {row["against"]: row["outcome"] for row in own}
        told.append(f"{code(quantizer)} ({seeds([row['n'] for row in own])}): {'; '.join(map(_bar, own))}.")
    if not told:
        return []
    above = [code(name) for name, of in outcomes.items() if [of.get(bar) for bar in BARS] == ["above"] * len(BARS)]
    partly = [code(name) for name, of in outcomes.items() if not set(BARS) <= {k for k, v in of.items() if _tested(v)}]
    head = (
        "**What the grid is worth to a reader that sees it** (`topology_gain`, bits a frame). It means something "
        f"only above 0, above `vector_gain` and above the sorted control. {listed(above) or 'No family'} "
        f"{'are' if len(above) > 1 else 'is'} above all three."
        + (f" Not tested against all three: {listed(partly)}." if partly else "")
    )
    return [head, Bullets(tuple(told))]


def _order(quantizer: str, rows: Sequence[Row]) -> str:
    tested = [row for row in rows if _tested(row["outcome"])]
    below = select(tested, outcome="below")
    if not tested:
        return f"{code(quantizer)} could not be tested ({seeds([row['n'] for row in rows])})."
    if len(below) == len(rows):
        whole = "holds"
    elif below:
        whole = "holds in part"
    else:
        whole = "does not hold" if any(row["outcome"] == "above" for row in tested) else "is not shown"
    words = {
        "below": "easier than",
        "not separable": "not separable from",
        "above": "harder than",
        "identical": "identical to",
        "untested": "not tested against",
    }
    parts = []
    for outcome, text in words.items():
        against = [_against(row) for row in rows if row["outcome"] == outcome]
        if against:
            parts.append(f"{text} {listed(against)}")
    n = seeds(pluck(tested, "n"))
    return f"{code(quantizer)} ({n}): the order {whole}. It is {'; '.join(parts)}."


def _against(row: Row) -> str:
    if not _tested(row["outcome"]) or row["outcome"] == "identical":
        return code(row["against"])
    return f"{code(row['against'])} ({_difference(row)})"


def _difference(row: Row) -> str:
    low, high, value = known(row, "low"), known(row, "high"), row["difference"]
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


def _use(quantizer: str, rows: Sequence[Row], metric: str, summary: Sequence[Row]) -> str:
    """A barely trained reader mostly learns how many codes there are, so they are told beside it."""
    names = [quantizer, *(row["against"] for row in rows)]
    used = {row["quantizer"]: interval(row, "active") for row in summary}
    shown = [f"{code(name)} {used[name]} %" for name in names if used.get(name)]
    if metric not in USE_MATTERS or len(shown) < 2 or not any(_tested(row["outcome"]) for row in rows):
        return ""
    return f" Fewer codes in use lower this figure alone; in use are {listed(shown)}."
