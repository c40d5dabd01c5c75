"""The gate: has quality fallen against a baseline, by more than trainings on the same data differ anyway?"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.gate.baseline import Baseline, Measured, Pair
from bench.gate.effects import watched
from bench.gate.observations import Problem, measured, undone
from bench.metrics import METRICS, Metric
from bench.planning.finished import FinishedRun
from bench.stats.estimates import holm
from bench.stats.noise import Noise
from bench.stats.standings import loss

FALSE_ALARMS = 0.01  # share of checks of unchanged quality that may call anything fallen: CI runs hundreds of them
HOLDS, REGRESSED, UNMEASURED, FAILED = 0, 1, 2, 3
NAMED = 3  # differences of conditions that a reason tells

Outcome = Literal["regressed", "improved", "holds"]


@dataclass(frozen=True)
class Comparison:
    """One metric of one row on one dataset, over the seeds that baseline and run share.

    Attributes:
        n: These seeds.
        before: The baseline's mean, in the metric's unit.
        after: The run's.
        loss: Mean of what was lost; below 0 for a gain. Of a metric with a target it is the distance from that.
        least: The smallest loss that matters.
        noise: Of one seed's difference.
        p: One-sided, of a loss of 0 (or, where something was gained, of a gain of 0), by Holm over all comparisons.
        reach: The loss that a check shows in 95 of 100 cases.
    """

    row: str
    dataset: str
    metric: str
    n: int
    before: float
    after: float
    loss: float
    least: float
    noise: Noise
    p: float
    reach: float = math.inf
    outcome: Outcome = "holds"


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        comparisons: In the baseline's order.
        failed: Cells of the run without a result.
        unmeasured: What the baseline has and the run has not, or not alike.
        notes: What else to know.
    """

    comparisons: tuple[Comparison, ...]
    failed: tuple[Problem, ...]
    unmeasured: tuple[Problem, ...]
    notes: tuple[str, ...]

    def of(self, outcome: str) -> list[Comparison]:
        """Comparisons that ended so, the surest first."""
        return sorted((each for each in self.comparisons if each.outcome == outcome), key=lambda each: each.p)

    @property
    def code(self) -> int:
        """Exit code: a cell that failed says more than a loss, and a loss more than something left unmeasured."""
        if self.failed:
            return FAILED
        if self.of("regressed"):
            return REGRESSED
        return UNMEASURED if self.unmeasured or not self.comparisons else HOLDS


def check(baseline: Baseline, run: FinishedRun) -> Verdict:
    """Compare a run with a baseline.

    Args:
        baseline: What `bench.gate.baseline.read` read.
        run: The run.
    """
    absent = {(row, dataset): reason for row, dataset, _, reason in run.plan.unavailable}
    comparisons, unmeasured, notes = compare(baseline.rows, measured(run), absent)
    return Verdict(comparisons, tuple(undone(run)), unmeasured, notes)


def compare(
    before: Mapping[Pair, Measured], after: Mapping[Pair, Measured], absent: Mapping[Pair, str]
) -> tuple[tuple[Comparison, ...], tuple[Problem, ...], tuple[str, ...]]:
    """Compare what was measured.

    A mean loss m of n seeds, m = mean(loss after - loss before), has the standard error s / sqrt(n), where s is the
    standard deviation of the difference between two trainings on the same data, as the baseline's null pairs tell it.
    It is called fallen where m is at least the smallest loss that matters and its one-sided p (t distribution with the
    null pairs' degrees of freedom) is at most FALSE_ALARMS, by Holm over all comparisons.

    Args:
        before: The baseline's rows, with their null pairs.
        after: The run's.
        absent: Rows that the run could not have -> why.

    Returns:
        Comparisons, what could not be compared, and notes.
    """
    found: list[Comparison] = []
    problems: list[Problem] = []
    shares: dict[tuple[int, int], None] = {}
    for pair, row in before.items():
        reason = _unlike(row, after.get(pair), absent.get(pair))
        if reason:
            problems.append(Problem(*pair, "", reason))
            continue
        for name in row.trainings.values:
            outcome = _compared(pair, name, row, after[pair])
            if isinstance(outcome, Problem):
                problems.append(outcome)
            else:
                found.append(outcome)
                shares[outcome.n, len(row.trainings.by_seed(name))] = None
    notes = [f"some comparisons are over {n} of the baseline's {of} seeds" for n, of in shares if n < of]
    new = [f"{row} on {dataset}" for row, dataset in after if (row, dataset) not in before]
    if new:
        notes.append(f"not in the baseline, so not checked: {', '.join(new)}")
    return tuple(_judged(found)), tuple(problems), tuple(notes)


def _unlike(before: Measured, after: Measured | None, absent: str | None) -> str:
    """Why two rows cannot be compared; "" where they can."""
    if after is None:
        return absent or "in the baseline, but not in this run"
    differences = list(_differences(before.conditions, after.conditions))
    if differences:
        more = len(differences) - NAMED
        return "not comparable: " + "; ".join(differences[:NAMED]) + (f"; and {more} more" if more > 0 else "")
    seeds = before.trainings.data_seeds, after.trainings.data_seeds
    if not set(seeds[0]) & set(seeds[1]):
        told = [", ".join(map(str, each)) for each in seeds]
        return f"not comparable: seeds {told[0]} in the baseline, {told[1]} in this run"
    return ""


def _differences(before: Any, after: Any, name: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from _differences(before.get(key), after.get(key), f"{name}.{key}" if name else str(key))
    elif before != after:
        yield f"{name} is {before!r} in the baseline and {after!r} in this run"


def _compared(pair: Pair, name: str, before: Measured, after: Measured) -> Comparison | Problem:
    """One comparison, not yet judged: its p is not corrected for the others, and its reach is left open."""
    metric = METRICS.get(name)
    if metric is None or name not in after.trainings.values:
        return Problem(*pair, name, "not measured: this version does not watch such a metric")
    old, new = before.trainings.by_seed(name), after.trainings.by_seed(name)
    seeds = [seed for seed in old if seed in new]
    if not seeds:
        return Problem(*pair, name, "not measured: blank on every seed that the baseline has it for")
    noise = before.noise(metric)
    if noise is None:
        return Problem(*pair, name, "not measured: the baseline has no null pair of it")
    firsts, seconds = [old[seed][0] for seed in seeds], [new[seed][0] for seed in seeds]
    mean = _mean(firsts)
    lost = _mean([_loss(metric, new) - _loss(metric, old) for old, new in zip(firsts, seconds, strict=True)])
    return Comparison(
        *pair,
        metric=name,
        n=len(seeds),
        before=mean,
        after=_mean(seconds),
        loss=lost,
        least=before.least(metric),
        noise=noise,
        p=noise.p(lost, len(seeds)),
    )


def _judged(found: list[Comparison]) -> Iterator[Comparison]:
    """With p corrected for all comparisons, what that says, and how much would have been seen."""
    losses, gains = holm(each.p for each in found), holm(1 - each.p for each in found)
    for each, p_loss, p_gain in zip(found, losses, gains, strict=True):
        p = p_loss if each.loss > 0 else p_gain
        assert p is not None  # every p that goes in comes out
        sure = p <= FALSE_ALARMS and abs(each.loss) >= each.least
        outcome: Outcome = ("regressed" if each.loss > 0 else "improved") if sure else "holds"
        reach = each.noise.reach(each.n, FALSE_ALARMS / len(found), each.least)
        yield replace(each, p=p, outcome=outcome, reach=reach)


def _loss(metric: Metric, value: float) -> float:
    return loss(value, watched(metric), metric.target)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
