"""What a run is checked against: its cells' metrics, and how far trainings on the same data differ."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from bench.errors import UsageError
from bench.gate.effects import effect, watched
from bench.metrics import METRICS, Metric
from bench.planning.cells import portable
from bench.records.files import write_atomically
from bench.stats.noise import Noise
from bench.stats.standings import loss
from bench.typing import JSON
from datasets.text import read_text

SCHEMA = 1

Pair = tuple[str, str]


@dataclass(frozen=True)
class Series:
    """Trainings of one row on one dataset.

    Attributes:
        data_seeds: Of each training.
        values: Metric -> its value in each training, None where it is blank.
    """

    data_seeds: tuple[int, ...] = ()
    values: dict[str, tuple[float | None, ...]] = field(default_factory=dict)

    def by_seed(self, metric: str) -> dict[int, list[float]]:
        """Data seed -> values that are not blank."""
        found: dict[int, list[float]] = {}
        for seed, value in zip(self.data_seeds, self.values[metric], strict=True):
            if value is not None:
                found.setdefault(seed, []).append(value)
        return found

    def only(self, metrics: list[str]) -> "Series":
        """Without the other metrics."""
        return dataclasses.replace(self, values={name: self.values[name] for name in metrics})


@dataclass(frozen=True)
class Measured:
    """One row on one dataset.

    Attributes:
        conditions: What must be the same for two of them to be compared: parameters, data and their recipe, protocol
            and kind of device.
        trainings: One a seed.
        null: Further trainings on the data of these seeds; a run has none.
    """

    conditions: JSON
    trainings: Series
    null: Series = Series()

    def with_null(self, null: Series) -> "Measured":
        """With null pairs, and without the metrics of which these tell no noise: as a rule they are blank."""
        whole = dataclasses.replace(self, null=null)
        known = [name for name in self.trainings.values if self.trainings.by_seed(name) and whole.noise(METRICS[name])]
        return dataclasses.replace(self, trainings=self.trainings.only(known), null=null.only(known))

    def least(self, metric: Metric) -> float:
        """The smallest loss of a metric that matters here."""
        values = [value for value in self.trainings.values[metric.name] if value is not None]
        return effect(metric.name).of(math.fsum(values) / len(values)) if values else 0.0

    def noise(self, metric: Metric) -> Noise | None:
        """Of the metric's loss between two trainings on the same data; None where no data have two."""
        groups = self.trainings.by_seed(metric.name)
        for seed, values in self.null.by_seed(metric.name).items():
            groups[seed] = groups.get(seed, []) + values
        losses = [[loss(x, watched(metric), metric.target) for x in group] for group in groups.values()]
        return Noise.of(losses, self.least(metric))


@dataclass(frozen=True)
class Baseline:
    """What a run is checked against.

    Attributes:
        made: By which version, when and on what; for people.
        rows: (row, dataset) -> what was measured.
    """

    made: JSON
    rows: dict[Pair, Measured]


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline as JSON, one line a row.

    Raises:
        UsageError: It cannot be written there.
    """
    head = json.dumps({"schema": SCHEMA, "made": baseline.made}, indent=1).removesuffix("\n}")
    rows = [
        json.dumps({"row": row, "dataset": dataset} | dataclasses.asdict(measured), allow_nan=False)
        for (row, dataset), measured in baseline.rows.items()
    ]
    try:
        write_atomically(path, head + ',\n "rows": [\n' + ",\n".join(rows) + "\n ]\n}\n")
    except OSError as error:
        raise UsageError(f"cannot write the baseline {path}: {error.strerror}") from None


def read(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        UsageError: There is none, or it is damaged or of another version.
    """
    try:
        told = json.loads(read_text(path), parse_constant=_refuse)
        if told["schema"] != SCHEMA:
            raise ValueError(f"schema {told['schema']!r}, expected {SCHEMA}")
        rows = {
            (str(each["row"]), str(each["dataset"])): Measured(
                _conditions(str(each["dataset"]), dict(each["conditions"])),
                _series(each["trainings"]),
                _series(each["null"]),
            )
            for each in told["rows"]
        }
        for row in rows.values():
            if row.null.values.keys() != row.trainings.values.keys():
                raise ValueError("expected the metrics of the null pairs to be those of the run")
        return Baseline(dict(told["made"]), rows)
    except OSError as error:
        raise UsageError(f"no baseline at {path} ({error.strerror}); bench baseline RUN -o FILE makes one") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is no baseline of this version ({type(error).__name__}: {error}); bench baseline RUN -o FILE "
            "makes one"
        ) from None


def _conditions(dataset: str, told: JSON) -> JSON:
    """Without the place of a file, which former versions kept: its content is in the recipe."""
    if "dataset_parameters" not in told:
        return told
    return told | {"dataset_parameters": portable(dataset, dict(told["dataset_parameters"]))}


def _series(told: JSON) -> Series:
    seeds = tuple(int(seed) for seed in told["data_seeds"])
    values = {str(name): tuple(_number(value) for value in column) for name, column in told["values"].items()}
    for name, column in values.items():
        if len(column) != len(seeds):
            raise ValueError(f"expected {len(seeds)} values of {name}, got {len(column)}")
    return Series(seeds, values)


def _number(value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r}")
    return float(value)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"expected a finite number, got {text}")
