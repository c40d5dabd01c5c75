"""The gate: a comparison with a baseline that tells losses of quality from the noise of training."""

import functools
import json
import math
import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import quantizers
from bench.gate.baseline import Baseline, Measured, Pair
from bench.gate.effects import loss
from bench.gate.observations import Problem, measured, undone
from bench.metrics import METRICS
from bench.planning.finished import FinishedRun
from bench.stats.estimates import holm
from bench.stats.noise import Noise
from bench.typing import JSON

FALSE_ALARMS = 0.01
"""Share of checks of unchanged quality that may report a loss: CI runs hundreds of them."""

HOLDS, REGRESSED, UNMEASURED, FAILED = 0, 1, 2, 3
"""Exit codes of a check."""

NAMED = 3
"""Number of differing conditions that a reason names."""

Outcome = Literal["regressed", "improved", "holds"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of one row on one dataset, over the seeds that baseline and run share.

    Attributes:
        row: Name of the row in the tables.
        dataset: Name of the dataset in the tables.
        metric: Name of the metric.
        n: Number of the shared seeds.
        before: Mean of the baseline, in the metric's unit.
        after: Mean of the run, in the metric's unit.
        loss: Mean loss, below 0 for a gain; for a metric with a target the loss is the distance from it.
        least: Smallest loss that matters, in the metric's unit.
        noise: Noise of one seed's difference.
        p: One-sided p of a loss of 0 (or of a gain of 0, where there was a gain), by Holm over all comparisons.
        reach: Loss that a check shows in 95 of 100 cases.
        outcome: Judgement over all comparisons.
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


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict of a check.

    Attributes:
        comparisons: Comparisons in the order of the baseline.
        failed: Cells of the run without a result.
        unmeasured: Parts of the baseline that the run lacks, or that are not comparable.
        notes: Further remarks for people.
    """

    comparisons: tuple[Comparison, ...]
    failed: tuple[Problem, ...] = ()
    unmeasured: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, outcome: str) -> list[Comparison]:
        """Comparisons of one outcome, the surest first."""
        chosen = [comparison for comparison in self.comparisons if comparison.outcome == outcome]
        return sorted(chosen, key=operator.attrgetter("p"))

    @property
    def code(self) -> int:
        """Exit code: a failed cell comes before a loss, and a loss before a part that was not measured."""
        if self.failed:
            return FAILED
        if self.of("regressed"):
            return REGRESSED
        return UNMEASURED if self.unmeasured or not self.comparisons else HOLDS


def check(baseline: Baseline, run: FinishedRun) -> Verdict:
    """Compare a run with a baseline.

    Args:
        baseline: Baseline of a former run.
        run: Run to be judged.
    """
    reasons = {(absent.row, absent.dataset): absent.reason for absent in run.plan.unavailable}
    comparisons, unmeasured, notes = compare(baseline.rows, measured(run), reasons)
    return Verdict(comparisons=comparisons, failed=tuple(undone(run)), unmeasured=unmeasured, notes=notes)


def compare(
    before: Mapping[Pair, Measured], after: Mapping[Pair, Measured], absent: Mapping[Pair, str]
) -> tuple[tuple[Comparison, ...], tuple[Problem, ...], tuple[str, ...]]:
    """Compare the rows of a run with those of a baseline.

    A mean loss m of n seeds, m = mean(loss after - loss before), has the standard error s / sqrt(n), where s is the
    standard deviation of the difference between two trainings on the same data, estimated by the baseline's null pairs.
    Quality has fallen where m is at least the smallest loss that matters and its one-sided p (t distribution with the
    null pairs' degrees of freedom) is at most FALSE_ALARMS, by Holm over all comparisons.

    Args:
        before: Rows of the baseline, with their null pairs.
        after: Rows of the run.
        absent: (row, dataset) that the run could not have -> reason.

    Returns:
        Comparisons, parts that could not be compared, and notes.
    """
    comparisons: list[Comparison] = []
    problems: list[Problem] = []
    shares: dict[tuple[int, int], None] = {}
    for pair, row in before.items():
        reason = _unlike(row, after.get(pair), absent.get(pair))
        if reason:
            problems.append(Problem(row=pair[0], dataset=pair[1], reason=reason))
            continue
        for name in row.trainings.values:
            outcome = _compared(pair, name, row, after[pair])
            if isinstance(outcome, Problem):
                problems.append(outcome)
            else:
                comparisons.append(outcome)
                shares[outcome.n, len(row.trainings.by_seed(name))] = None
    notes = []
    for n, baseline_n in shares:
        if n < baseline_n:
            notes.append(f"some comparisons are over {n} of the baseline's {baseline_n} seeds")
    new = [pair for pair in after if pair not in before]
    if new:
        notes.append(f"not in the baseline, so not checked: {', '.join(map(' on '.join, new))}")
    return tuple(_judged(comparisons)), tuple(problems), tuple(notes)


def _unlike(before: Measured, after: Measured | None, absent: str | None) -> str:
    """Reason why two rows cannot be compared; "" where they can."""
    if after is None:
        return absent or "in the baseline, but not in this run"
    differences = list(_differences(_with_later_parameters(before.conditions, after.conditions), after.conditions))
    if differences:
        more = len(differences) - NAMED
        return "not comparable: " + "; ".join(differences[:NAMED]) + (f"; and {more} more" if more > 0 else "")
    old_seeds, new_seeds = before.trainings.data_seeds, after.trainings.data_seeds
    if set(old_seeds).isdisjoint(new_seeds):
        old, new = ", ".join(map(str, old_seeds)), ", ".join(map(str, new_seeds))
        return f"not comparable: seeds {old} in the baseline, {new} in this run"
    return ""


def _with_later_parameters(before: JSON, after: JSON) -> JSON:
    """Conditions of a baseline, with the parameters that its family has got since, where these are at their defaults.

    A new parameter of a family leaves it as it was at its default.
    """
    name = str(after.get("quantizer", "")).partition(":")[0]
    if name not in quantizers.names():
        return before
    later = json.loads(json.dumps(quantizers.get(name)[1]))  # tuples become lists, as in a baseline
    recorded, current = before.get("parameters", {}), after.get("parameters", {})
    added = {key: value for key, value in later.items() if key not in recorded and current.get(key) == value}
    return before | {"parameters": recorded | added}


def _differences(before: Any, after: Any, name: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            yield from _differences(before.get(key), after.get(key), f"{name}.{key}" if name else str(key))
    elif before != after:
        yield f"{name} is {before!r} in the baseline and {after!r} in this run"


def _compared(pair: Pair, name: str, before: Measured, after: Measured) -> Comparison | Problem:
    """Make a comparison that is not yet judged: its p is not corrected for the others, and its reach is open."""
    problem = functools.partial(Problem, row=pair[0], dataset=pair[1], part=name)
    metric = METRICS.get(name)
    if metric is None or name not in after.trainings.values:
        return problem(reason="not measured: this version does not watch such a metric")
    old, new = before.trainings.by_seed(name), after.trainings.by_seed(name)
    seeds = [seed for seed in old if seed in new]
    if not seeds:
        return problem(reason="not measured: blank on every seed that the baseline has it for")
    noise = before.noise(metric)
    if noise is None:
        return problem(reason="not measured: the baseline has no null pair of it")
    firsts, seconds, losses = [], [], []
    for seed in seeds:
        first, second = old[seed][0], new[seed][0]
        firsts.append(first)
        seconds.append(second)
        losses.append(loss(metric, second) - loss(metric, first))
    lost = _mean(losses)
    return Comparison(
        row=pair[0],
        dataset=pair[1],
        metric=name,
        n=len(seeds),
        before=_mean(firsts),
        after=_mean(seconds),
        loss=lost,
        least=before.least(metric),
        noise=noise,
        p=noise.p(lost, len(seeds)),
    )


def _judged(comparisons: list[Comparison]) -> Iterator[Comparison]:
    """Correct p for all comparisons, and add the outcome and the loss that would have been seen."""
    p_values = [comparison.p for comparison in comparisons]
    losses, gains = holm(p_values), holm(1 - p for p in p_values)
    for comparison, p_loss, p_gain in zip(comparisons, losses, gains, strict=True):
        p = p_loss if comparison.loss > 0 else p_gain
        assert p is not None  # every p that goes in comes out
        outcome: Outcome = "holds"
        if p <= FALSE_ALARMS and abs(comparison.loss) >= comparison.least:
            outcome = "regressed" if comparison.loss > 0 else "improved"
        reach = comparison.noise.reach(comparison.n, FALSE_ALARMS / len(comparisons), comparison.least)
        yield replace(comparison, p=p, outcome=outcome, reach=reach)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
