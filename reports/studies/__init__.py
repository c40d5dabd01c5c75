"""Studies: papers whose published figures and claims reports set beside a run.

A study is a folder of data beside this file, without code:

- `study.toml`: title, source, tables, readings (our metrics that stand for a published one), reading points, a claim;
- `tables.csv`: published figures, one per line: table, dataset, method, grid (its side), metric, mean, std.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

Readings = Mapping[str, Mapping[str, str]]

FOLDER = Path(__file__).parent
COLUMNS = ("table", "dataset", "method", "grid", "metric", "mean", "std")


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """A published table.

    Attributes:
        title: Title with the table's number in the paper.
        readings: Published metric -> our metric -> "" where the two are comparable, else the reason why they are not.
        own_sizes: Whether a figure stands beside rows of its own codebook size alone.
    """

    title: str
    readings: Readings
    own_sizes: bool = False


@dataclass(frozen=True, kw_only=True)
class Order:
    """A claim that rows are lower in some metrics than baselines.

    Attributes:
        name: Name of the claim in claims.csv.
        heading: Sentence above the outcomes, inline markdown.
        rows: Names of the rows that are claimed to be lower.
        baselines: Names of the rows that they are compared with.
        metrics: Name of a metric -> the occasion at which it is read, in words.
        falls_with_use: Metrics that fewer codes in use lower by themselves.
    """

    name: str
    heading: str
    rows: tuple[str, ...]
    baselines: tuple[str, ...]
    metrics: Mapping[str, str]
    falls_with_use: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """A paper; equal to itself alone.

    Attributes:
        title: Short name of the paper.
        source: Authors, year and number of the paper.
        sequences: Sequences per dataset of its experiments; runs of another number are not compared.
        seeds: Number of seeds behind its figures.
        tables: Name of a table -> the table.
        figures: Published figures with the columns of tables.csv, and `decimals` of the printed mean.
        note: Sentence for the end of the explanation of its tables; "" for none.
        reading_points: Name of a reader's learning curve -> updates after which the paper reads it off.
        order: Claim about an order of rows, or None.
    """

    title: str
    source: str
    sequences: int
    seeds: int
    tables: Mapping[str, PublishedTable]
    figures: pd.DataFrame
    note: str = ""
    reading_points: Mapping[str, int]
    order: Order | None = None


@cache
def studies() -> tuple[Study, ...]:
    """Studies of this package, in the order of their folders."""
    return tuple(read(file.parent) for file in sorted(FOLDER.glob("*/study.toml")))


def study_of(table: str) -> Study:
    """Study with a table of this name.

    Raises:
        ValueError: No study has it.
    """
    for study in studies():
        if table in study.tables:
            return study
    names = [name for study in studies() for name in study.tables]
    raise ValueError(f"unknown published table {table!r}; known: {', '.join(names)}")


def read(folder: Path) -> Study:
    """Read a study from its folder.

    Raises:
        ValueError: A file lacks something or holds something else than it should; the message names it.
    """
    path = folder / "study.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        readings: Readings = values.pop("readings")
        tables = {name: _table(readings, dict(table)) for name, table in values.pop("tables").items()}
        order = _order(values.pop("order")) if "order" in values else None
        points = values.pop("reading_points", {})
        figures = _figures(folder / "tables.csv")
        study = Study(tables=tables, figures=figures, reading_points=points, order=order, **values)
    except KeyError as error:
        raise ValueError(f"Expected {path} to have {error.args[0]!r}.") from error
    except (TypeError, AttributeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"Expected {path} to describe a study ({error}).") from error
    for figure in figures.itertuples():
        if figure.table not in tables:
            raise ValueError(f"Expected every table of tables.csv in {path}, got {figure.table!r}.")
        if figure.metric not in tables[str(figure.table)].readings:
            raise ValueError(f"Expected readings of every metric of tables.csv in {path}, got {figure.metric!r}.")
    return study


def _table(readings: Readings, values: dict[str, Any]) -> PublishedTable:
    return PublishedTable(readings={**readings, **values.pop("readings", {})}, **values)


def _order(values: Mapping[str, Any]) -> Order:
    lists = {name: tuple(values.get(name, ())) for name in ("rows", "baselines", "falls_with_use")}
    return Order(**{**values, **lists})


def _figures(path: Path) -> pd.DataFrame:
    figures = pd.read_csv(path, dtype={"mean": str})
    if tuple(figures.columns) != COLUMNS:
        raise ValueError(f"Expected the columns {', '.join(COLUMNS)} in {path}, got {', '.join(figures.columns)}.")
    decimals = [len(text.partition(".")[2]) for text in figures["mean"]]
    return figures.assign(decimals=decimals, mean=figures["mean"].astype(float))
