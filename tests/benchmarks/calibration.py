"""Calibration of standings by simulation, as in docs/concepts/statistics.md.

python tests/benchmarks/calibration.py [TABLES]

Every table has seven rows that share the effects of their seeds. False: some row is called behind whose true mean is
that of the best. Found: rows of six that are called behind where one row leads. "former" is the paired t test without a
moderated variance, with the same factors of p.

The second table adds seeds until no row is undecided, from 3 seeds to at most 20. False: when it stops, some row is
called behind whose true mean is that of the best, or equivalent to one from which it differs by the margin.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.stats.estimates import holm, paired
from bench.stats.spending import level, looks
from bench.stats.standings import standings

ROWS = "abcdefg"
Floats = NDArray[np.float64]
Table = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A way in which rows differ.

    Attributes:
        name: Name in the table of results.
        means: (7,) true means; the best rows have the smallest.
        stds: (7,) standard deviations of the noise.
        noise: Kind of noise: "normal", "t3" (Student's t, scaled to unit variance) or "log-normal" (likewise).
        leads: Whether one row leads, so that rows are to be found instead of false alarms to be counted.
    """

    name: str
    means: tuple[float, ...] = (0.0,) * 7
    stds: tuple[float, ...] = (1.0,) * 7
    noise: str = "normal"
    leads: bool = False

    def tables(self, seeds: int, count: int, generator: np.random.Generator) -> Iterator[Table]:
        """Draw tables of the scenario."""
        shape = count, len(ROWS), seeds
        if self.noise == "t3":
            noise = generator.standard_t(3, shape) / np.sqrt(3)
        elif self.noise == "log-normal":
            noise = (np.exp(generator.normal(size=shape)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
        else:
            noise = generator.normal(size=shape)
        values = np.array(self.means)[:, None] + noise * np.array(self.stds)[:, None]
        values += generator.normal(0.0, 3.0, (count, 1, seeds))
        for rows in values.tolist():
            yield {name: dict(enumerate(row)) for name, row in zip(ROWS, rows, strict=True)}


RISING = tuple((8.0 ** (np.arange(7) / 6)).tolist())
FAR = 100.0
SCENARIOS = (
    Scenario(name="equal rows"),
    Scenario(name="equal rows, noise up to x8", stds=RISING),
    Scenario(name="equal rows, one of noise x8", stds=(8.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)),
    Scenario(name="equal rows, two of noise x8", stds=(8.0, 8.0, 1.0, 1.0, 1.0, 1.0, 1.0)),
    Scenario(name="equal rows, t3 noise", noise="t3"),
    Scenario(name="equal rows, log-normal noise", noise="log-normal"),
    Scenario(name="two leaders, five far", means=(0.0, 0.0, *(FAR,) * 5)),
    Scenario(name="two leaders, noise up to x8", means=(0.0, 0.0, *(FAR,) * 5), stds=RISING[::-1]),
    Scenario(name="two leaders of noise x8", means=(0.0, 0.0, *(FAR,) * 5), stds=(8.0, 8.0, 1.0, 1.0, 1.0, 1.0, 1.0)),
    Scenario(name="two leaders, one of noise x8", means=(0.0, 0.0, *(FAR,) * 5), stds=(8.0, *(1.0,) * 6)),
    Scenario(name="two leaders, t3 noise", means=(0.0, 0.0, *(FAR,) * 5), noise="t3"),
    Scenario(name="two leaders, log-normal noise", means=(0.0, 0.0, *(FAR,) * 5), noise="log-normal"),
    Scenario(name="three leaders of noise x8", means=(0.0, 0.0, 0.0, *(FAR,) * 4), stds=(*(8.0,) * 3, *(1.0,) * 4)),
    Scenario(name="three leaders, one of noise x8", means=(0.0, 0.0, 0.0, *(FAR,) * 4), stds=(8.0, *(1.0,) * 6)),
    Scenario(name="one leads by 3 deviations", means=(-3.0, *(0.0,) * 6), leads=True),
    Scenario(
        name="one leads by 3, noise up to x4", means=(-3.0, *(0.0,) * 6), stds=(*(0.5,) * 3, *(2.0,) * 4), leads=True
    ),
)


def moderated(table: Table) -> set[str]:
    """Rows that the project calls behind."""
    return {name for name, row in standings(table, "lower").items() if row.mark == "behind"}


def former(table: Table) -> set[str]:
    """Rows that a paired t test without moderation calls behind, with factors for the choice of the best."""
    means = {name: np.mean(list(row.values())) for name, row in table.items()}
    best = min(means, key=means.__getitem__)
    others = [name for name in table if name != best]
    tests = [paired(list(table[name].values()), list(table[best].values())) for name in others]
    adjusted = holm((test.p for test in tests), to_best=True)
    return {name for name, p in zip(others, adjusted, strict=True) if p is not None and p <= 0.05}


def measure(scenario: Scenario, seeds: int, count: int, behind: Callable[[Table], set[str]]) -> float:
    """Share of tables with a false alarm, or the mean number of rows found."""
    generator = np.random.default_rng(seeds)
    best = {name for name, mean in zip(ROWS, scenario.means, strict=True) if mean == min(scenario.means)}
    total = 0.0
    for table in scenario.tables(seeds, count, generator):
        called = behind(table)
        total += len(called - best) if scenario.leads else bool(called & best)
    return total / count


MARGIN = 1.0
"""Smallest loss that matters, in standard deviations of the noise."""
LOOKS = looks(3, 20)
AT_THE_MARGIN = (
    Scenario(name="six rows behind by the margin", means=(0.0, *(MARGIN,) * 6)),
    Scenario(name="two leaders, the second behind by the margin", means=(0.0, MARGIN, *(FAR,) * 5)),
    Scenario(name="six rows behind by the margin, t3 noise", means=(0.0, *(MARGIN,) * 6), noise="t3"),
)


def until_decided(table: Table, means: Mapping[str, float]) -> tuple[bool, int]:
    """Add seeds as `bench run --until-decided` does.

    Returns:
        Whether some row was marked falsely, and the number of seeds at the end.
    """
    for index, count in enumerate(LOOKS):
        seen = {name: {seed: row[seed] for seed in range(count)} for name, row in table.items()}
        significance = level(LOOKS[: index + 1], LOOKS[-1])
        rows = standings(seen, "lower", effect=lambda _: MARGIN, significance=significance)
        if all(row.mark != "undecided" for row in rows.values()):
            break
    wrong = False
    for name, row in rows.items():
        if row.best is not None and name != row.best:
            difference = means[name] - means[row.best]
            wrong |= row.mark == "behind" and difference <= 0
            wrong |= row.mark == "equivalent" and abs(difference) >= MARGIN
    return wrong, count


def added_seeds(scenario: Scenario, count: int) -> tuple[float, float]:
    """Share of tables with a false decision, and the mean number of seeds at the end."""
    generator = np.random.default_rng(0)
    means = dict(zip(ROWS, scenario.means, strict=True))
    ends = [until_decided(table, means) for table in scenario.tables(LOOKS[-1], count, generator)]
    return sum(wrong for wrong, _ in ends) / count, sum(seeds for _, seeds in ends) / count


def main() -> None:
    """Print the tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    lines = []
    for scenario in SCENARIOS:
        line = [scenario.name]
        for seeds in (3, 5):
            for procedure in (former, moderated):
                value = measure(scenario, seeds, count, procedure)
                line.append(f"{value:.2f} rows" if scenario.leads else f"{100 * value:.1f} %")
        lines.append(line)
    heads = ["scenario", "former, 3 seeds", "now, 3 seeds", "former, 5 seeds", "now, 5 seeds"]
    print(tabulate(lines, heads, tablefmt="github"))
    lines = []
    for scenario in (*SCENARIOS, *AT_THE_MARGIN):
        wrong, seeds = added_seeds(scenario, count)
        lines.append([scenario.name, f"{100 * wrong:.1f} %", f"{seeds:.1f}"])
    print()
    print(tabulate(lines, ["scenario, seeds added until decided", "false", "seeds at the end"], tablefmt="github"))


if __name__ == "__main__":
    main()
