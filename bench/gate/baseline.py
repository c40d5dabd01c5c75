"""Baseline of the gate: the metrics of a run, and the noise of training on the same data."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from bench.errors import UsageError
from bench.gate.effects import effect, loss
from bench.metrics import METRICS, Metric
from bench.planning.cells import portable
from bench.records.files import write_atomically
from bench.stats.noise import Noise
from bench.typing import JSON
from datasets.text import read_text

SCHEMA = 1

Pair = tuple[str, str]


@dataclass(frozen=True)
class Series:
    """Trainings of one row on one dataset.

    Attributes:
        data_seeds: Data seed of every training.
        values: Metric -> its value in every training; None where it is blank.
    """

    data_seeds: tuple[int, ...] = ()
    values: dict[str, tuple[float | None, ...]] = field(default_factory=dict)

    def by_seed(self, metric: str) -> dict[int, list[float]]:
        """Data seed -> values that are not blank."""
        by_seed: dict[int, list[float]] = {}
        for seed, value in zip(self.data_seeds, self.values[metric], strict=True):
            if value is not None:
                by_seed.setdefault(seed, []).append(value)
        return by_seed

    def only(self, metrics: list[str]) -> "Series":
        """Leave out all other metrics."""
        return dataclasses.replace(self, values={name: self.values[name] for name in metrics})


@dataclass(frozen=True)
class Measured:
    """One row on one dataset.

    Attributes:
        conditions: Conditions that must agree for a comparison: parameters, data and their recipe, protocol and kind of
            device.
        trainings: Trainings of the run, one per seed.
        null: Further trainings on the data of these seeds; a run has none.
    """

    conditions: JSON
    trainings: Series
    null: Series = Series()

    def with_null(self, null: Series) -> "Measured":
        """Add null pairs, and leave out metrics whose noise they do not show: as a rule these are blank."""
        whole = dataclasses.replace(self, null=null)
        noisy = []
        for name in self.trainings.values:
            if self.trainings.by_seed(name) and whole.noise(METRICS[name]):
                noisy.append(name)
        return dataclasses.replace(self, trainings=self.trainings.only(noisy), null=null.only(noisy))

    def least(self, metric: Metric) -> float:
        """Smallest loss of a metric that matters, in the metric's unit."""
        values = [value for value in self.trainings.values[metric.name] if value is not None]
        return effect(metric.name).of(math.fsum(values) / len(values)) if values else 0.0

    def noise(self, metric: Metric) -> Noise | None:
        """Noise of the metric's loss between two trainings on the same data; None where no data have two."""
        groups = self.trainings.by_seed(metric.name)
        for seed, values in self.null.by_seed(metric.name).items():
            groups[seed] = groups.get(seed, []) + values
        losses = []
        for values in groups.values():
            losses.append([loss(metric, value) for value in values])
        return Noise.of(losses, self.least(metric))


@dataclass(frozen=True)
class Baseline:
    """A baseline that runs are checked against.

    Attributes:
        made: Facts for people: version, date and machine.
        rows: (row, dataset) -> the values that were measured.
    """

    made: JSON
    rows: dict[Pair, Measured]


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline as JSON, one line per row.

    Raises:
        UsageError: The file cannot be written.
    """
    head = json.dumps({"schema": SCHEMA, "made": baseline.made}, indent=1).removesuffix("\n}")
    rows = []
    for (row, dataset), measured in baseline.rows.items():
        values = {"row": row, "dataset": dataset} | dataclasses.asdict(measured)
        rows.append(json.dumps(values, allow_nan=False))
    try:
        write_atomically(path, head + ',\n "rows": [\n' + ",\n".join(rows) + "\n ]\n}\n")
    except OSError as error:
        raise UsageError(f"cannot write the baseline {path}: {error.strerror}") from None


def read(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UsageError: There is no such file, or it is damaged or of another version.
    """
    try:
        baseline_json = json.loads(read_text(path), parse_constant=_refuse)
        if baseline_json["schema"] != SCHEMA:
            raise ValueError(f"schema {baseline_json['schema']!r}, expected {SCHEMA}")
        rows: dict[Pair, Measured] = {}
        for row_json in baseline_json["rows"]:
            dataset = str(row_json["dataset"])
            measured = Measured(
                conditions=_conditions(dataset, dict(row_json["conditions"])),
                trainings=_series(row_json["trainings"]),
                null=_series(row_json["null"]),
            )
            if measured.null.values.keys() != measured.trainings.values.keys():
                raise ValueError("expected the metrics of the null pairs to be those of the run")
            rows[str(row_json["row"]), dataset] = measured
        return Baseline(made=dict(baseline_json["made"]), rows=rows)
    except OSError as error:
        raise UsageError(f"no baseline at {path} ({error.strerror}); bench baseline RUN -o FILE makes one") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is no baseline of this version ({type(error).__name__}: {error}); bench baseline RUN -o FILE "
            "makes one"
        ) from None


def _conditions(dataset: str, conditions: JSON) -> JSON:
    """Leave out the path of a file, which former versions kept: its content is in the recipe."""
    if "dataset_parameters" not in conditions:
        return conditions
    return conditions | {"dataset_parameters": portable(dataset, dict(conditions["dataset_parameters"]))}


def _series(series_json: JSON) -> Series:
    seeds = tuple(map(int, series_json["data_seeds"]))
    values = {}
    for name, column in series_json["values"].items():
        if len(column) != len(seeds):
            raise ValueError(f"expected {len(seeds)} values of {name}, got {len(column)}")
        values[str(name)] = tuple(map(_number, column))
    return Series(data_seeds=seeds, values=values)


def _number(value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"expected a finite number, got {text}")
