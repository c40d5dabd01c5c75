"""Variance components: the spread of a column over seeds, told apart by its source."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.stats.estimates import FEWEST_SEEDS


@dataclass(frozen=True, kw_only=True)
class Components:
    """Variance components of a column of rows by seeds, x = row + seed + rest.

    Attributes:
        shared: Variance of the effects of seeds that all rows share: the draw of the data.
        rest: Variance of the rest: training seed, reader, and the reaction of a row to the data.
    """

    shared: float
    rest: float

    @property
    def total(self) -> float:
        """Variance of a value over seeds."""
        return self.shared + self.rest


def components(column: Mapping[str, Mapping[int, float]]) -> Components | None:
    """Estimate components by the two-way analysis of variance without replication (Searle et al. 1992, chapter 4).

    A negative estimate of the shared variance is 0.

    Args:
        column: Row name -> seed -> finite value. Rows that lack a seed of the others are left out.

    Returns:
        The components; None for fewer than two rows or FEWEST_SEEDS seeds.

    >>> components({"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 5.0, 1: 6.0, 2: 7.0}})
    Components(shared=1.0, rest=0.0)
    """
    seeds = set().union(*column.values())
    rows = [[row[seed] for seed in sorted(seeds)] for row in column.values() if row.keys() == seeds]
    if len(rows) < 2 or len(seeds) < FEWEST_SEEDS:
        return None
    by_seed = [math.fsum(values) / len(rows) for values in zip(*rows, strict=True)]
    by_row = [math.fsum(row) / len(seeds) for row in rows]
    grand = math.fsum(by_row) / len(rows)
    between = len(rows) * math.fsum((mean - grand) ** 2 for mean in by_seed) / (len(seeds) - 1)
    squares = 0.0
    for row, row_mean in zip(rows, by_row, strict=True):
        for value, seed_mean in zip(row, by_seed, strict=True):
            squares += (value - row_mean - seed_mean + grand) ** 2
    rest = squares / ((len(rows) - 1) * (len(seeds) - 1))
    return Components(shared=max(0.0, (between - rest) / len(rows)), rest=rest)


def pooled_variance(groups: Iterable[Sequence[float]]) -> float | None:
    """Variance within groups, pooled; None where no group has two values.

    >>> pooled_variance([[1.0, 3.0], [5.0, 5.0, 8.0], [9.0]])  # squares 2 and 6 over 1 + 2 degrees of freedom
    2.6666666666666665
    """
    squares, freedom = 0.0, 0
    for group in groups:
        if group:
            mean = math.fsum(group) / len(group)
            squares += math.fsum((value - mean) ** 2 for value in group)
            freedom += len(group) - 1
    return squares / freedom if freedom else None
