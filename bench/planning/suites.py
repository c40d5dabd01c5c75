"""Suites: named sets of rows with a protocol, as files of `suite_files/`."""

import dataclasses
import itertools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.metrics import METRICS
from bench.planning.protocol import Protocol
from bench.planning.rows import Row, codebook_size, parse
from datasets.text import read_text
from quantizers.checks import suggestion

FOLDER = Path(__file__).parent / "suite_files"


@dataclass(frozen=True)
class Suite:
    """What a suite's file says.

    Attributes:
        name: Of the file.
        purpose: One line.
        protocol: Name of the protocol it runs on unless told.
        datasets: Likewise.
        schedule: Values of the protocol's schedule that it replaces.
        published: Published tables to set beside the results.
        columns: Of the results' table in the report; empty for the usual ones.
        blocks: Rows, as written; those without metrics of their own have the suite's.
    """

    name: str
    purpose: str
    protocol: str
    datasets: tuple[str, ...]
    schedule: dict[str, Any]
    published: tuple[str, ...]
    columns: tuple[str, ...]
    blocks: tuple[dict[str, Any], ...]

    def adapted(self, protocol: Protocol) -> Protocol:
        """The protocol with what the suite changes in it."""
        return dataclasses.replace(protocol, schedule=dataclasses.replace(protocol.schedule, **self.schedule))

    def rows(self, protocol: Protocol) -> list[tuple[Row, tuple[str, ...] | None]]:
        """Rows in order, each with the datasets that it is for; None for all."""
        return [
            (row, tuple(block["datasets"]) if "datasets" in block else None)
            for block in self.blocks
            for row in _rows(block, protocol)
        ]


def names() -> list[str]:
    """Every suite."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Suite:
    """Read a suite.

    Raises:
        UsageError: There is none of that name, or it names a metric that there is not.
    """
    if name not in names():
        raise UsageError(f"unknown suite {name!r}; {suggestion(name, names())}")
    told = tomllib.loads(read_text(FOLDER / f"{name}.toml"))
    named = [metric for part in (told, *told["rows"]) for key in ("columns", "metrics") for metric in part.get(key, ())]
    for metric in named:
        if metric not in METRICS:
            raise UsageError(f"suite {name}: unknown metric {metric!r}; {suggestion(metric, list(METRICS))}")
    return Suite(
        name,
        told["purpose"],
        told["protocol"],
        tuple(told["datasets"]),
        told.get("schedule", {}),
        tuple(told.get("published", ())),
        tuple(told.get("columns", ())),
        tuple({"metrics": told.get("metrics")} | block for block in told["rows"]),
    )


def _rows(block: dict[str, Any], protocol: Protocol) -> list[Row]:
    """A block's names, times its codebook sizes as shares of the protocol's, times the product of its parameters."""
    metrics = None if block["metrics"] is None else tuple(block["metrics"])
    rows = []
    for name, size, values in itertools.product(block["names"], block.get("sizes", [None]), _products(block)):
        row = parse(name)
        parameters = block.get("parameters", {}) | values
        told = [block["suffix"]] if "suffix" in block else []
        label = " ".join([name, *told, *(f"{key}={_shown(value)}" for key, value in values.items())])
        row = dataclasses.replace(
            row,
            name=label,
            parameters=parameters,
            schedule=block.get("schedule", {}),
            metrics=metrics,
            role=block.get("role", row.role),
        )
        if size is not None:
            codes = codebook_size(str(round(protocol.codebook_size * size)), f"{size:g} of {protocol.codebook_size}")
            row = dataclasses.replace(row, name=f"{label}@{codes}", codebook_size=codes, one_width=True)
        rows.append(row)
    return rows


def _products(block: dict[str, Any]) -> list[dict[str, Any]]:
    product = block.get("product", {})
    return [dict(zip(product, values, strict=True)) for values in itertools.product(*product.values())]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
