"""Standings: every row of a column against its best row, in words and numbers."""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from scipy import special

from bench.stats.estimates import FEWEST_SEEDS, SIGNIFICANCE, Paired, paired
from bench.stats.losses import Losses
from bench.stats.moderation import (
    FEWEST_ROWS,
    NO_PRIOR,
    Prior,
    fit_prior,
    most_freedom,
    typical_variance,
)
from bench.vocabulary import Direction, Mark, Scale

FEWEST_PAIRS = 8
"""Least factor of p in a column with a prior, which was fitted to other rows than those that are left."""
POWER = 0.8
"""Probability with which `seeds_needed` decides, if the difference is as measured."""
MOST_SEEDS = 1_000

Column = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Comparison of a row with the best row of its column.

    Rows other than the best are not compared with each other, even where their marks differ.

    Attributes:
        n: Number of seeds of the comparison; without one, and for the best, the number of the row's own seeds.
        mean: Mean of the row's values over its own seeds, in the column's unit; None without any.
        best: Name of the row that it is compared with; None where nothing is claimed.
        difference: Loss in the column's unit, above that of the best: above 0 is worse. It is the mean difference on
            the column's scale, turned back at the value of the best. None without a comparison, 0 for the best.
        low: Lower end of the interval of the difference; None without a test. The interval and `p_adjusted` never
            disagree: 0 is outside of it where `p_adjusted` is at most the significance level.
        high: Upper end of that interval.
        p: Two-sided p of the moderated paired t test; None without a test.
        p_adjusted: p, corrected for the choice of the best and for all comparisons of the columns that are judged
            together.
        p_equivalence: p of the two one-sided tests against `margin`, corrected for all of these comparisons; None
            without a margin or a test.
        margin: Smallest loss that matters, in the column's unit; None where none is known.
        seeds_needed: Number of seeds that would decide an undecided row with a probability of 0.8, if difference and
            noise are as measured; None where it is decided, or where more than 1,000 would not be enough.
        mark: One word. "behind": significantly worse than the best. "equivalent": any difference is smaller than the
            smallest loss that matters. "undecided": neither of them. "identical": every difference to the best is zero.
            "untested": no test. "best": the best, where some row is behind; where none is, the best is marked like the
            others, because no row is best by a bare minimum.
    """

    n: int
    mean: float | None
    best: str | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    p_equivalence: float | None = None
    margin: float | None = None
    seeds_needed: int | None = None
    mark: Mark = "untested"


@dataclass(frozen=True, kw_only=True)
class _Test:
    """Moderated comparison of a row with the best.

    Attributes:
        paired: Comparison on the column's scale, without moderation.
        variance: Moderated variance of a difference.
        freedom: Degrees of freedom with those of the prior.
        overlap: Share n_test / n_train of seeds that split one finite source.
        factor: Factor of p, which counts the comparisons.
        significance: Level of the corrected test.
    """

    paired: Paired
    variance: float
    freedom: float
    overlap: float = 0.0
    factor: int = 1
    significance: float = SIGNIFICANCE

    def error(self, n: int) -> float:
        """Standard error of the mean of n differences."""
        return math.sqrt(self.variance * (1 / n + self.overlap))

    @property
    def p(self) -> float:
        """Two-sided p without correction."""
        return 2 * _upper_tail(self.freedom, abs(self.paired.mean) / self.error(self.paired.n))

    @property
    def p_adjusted(self) -> float:
        """P times the factor, at most 1."""
        return min(1.0, self.factor * self.p)

    def half_width(self) -> float:
        """Half the width of the interval at the corrected level."""
        return _quantile(self.freedom, 1 - self.significance / (2 * self.factor)) * self.error(self.paired.n)

    def p_equivalence(self, margin: float, comparisons: int) -> float:
        """Larger p of two one-sided tests of a difference beyond the margin on either side, corrected (Bonferroni)."""
        error = self.error(self.paired.n)
        nearest = margin - abs(self.paired.mean)
        return min(1.0, comparisons * _upper_tail(self.freedom, nearest / error))

    def decides(self, n: int, margin: float | None, comparisons: int) -> bool:
        """Whether n seeds would decide with a probability of POWER, if difference and noise are as measured."""
        freedom = self.freedom + n - self.paired.n
        error = self.error(n)
        power = _quantile(freedom, POWER)
        if abs(self.paired.mean) >= (_quantile(freedom, 1 - self.significance / (2 * self.factor)) + power) * error:
            return True
        if margin is None:
            return False
        reach = (_quantile(freedom, 1 - self.significance / comparisons) + power) * error
        return margin - abs(self.paired.mean) >= reach


def standings(
    values: Column,
    direction: Direction,
    target: float | None = None,
    overlap: float = 0.0,
    *,
    scale: Scale = "linear",
    effect: Callable[[float], float] | None = None,
    significance: float = SIGNIFICANCE,
    columns: int = 1,
) -> dict[str, Standing]:
    """Compare the rows of one column with its best row.

    1. Values become losses on the column's scale (`Losses`); a column with a value outside of the scale is "linear".
    2. A value that is not finite is a seed that the row lacks. Rows with fewer than FEWEST_SEEDS seeds are untested.
    3. The best has the smallest mean loss (the first name among equals) over the seeds that all other rows share, so
       that no row wins by easy seeds. Where they share fewer than FEWEST_SEEDS, nothing is claimed.
    4. Every row is compared with the best over all seeds that the two share, by a paired t test with a moderated
       variance (`bench.stats.moderation`). On these seeds it may be ahead, and is then undecided.
    5. Rows leave from the smallest p on. The p of m rows that are left is multiplied by m (m + 1) / 2, the pairs among
       them and the best, because the best is chosen on the values that it is tested with; in a column with a prior by
       at least FEWEST_PAIRS. The prior is fitted to all rows; its variance is at least that of the rows left.

    docs/concepts/statistics.md shows by simulation how often this errs and what it finds.

    Args:
        values: Row name -> seed -> value.
        direction: Better end of the values.
        target: Best value where the direction is "target".
        overlap: Share n_test / n_train of seeds that split one finite source, see `paired`.
        scale: Scale on which values are compared.
        effect: Function from a value to the smallest loss from it that matters, in the column's unit; None where none
            is known, so that no row is called equivalent.
        significance: Level of the corrected tests; smaller where one of several looks is taken
            (`bench.stats.spending`).
        columns: Number of columns that are judged together, this one among them: every p is multiplied by it
            (Bonferroni), so that a false claim in any of them is as unlikely as in a single one.

    Returns:
        Row name -> standing, in the order of `values`.

    Raises:
        ValueError: The direction is "none", or "target" without a target.
    """
    finite: dict[str, dict[int, float]] = {}
    for name, row in values.items():
        finite[name] = {seed: value for seed, value in row.items() if math.isfinite(value)}
    losses = Losses.of(direction, target, scale, itertools.chain.from_iterable(map(dict.values, finite.values())))
    tested = {name: losses.of_seeds(row) for name, row in finite.items() if len(row) >= FEWEST_SEEDS}
    best = _best(tested)
    if best is None:
        return {name: Standing(n=len(row), mean=_mean(row)) for name, row in finite.items()}
    tests = _tests(tested, best, overlap, significance, columns)
    ranked: dict[str, Standing] = {}
    for name, row in finite.items():
        standing = Standing(n=len(row), mean=_mean(row), best=best)
        if name in tests:
            shared = [seed for seed in tested[name] if seed in tested[best]]
            best_loss = math.fsum(map(tested[best].__getitem__, shared)) / len(shared)
            standing = _compared(standing, tests[name], losses, best_loss, effect, columns * len(tests))
        ranked[name] = standing
    marks = {ranked[name].mark for name in tests}
    ranked[best] = replace(ranked[best], difference=0.0, mark=_mark_of_best(marks))
    return ranked


def _compared(
    standing: Standing,
    test: "_Test | Paired",
    losses: Losses,
    best_loss: float,
    effect: Callable[[float], float] | None,
    comparisons: int,
) -> Standing:
    if isinstance(test, Paired):
        mark: Mark = "identical" if test.outcome == "identical" else "untested"
        return replace(standing, n=test.n, difference=losses.difference(best_loss, test.mean), mark=mark)
    mean, half = test.paired.mean, test.half_width()
    margin = None if effect is None else abs(effect(losses.value(best_loss)))
    beyond = None if margin is None else losses.from_unit(losses.in_unit(best_loss) + margin) - best_loss
    p_equivalence = None if beyond is None else test.p_equivalence(beyond, comparisons)
    if p_equivalence is not None and p_equivalence <= test.significance:
        mark = "equivalent"
    else:
        mark = "behind" if test.p_adjusted <= test.significance and mean > 0 else "undecided"
    return replace(
        standing,
        n=test.paired.n,
        difference=losses.difference(best_loss, mean),
        low=losses.difference(best_loss, mean - half),
        high=losses.difference(best_loss, mean + half),
        p=test.p,
        p_adjusted=test.p_adjusted,
        p_equivalence=p_equivalence,
        margin=margin,
        seeds_needed=_seeds_needed(test, beyond, comparisons) if mark == "undecided" else None,
        mark=mark,
    )


def _tests(losses: Column, best: str, overlap: float, significance: float, columns: int) -> dict[str, "_Test | Paired"]:
    """Moderated tests of all rows but the best; those without a test as they are."""
    pairs: dict[tuple[str, str], Paired] = {}
    for first, second in itertools.combinations(losses, 2):
        seeds = [seed for seed in losses[first] if seed in losses[second]]
        if len(seeds) >= FEWEST_SEEDS:
            firsts, seconds = (list(map(losses[name].__getitem__, seeds)) for name in (first, second))
            pairs[first, second] = paired(firsts, seconds, overlap)
    against_best: dict[str, Paired] = {}
    for name in losses:
        if name != best:
            pair = pairs.get((name, best))
            against_best[name] = pair if pair is not None else _reversed(pairs[best, name])
    tests: dict[str, _Test | Paired] = dict(against_best)
    left = {name for name, pair in against_best.items() if pair.outcome == "tested"}
    whole = _prior(pairs, len(losses))
    least = min(FEWEST_PAIRS, len(losses) * (len(losses) - 1) // 2) if whole.freedom else 1
    while left:
        variances, freedoms = _variances(pairs, {best, *left})
        prior = replace(whole, variance=max(whole.variance, typical_variance(variances, freedoms)))
        factor = columns * max(len(left) * (len(left) + 1) // 2, least)
        current: dict[str, _Test] = {}
        for name in left:
            test = _moderated(against_best[name], prior, len(losses))
            current[name] = replace(test, overlap=overlap, factor=factor, significance=significance)
        tests |= current
        first = min(left, key=lambda name: (current[name].p, name))
        if current[first].p_adjusted > significance:
            break
        left.remove(first)
    return tests


def _moderated(pair: Paired, prior: Prior, rows: int) -> _Test:
    """Test of one comparison, without correction."""
    assert pair.std is not None
    freedom = pair.n - 1
    limited = replace(prior, freedom=min(prior.freedom, most_freedom(pair.n, rows)))
    variance = limited.moderate(pair.std**2, freedom)
    return _Test(paired=pair, variance=variance, freedom=limited.freedom + freedom)


def _prior(pairs: Mapping[tuple[str, str], Paired], rows: int) -> Prior:
    if rows < FEWEST_ROWS:
        return NO_PRIOR
    variances, freedoms = _variances(pairs, set(itertools.chain.from_iterable(pairs)))
    return fit_prior(variances, freedoms, math.inf)


def _variances(pairs: Mapping[tuple[str, str], Paired], names: set[str]) -> tuple[list[float], list[int]]:
    """Variances of the tested pairs among some rows, and their degrees of freedom."""
    variances, freedoms = [], []
    for pair_names, pair in pairs.items():
        if names.issuperset(pair_names) and pair.outcome == "tested" and pair.std:
            variances.append(pair.std**2)
            freedoms.append(pair.n - 1)
    return variances, freedoms


def _reversed(pair: Paired) -> Paired:
    low, high = pair.low, pair.high
    ends = (None, None) if low is None or high is None else (-high, -low)
    return replace(pair, mean=-pair.mean, low=ends[0], high=ends[1])


def _seeds_needed(test: _Test, margin: float | None, comparisons: int) -> int | None:
    """Smallest number of seeds that would decide, by bisection: more seeds decide more often."""
    if not test.decides(MOST_SEEDS, margin, comparisons):
        return None
    low, high = test.paired.n, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        if test.decides(middle, margin, comparisons):
            high = middle
        else:
            low = middle
    return high


def _best(losses: Column) -> str | None:
    if len(losses) < 2:
        return None
    shared = set.intersection(*map(set, losses.values()))
    if len(shared) < FEWEST_SEEDS:
        return None
    return min(losses, key=lambda name: (math.fsum(map(losses[name].__getitem__, shared)), name))


def _mark_of_best(others: set[Mark]) -> Mark:
    for mark in ("behind", "undecided", "equivalent", "identical"):
        if mark in others:
            return "best" if mark == "behind" else mark
    return "untested"


def _mean(row: Mapping[int, float]) -> float | None:
    return math.fsum(row.values()) / len(row) if row else None


def _upper_tail(freedom: float, t: float) -> float:
    return float(special.ndtr(-t)) if math.isinf(freedom) else float(special.stdtr(freedom, -t))


def _quantile(freedom: float, p: float) -> float:
    return float(special.ndtri(p)) if math.isinf(freedom) else float(special.stdtrit(freedom, p))
