"""Standings: rows of a column that differ significantly from its best row."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bench.stats.estimates import FEWEST_SEEDS, SIGNIFICANCE, Paired, holm, paired
from bench.vocabulary import Direction

Mark = Literal["best", "tied", "behind", "identical", "untested"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Comparison of a row with the best row of its column.

    Rows other than the best are not compared with each other, even where their marks differ.

    Attributes:
        n: Number of seeds of the comparison; without one, and for the best, the number of the row's own seeds.
        mean: Mean of the row's values over its own seeds, in the column's unit; None without any.
        best: Name of the row that it is compared with; None where nothing is claimed.
        difference: Mean loss minus that of the best, over the seeds that both have: above 0 is worse. None without a
            comparison, 0 for the best.
        low: Lower end of the difference's 95 % t interval, not corrected for other comparisons; None without a test.
        high: Upper end of that interval.
        p: Two-sided p of the paired t test; None without a test.
        p_holm: p, corrected within the column (`holm` with to_best).
        mark: One word. "behind": significantly worse than the best. "tied": no significant difference from the best.
            "identical": every difference to the best is zero. "untested": no test. "best": the best, where some row is
            behind; where none is, the best is marked like the others, because no row is best by a bare minimum.
    """

    n: int
    mean: float | None
    best: str | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    mark: Mark = "untested"


def standings(
    values: Mapping[str, Mapping[int, float]],
    direction: Direction,
    target: float | None = None,
    overlap: float = 0.0,
) -> dict[str, Standing]:
    """Compare the rows of one column with its best row.

    Losses are x (lower), -x (higher) or |x - target|. A value that is not finite is a seed that the row lacks. Rows
    with fewer than FEWEST_SEEDS seeds are untested. The best is the smallest mean loss (the first name among equals)
    over the seeds that all other rows share, so that no row wins by easy seeds. Where they share fewer than
    FEWEST_SEEDS, nothing is claimed. Every row is compared with the best over all seeds that the two share; on these
    it may be ahead, and is then tied at worst.

    The best is chosen on the values that it is tested with, which Holm's correction alone does not account for. `holm`
    with to_best counts the pairs that could have been compared; docs/concepts/statistics.md shows by simulation how
    often it errs.

    Args:
        values: Row name -> seed -> value.
        direction: Better end of the values.
        target: Best value where the direction is "target".
        overlap: Share n_test / n_train of seeds that split one finite source, see `paired`.

    Returns:
        Row name -> standing, in the order of `values`.

    Raises:
        ValueError: The direction is "none", or "target" without a target.
    """
    finite: dict[str, dict[int, float]] = {}
    losses: dict[str, dict[int, float]] = {}
    for name, row in values.items():
        finite[name] = {seed: value for seed, value in row.items() if math.isfinite(value)}
        if len(finite[name]) >= FEWEST_SEEDS:
            losses[name] = {seed: loss(value, direction, target) for seed, value in finite[name].items()}
    best = _best(losses)
    if best is None:
        return {name: Standing(n=len(row), mean=_mean(row)) for name, row in finite.items()}
    tests = {name: _over_shared(row, losses[best], overlap) for name, row in losses.items() if name != best}
    adjusted = dict(zip(tests, holm((test.p for test in tests.values()), to_best=True), strict=True))
    ranked: dict[str, Standing] = {}
    for name, row in finite.items():
        if name not in tests:
            ranked[name] = Standing(n=len(row), mean=_mean(row), best=best)
            continue
        test = tests[name]
        ranked[name] = Standing(
            n=test.n,
            mean=_mean(row),
            best=best,
            difference=test.mean,
            low=test.low,
            high=test.high,
            p=test.p,
            p_holm=adjusted[name],
            mark=_mark(test, adjusted[name]),
        )
    mark_of_best = _mark_of_best({ranked[name].mark for name in tests})
    ranked[best] = replace(ranked[best], difference=0.0, mark=mark_of_best)
    return ranked


def loss(value: float, direction: Direction, target: float | None) -> float:
    """Loss of a value, which is to be small: x (lower), -x (higher) or |x - target|.

    Raises:
        ValueError: The direction is "none", or "target" without a target.
    """
    if direction == "lower":
        return value
    if direction == "higher":
        return -value
    if direction == "target" and target is not None:
        return abs(value - target)
    raise ValueError(f"Expected a direction with a best value, got {direction!r} with target {target}.")


def _best(losses: Mapping[str, Mapping[int, float]]) -> str | None:
    if len(losses) < 2:
        return None
    shared = set.intersection(*map(set, losses.values()))
    if len(shared) < FEWEST_SEEDS:
        return None
    return min(losses, key=lambda name: (math.fsum(map(losses[name].__getitem__, shared)), name))


def _over_shared(first: Mapping[int, float], second: Mapping[int, float], overlap: float) -> Paired:
    seeds = [seed for seed in first if seed in second]
    return paired(list(map(first.__getitem__, seeds)), list(map(second.__getitem__, seeds)), overlap)


def _mark(test: Paired, p: float | None) -> Mark:
    if test.outcome != "tested" or p is None:
        return "identical" if test.outcome == "identical" else "untested"
    return "behind" if p <= SIGNIFICANCE and test.mean > 0 else "tied"


def _mark_of_best(others: set[Mark]) -> Mark:
    if "behind" in others:
        return "best"
    if "tied" in others:
        return "tied"
    return "identical" if "identical" in others else "untested"


def _mean(row: Mapping[int, float]) -> float | None:
    return math.fsum(row.values()) / len(row) if row else None
