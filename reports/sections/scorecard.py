"""Scorecard: rows against questions, and sentences about which row to take for which purpose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.document.blocks import Block, Bullets, Column, Prose, Section, Table, TableCell
from reports.document.rows import by_name, codes, having, pluck, select
from reports.document.text import code, escape, file_name, listed, number, number_in, records
from reports.sections.facts import source_title

Row = Mapping[str, Any]
SIGNS = {"best": "★", "equivalent": "≈", "identical": "=", "behind": "▼", "undecided": "?", "untested": ""}
KINDS = {"best": "good", "equivalent": "good", "identical": "good", "behind": "bad", "undecided": "open"}
BEST_MEAN = "☆"
TOGETHER = ("equivalent", "identical")
LONGEST_LIST = 4
KEY = (
    "★ best; ☆ best mean, where nothing is decided; ≈ equivalent: differs from the best by less than the metric says "
    "that matters; = identical on every seed; ▼ behind the best by so much, with the interval of the corrected test; "
    "? undecided: neither behind nor equivalent is shown, with the number of seeds, in all, that would decide. A blank "
    "cell has no test. Columns with † are exploratory: they are not among the few that a run is judged by."
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A purpose, and the metric that answers which row serves it.

    Attributes:
        purpose: Purpose as the beginning of a sentence.
        metric: Name of the metric.
        unit: Unit of a difference in words; "%" for a share of the best row's mean.
        more: Word for a larger loss, such as "more" or "less".
        noun: Quantity that is larger or smaller, in words.
        advised: Whether a sentence says which row to take; the table has a column anyway.
    """

    purpose: str
    metric: str
    unit: str
    more: str
    noun: str
    advised: bool = True


QUESTIONS = (
    Question(purpose="For reconstruction", metric="mse", unit="%", more="more", noun="error (`mse`)"),
    Question(
        purpose="For a small token model",
        metric="bits_per_frame",
        unit="bits",
        more="more",
        noun="per frame (`bits_per_frame`)",
    ),
    Question(
        purpose="For a reader that sees the grid",
        metric="topology_gain",
        unit="bits",
        more="less",
        noun="gained from the grid (`topology_gain`)",
        advised=False,
    ),
    Question(
        purpose="For a map to navigate",
        metric="topographic_error",
        unit="points",
        more="more",
        noun="of the frames out of order (`topographic_error`)",
    ),
    Question(
        purpose="For speed", metric="train_seconds", unit="%", more="more", noun="training time (`train_seconds`)"
    ),
)


def scorecards(
    table: pd.DataFrame,
    rankings: pd.DataFrame | None,
    stand_ins: Mapping[str, str],
    protocol: Mapping[str, Any],
    significance: float = 0.05,
) -> list[Block]:
    """One scorecard with advice per dataset.

    Args:
        table: Table with one row per cell.
        rankings: Per dataset and metric, each family against the best; None or empty where nothing was compared.
        stand_ins: Dataset that is not real -> the dataset that it stands in for.
        protocol: Values of the protocol, by name.
        significance: Level of the tests; below 0.05 for one of several looks.
    """
    sections: list[Block] = []
    for dataset in dict.fromkeys(table["dataset"]):
        compared = select(records(rankings), dataset=dataset)
        columns = {q.metric: by_name(select(compared, metric=q.metric)) for q in QUESTIONS}
        asked = [question for question in QUESTIONS if _is_answered(columns[question.metric])]
        if not asked:
            continue
        blocks: list[Block] = []
        if dataset in stand_ins:
            blocks.append(Prose(f"{code(dataset)} is generated stand-in data: the advice holds for the stand-in only."))
        blocks += [_table(dataset, asked, columns), Bullets(tuple(_advice(asked, columns)))]
        sections.append(Section(source_title(dataset, stand_ins), tuple(blocks)))
    if not sections:
        return []
    seeds = sorted(set(map(int, table.loc[table["status"] == "done", "seed"])))
    context = f"Protocol {code(protocol['name'])}, {len(seeds)} seeds."
    if not str(protocol["name"]).startswith("paper"):
        context += " These are not the sizes of the papers: measure at your own before you decide."
    if significance < 0.05:
        context += (
            f" Seeds were added until the primary columns were settled: this look has {100 * significance:.1f} of the "
            "5 % that all looks share."
        )
    return [Prose(context), *sections, Prose(KEY)]


def _is_answered(column: Mapping[str, Row]) -> bool:
    """Whether any row was tested against the best."""
    return bool({*pluck(column.values(), "standing")} - {"best", "untested"})


def _is_decided(column: Mapping[str, Row]) -> bool:
    """Whether some row is behind the best, or equivalent to it."""
    return bool({*pluck(column.values(), "standing")} & {"behind", *TOGETHER})


def _table(dataset: str, asked: Sequence[Question], columns: Mapping[str, Mapping[str, Row]]) -> Table:
    heads = [Column("quantizer", numeric=False)]
    rows: dict[str, list[TableCell]] = {}
    for question in asked:
        column = columns[question.metric]
        exploratory = "" if any(map(_is_primary, column.values())) else " †"
        heads.append(Column(f"{escape(question.metric)}{exploratory}", numeric=False, hint=question.purpose))
        for name in column:
            rows.setdefault(name, [TableCell(escape(name), name)])
    for question in asked:
        for name, cells in rows.items():
            cells.append(_cell(question, columns[question.metric].get(name), columns[question.metric]))
    return Table(
        name=f"scorecard-{file_name(dataset)}",
        caption=f"Which row serves which purpose on {escape(dataset)}",
        columns=tuple(heads),
        rows=tuple(map(tuple, rows.values())),
        sortable=False,
    )


def _is_primary(row: Row) -> bool:
    return bool(row.get("primary"))


def _cell(question: Question, row: Row | None, column: Mapping[str, Row]) -> TableCell:
    if row is None or row["standing"] not in SIGNS:
        return TableCell()
    standing = row["standing"]
    if row["quantizer"] == row["best"]:
        if _is_decided(column):
            return TableCell(f"{SIGNS['best']} {number(row['mean'])}", float(row["mean"]), kind="good")
        return TableCell(f"{BEST_MEAN} {number(row['mean'])}", float(row["mean"]), kind="open")
    words = SIGNS[standing]
    if standing == "behind":
        amount = _amount(question, row, column)
        if question.more == "less":  # the interval has no sign, so that the number should have none either
            amount = amount.removeprefix("-").replace(f" {question.unit}", f" {question.unit} less", 1)
        words += f" {amount}"
    elif standing == "undecided":
        needed = number_in(row, "seeds_needed")
        words += " needs more than 1,000 seeds" if needed is None else f" needs {needed:.0f} seeds"
    return TableCell(words, float(row["mean"]), kind=KINDS.get(standing, ""))


def _amount(question: Question, row: Row, column: Mapping[str, Row]) -> str:
    """Difference from the best with its interval: "+54 % (38 to 70)"."""
    numbers = [number_in(row, part) for part in ("difference", "low", "high")]
    if question.unit == "%":
        base = abs(float(column[row["best"]]["mean"])) or 1.0
        numbers = [None if value is None else 100 * value / base for value in numbers]
    elif question.unit == "points":
        numbers = [None if value is None else 100 * value for value in numbers]
    difference, low, high = numbers
    sign = "+" if question.more == "more" else "-"
    is_fine = abs(difference or 0.0) < 10 or (low is not None and abs(low) < 1)
    decimals = 2 if question.unit == "bits" else int(is_fine)
    shown = f"{sign}{difference or 0.0:.{decimals}f} {question.unit}"
    return shown if low is None or high is None else f"{shown} ({low:.{decimals}f} to {high:.{decimals}f})"


def _advice(asked: Sequence[Question], columns: Mapping[str, Mapping[str, Row]]) -> list[str]:
    """Sentences per question: which row to take, and what that costs elsewhere."""
    sentences = []
    for question in filter(lambda question: question.advised, asked):
        column = columns[question.metric]
        best = next(iter(column.values()))["best"]
        alike = [name for name, row in column.items() if row["standing"] in TOGETHER and name != best]
        behind = select(column.values(), standing="behind")
        undecided = [row for row in column.values() if row["standing"] == "undecided" and row["quantizer"] != best]
        if not _is_decided(column):
            sentences.append(
                f"**{question.purpose}** nothing is decided: {code(best)} has the best mean, and "
                f"{_how_many(undecided)}."
            )
            continue
        sentence = f"**{question.purpose}** take {listed(codes([best, *alike]))}"
        if alike:
            sentence += ", which do not differ by more than matters"
        if behind:
            nearest = min(behind, key=lambda row: row["difference"])
            loss = _in_words(question, nearest, column)
            sentence += f"; the closest row shown to be worse, {code(nearest['quantizer'])}, has {loss}"
        if undecided:
            sentence += f"; {_how_many(undecided)}"
        costs = _costs(best, question, asked, columns)
        sentences.append(f"{sentence}. {costs}".strip())
    return sentences


def _in_words(question: Question, row: Row, column: Mapping[str, Row]) -> str:
    amount = _amount(question, row, column).lstrip("+-")
    quantity, _, interval = amount.partition(" (")
    return f"{quantity} {question.more} {question.noun}" + (f", {interval.rstrip(')')}" if interval else "")


def _how_many(rows: Sequence[Row]) -> str:
    """Undecided rows, with the seeds that would decide most of them."""
    names = codes(pluck(rows, "quantizer"))
    shown = listed(names) if len(names) <= LONGEST_LIST else f"{len(names)} rows"
    needed = sorted(pluck(having(rows, "seeds_needed"), "seeds_needed"))
    if not needed:
        return f"{shown} stay{'s' if len(names) == 1 else ''} undecided, at any number of seeds up to 1,000"
    return f"{shown} {'is' if len(names) == 1 else 'are'} undecided, {_seeds(needed)} would decide"


def _seeds(needed: Sequence[float]) -> str:
    low, high = int(needed[0]), int(needed[-1])
    return f"{low} seeds" if low == high else f"{low} to {high} seeds"


def _costs(best: str, chosen: Question, asked: Sequence[Question], columns: Mapping[str, Mapping[str, Row]]) -> str:
    costs = []
    for question in asked:
        row = columns[question.metric].get(best)
        if question is not chosen and row is not None and row["standing"] == "behind":
            costs.append(_in_words(question, row, columns[question.metric]))
    return f"{code(best)} costs {listed(costs)}." if costs else ""
