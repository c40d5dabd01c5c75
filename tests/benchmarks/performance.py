"""Runs every benchmark and writes what it measured into docs/performance.md: `python -m tests.benchmarks.performance`.

The tables between the two marks of that page are written anew; what stands around them is kept.
"""

import datetime
import importlib.metadata
import json
import math
import os
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict
from pathlib import Path

from bench.execution.engine import job_environment
from bench.records.environment import environment

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PEERS = ("vector-quantize-pytorch", "MiniSom", "fastersom", "scikit-learn")


def main():
    """Measure, then write; further arguments go to pytest (`-k readers`), and leave the page alone."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(folder) / "benchmarks.json"
        options = ["--benchmark-only", "--whole-run", f"--benchmark-json={measured}", "-q", *sys.argv[1:]]
        status = subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT, env=job_environment(1)).returncode
        if status:
            sys.exit(status)
        actual = [item["extra_info"] for item in json.loads(measured.read_text(encoding="utf-8"))["benchmarks"]]
    text = page(actual, load)
    if sys.argv[1:]:
        print(text)
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def page(measurements, load):
    """The part of the page that is measured."""
    pairs = [comparison for comparison in measurements if "work" in comparison]
    points = [comparison for comparison in measurements if "curve" in comparison]
    return "\n\n".join(part for part in (circumstances(load), against(pairs), growth(points)) if part)


def circumstances(load):
    """Where and with what."""
    facts = environment("cpu")
    versions = facts["packages"] | {name: importlib.metadata.version(name) for name in PEERS if _installed(name)}
    output = [
        f"{datetime.date.today():%-d %B %Y}, {facts['processor']}, {facts['cores']} cores, {facts['platform']}, "
        f"Python {facts['python']}, commit {facts['commit'][:12]}{' with changes' if facts['modified'] else ''}.",
        ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    ]
    if load > 0.5:
        output.append(
            f"Other programs were running when it began (load {load:.1f}). Ratios are of pairs timed in turn, on the "
            "clock of the process, and hold; seconds may be too long."
        )
    return "\n".join(textwrap.fill(line, 120, break_long_words=False) for line in output)


def _installed(name):
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def against(pairs):
    """The table of what was timed against something else."""
    if not pairs:
        return ""
    lines = ["| work | against | ours | theirs | ratio | goal | reached |", "|---|---|---|---|---|---|---|"]
    notes = []
    for pair in pairs:
        mark = ""
        for note in filter(None, (pair.get("note"), flops(pair))):
            notes.append(note)
            mark += f" ({len(notes)})"
        lines.append(f"| {pair['work']}{mark} | {pair['peer'] or '-'} | {' | '.join(compared(pair))} |")
    return "\n".join(lines + [""] + [f"({index}) {note}.  " for index, note in enumerate(notes, 1)])


def flops(pair):
    """Achieved of peak, where the work is told in operations."""
    if "flops" not in pair:
        return ""
    rates = [pair["flops"] / pair[who] for who in ("ours", "theirs")]
    ours, theirs, peak = (rate / 1e9 for rate in (*rates, pair["peak_flops"]))
    return (
        f"{ours:.0f} GFLOP/s of a peak of {peak:.0f} ({ours / peak:.0%}), the peer {theirs:.0f} ({theirs / peak:.0%})"
    )


def compared(pair):
    """Ours, theirs, ratio, goal, reached: how many times as fast, or how many times the time where that is limited."""
    ours, theirs, goal, limit = (pair[name] for name in ("ours", "theirs", "goal", "limit"))
    if theirs is None:
        return seconds(ours), "", "", f"<= {limit:g} s", yes(ours <= limit)
    if goal is None:
        ratio = ours / theirs
        return seconds(ours), seconds(theirs), f"{ratio:.2f}x the time", f"<= {limit:g}x", yes(ratio <= limit)
    ratio, output = theirs / ours, f">= {goal:g}x"
    reached = ratio >= goal
    if limit is not None:
        reached, output = reached and ours <= limit, f"{output}, <= {limit:g} s"
    return seconds(ours), seconds(theirs), f"{ratio:.1f}x as fast", output, yes(reached)


def yes(reached):
    return "yes" if reached else "**no**"


def seconds(value):
    """In the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale or unit == "µs":
            return f"{value / scale:.3g} {unit}"
    return ""


def growth(points):
    """The table of curves with exponents by least squares in logarithms: of all points, and of the last two."""
    if not points:
        return ""
    curves = defaultdict(list)
    for item in points:
        curves[item["curve"], item["axis"], item["most"]].append((item["at"], item["seconds"]))
    lines = ["| work | over | measured | exponent | of the last step | at most |", "|---|---|---|---|---|---|"]
    for (curve, axis, most), measured in curves.items():
        measured.sort()
        output = ", ".join(f"{at:,}: {seconds(value)}" for at, value in measured)
        last = exponent(measured[-2:])
        lines.append(f"| {curve} | {axis} | {output} | {exponent(measured):.2f} | {last:.2f} | {most:g} |")
    return "\n".join(lines)


def exponent(measured):
    """Slope of log(seconds) over log(size); at least two sizes."""
    x, y = ([math.log(value) for value in part] for part in zip(*measured, strict=True))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


if __name__ == "__main__":
    main()
