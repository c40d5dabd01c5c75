"""Messages of a check: text, GitHub annotations and JUnit XML."""

import re
from pathlib import Path
from xml.etree import ElementTree

from tabulate import tabulate

from bench.errors import UsageError
from bench.gate.baseline import Baseline
from bench.gate.check import FAILED, HOLDS, REGRESSED, Comparison, Verdict, compare
from bench.gate.effects import effect
from bench.gate.observations import Problem
from bench.stats.noise import POWER

_VERDICTS = {HOLDS: "quality holds", REGRESSED: "quality fell", FAILED: "a cell failed"}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(verdict: Verdict, baseline: Baseline) -> str:
    """Message for people: losses, gains, problems, and the smallest loss that would have been seen."""
    fallen, risen = verdict.of("regressed"), verdict.of("improved")
    held = len(verdict.comparisons) - len(fallen) - len(risen)
    lines = []
    for word, comparisons in (("fell", fallen), ("rose", risen)):
        lines += [f"{word}: {_place(comparison)} {_change(comparison)}" for comparison in comparisons]
    for word, problems in (("failed", verdict.failed), ("not measured", verdict.unmeasured)):
        lines += [f"{word}: {_place(problem)}: {_line(problem.reason)}" for problem in problems]
    lines += map("note: {}".format, verdict.notes)
    if risen:
        lines.append("note: bench baseline RUN -o FILE makes what rose the new standard")
    if verdict.comparisons:
        lines += ["", sight(verdict), ""]
    unmeasured = "not everything was measured" if verdict.comparisons else "nothing was measured"
    facts = []
    for name, value in baseline.made.items():
        if isinstance(value, str | int):
            facts.append(f"{name} {value}")
    lines.append(
        f"{_VERDICTS.get(verdict.code, unmeasured)}: {len(fallen)} fell, {len(risen)} rose, {held} "
        f"hold of {len(verdict.comparisons)} comparisons; {len(verdict.failed)} cells failed, "
        f"{len(verdict.unmeasured)} not measured (baseline: {', '.join(facts)})"
    )
    return "\n".join(lines)


def sight_of(baseline: Baseline) -> str:
    """Table of `sight` for a run over the baseline's own seeds."""
    comparisons, _, _ = compare(baseline.rows, baseline.rows, {})
    return sight(Verdict(comparisons=comparisons))


def sight(verdict: Verdict) -> str:
    """Table of the smallest loss that is seen: one line per metric, from the least noisy row to the noisiest."""
    columns: dict[str, dict[str, list[Comparison]]] = {}
    datasets: dict[str, None] = {}
    numbers = set()
    for comparison in verdict.comparisons:
        columns.setdefault(comparison.metric, {}).setdefault(comparison.dataset, []).append(comparison)
        datasets[comparison.dataset] = None
        numbers.add(comparison.n)
    rows = []
    for metric, by_dataset in columns.items():
        smallest = effect(metric)
        least = f"{smallest.size:.0%}" if smallest.relative else f"{smallest.size:g}"
        rows.append([metric, least, *(_range(by_dataset.get(dataset, [])) for dataset in datasets)])
    seeds = " or ".join(map(str, sorted(numbers)))
    table = tabulate(rows, headers=["metric", "matters from", *datasets], tablefmt="simple", disable_numparse=True)
    return f"smallest loss that {POWER:.0%} of checks over {seeds} seeds show, from row to row\n{table}"


def github(verdict: Verdict) -> str:
    """Workflow commands that GitHub shows beside a pull request: errors first, because it shows ten per kind."""
    lines = []
    for comparison in verdict.of("regressed"):
        lines.append(_command("error", f"{_place(comparison)} fell", _change(comparison)))
    for word, problems in (("failed", verdict.failed), ("not measured", verdict.unmeasured)):
        lines += [_command("error", f"{_place(problem)} {word}", problem.reason) for problem in problems]
    if not (verdict.comparisons or lines):
        lines.append(_command("error", "nothing was measured", "the baseline is empty"))
    for comparison in verdict.of("improved"):
        lines.append(_command("notice", f"{_place(comparison)} rose", _change(comparison)))
    return "\n".join(lines)


def junit(verdict: Verdict, path: Path) -> None:
    """Write JUnit XML: a test case per comparison, and one with an error per problem.

    Raises:
        UsageError: The file cannot be written.
    """
    problems = [*verdict.failed, *verdict.unmeasured]
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name="bench check",
        tests=str(len(verdict.comparisons) + len(problems)),
        failures=str(len(verdict.of("regressed"))),
        errors=str(len(problems)),
    )
    for comparison in verdict.comparisons:
        case = _case(suite, comparison, comparison.metric)
        change = _xml(_change(comparison))
        if comparison.outcome == "regressed":
            ElementTree.SubElement(case, "failure", message=change, type="regression")
        seen = _size(comparison.reach, comparison)
        ElementTree.SubElement(case, "system-out").text = f"{comparison.outcome}: {change}; smallest loss seen {seen}"
    for problem in problems:
        case = _case(suite, problem, problem.part or "row")
        ElementTree.SubElement(case, "error", message=_xml(problem.reason), type="not measured")
    ElementTree.indent(root)
    try:
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"cannot write --junit {path}: {error.strerror}") from None


def _case(suite: ElementTree.Element, of: Comparison | Problem, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_xml(f"{of.dataset}.{of.row}"), name=_xml(name))


def _place(of: Comparison | Problem) -> str:
    part = of.metric if isinstance(of, Comparison) else of.part
    return _line(f"{of.row} on {of.dataset}" + (f", {part}" if part else ""))


def _line(value: str) -> str:
    """Text in one line, so that no name can begin another line with a workflow command."""
    return " ".join(value.split())


def _change(of: Comparison) -> str:
    turn = f"{'lost' if of.loss > 0 else 'gained'} {_size(of.loss, of)}" if of.loss else "unchanged"
    return f"{of.before:.4g} -> {of.after:.4g}, {turn} over {of.n} seeds, p = {of.p:.2g}"


def _range(comparisons: list[Comparison]) -> str:
    """Smallest losses of the least noisy and of the noisiest row."""
    if not comparisons:
        return ""
    ordered = sorted(comparisons, key=lambda comparison: comparison.reach)
    least, most = _size(ordered[0].reach, ordered[0]), _size(ordered[-1].reach, ordered[-1])
    return least if least == most else f"{least} to {most}"


def _size(loss: float, of: Comparison) -> str:
    """Size of a loss or gain, as a share where its metric is judged by the share."""
    smallest = effect(of.metric)
    whole = smallest.whole(of.before) if smallest.relative else 0.0
    return f"{abs(loss / whole):.1%}" if whole else f"{abs(loss):.3g}"


def _command(kind: str, title: str, message: str) -> str:
    escaped = _escape(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={escaped}::{_escape(message)}"


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _xml(value: str) -> str:
    """Text without characters that no XML document may hold; the writer escapes the rest."""
    return _NOT_XML.sub("\ufffd", value)
