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
from bench.typing import JSON
from datasets.text import read_text
from quantizers.checks import suggestion

FOLDER = Path(__file__).parent / "suite_files"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named set of rows, as its file describes it.

    Attributes:
        name: Name of the suite, which is that of its file.
        purpose: One line for lists.
        protocol: Name of its default protocol.
        datasets: Names of its default datasets.
        schedule: Values of the protocol's schedule that it replaces.
        published: Names of the published tables to set beside the results.
        columns: Columns of the report's table of results; empty for the usual ones.
        blocks: Blocks of rows, as written; a block without metrics of its own has those of the suite.
    """

    name: str
    purpose: str
    protocol: str
    datasets: tuple[str, ...]
    schedule: JSON
    published: tuple[str, ...]
    columns: tuple[str, ...]
    blocks: tuple[JSON, ...]

    def adapted(self, protocol: Protocol) -> Protocol:
        """Apply the changes of the suite to a protocol."""
        return dataclasses.replace(protocol, schedule=dataclasses.replace(protocol.schedule, **self.schedule))

    def rows(self, protocol: Protocol) -> list[tuple[Row, tuple[str, ...] | None]]:
        """Rows in order, each with the datasets that it is for; None for all."""
        rows: list[tuple[Row, tuple[str, ...] | None]] = []
        for block in self.blocks:
            datasets = tuple(block["datasets"]) if "datasets" in block else None
            rows += [(row, datasets) for row in _rows(block, protocol)]
        return rows


def names() -> list[str]:
    """Names of all suites."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Suite:
    """Read a suite.

    Raises:
        UsageError: There is no suite of that name, or it names an unknown metric.
    """
    if name not in names():
        raise UsageError(f"unknown suite {name!r}; {suggestion(name, names())}")
    values = tomllib.loads(read_text(FOLDER / f"{name}.toml"))
    for part in (values, *values["rows"]):
        _check_metrics(name, [*part.get("columns", ()), *part.get("metrics", ())])
    return Suite(
        name=name,
        purpose=values["purpose"],
        protocol=values["protocol"],
        datasets=tuple(values["datasets"]),
        schedule=values.get("schedule", {}),
        published=tuple(values.get("published", ())),
        columns=tuple(values.get("columns", ())),
        blocks=tuple({"metrics": values.get("metrics")} | block for block in values["rows"]),
    )


def _check_metrics(suite: str, metrics: list[str]) -> None:
    for metric in metrics:
        if metric not in METRICS:
            raise UsageError(f"suite {suite}: unknown metric {metric!r}; {suggestion(metric, list(METRICS))}")


def _rows(block: JSON, protocol: Protocol) -> list[Row]:
    """Combine a block's names, its codebook sizes (shares of the protocol's) and the product of its parameters.

    Rows of such sizes keep the hidden width of the protocol's own K, as do those of a block with `one_width`.
    """
    metrics = None if block["metrics"] is None else tuple(block["metrics"])
    rows = []
    for name, size, values in itertools.product(block["names"], block.get("sizes", [None]), _products(block)):
        row = parse(name)
        parameters = row.parameters | block.get("parameters", {}) | values
        words = [name, block["suffix"]] if "suffix" in block else [name]
        words += [f"{key}={_shown(value)}" for key, value in values.items()]
        label = " ".join(words)
        row = dataclasses.replace(
            row,
            name=label,
            parameters=parameters,
            schedule=block.get("schedule", {}),
            metrics=metrics,
            role=block.get("role", row.role),
            one_width=block.get("one_width", False),
        )
        if size is not None:
            codes = codebook_size(str(round(protocol.codebook_size * size)), f"{size:g} of {protocol.codebook_size}")
            row = dataclasses.replace(row, name=f"{label}@{codes}", codebook_size=codes, one_width=True)
        rows.append(row)
    return rows


def _products(block: JSON) -> list[JSON]:
    product = block.get("product", {})
    return [dict(zip(product, values, strict=True)) for values in itertools.product(*product.values())]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
