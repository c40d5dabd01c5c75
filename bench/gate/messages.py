"""What a check found, as text, as GitHub annotations and as JUnit XML."""

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
    """For people: what fell and what rose, what was not compared, and the smallest loss that would have been seen."""
    fallen, risen = verdict.of("regressed"), verdict.of("improved")
    held = len(verdict.comparisons) - len(fallen) - len(risen)
    lines = [f"fell: {_place(each)} {_change(each)}" for each in fallen]
    lines += [f"rose: {_place(each)} {_change(each)}" for each in risen]
    lines += [f"failed: {_place(each)}: {_line(each.reason)}" for each in verdict.failed]
    lines += [f"not measured: {_place(each)}: {_line(each.reason)}" for each in verdict.unmeasured]
    lines += [f"note: {each}" for each in verdict.notes]
    if risen:
        lines.append("note: bench baseline RUN -o FILE makes what rose the new standard")
    if verdict.comparisons:
        lines += ["", sight(verdict), ""]
    unmeasured = "not everything was measured" if verdict.comparisons else "nothing was measured"
    made = ", ".join(f"{name} {value}" for name, value in baseline.made.items() if isinstance(value, str | int))
    lines.append(
        f"{_VERDICTS.get(verdict.code, unmeasured)}: {len(fallen)} fell, {len(risen)} rose, {held} "
        f"hold of {len(verdict.comparisons)} comparisons; {len(verdict.failed)} cells failed, "
        f"{len(verdict.unmeasured)} not measured (baseline: {made})"
    )
    return "\n".join(lines)


def sight_of(baseline: Baseline) -> str:
    """As `sight`, of a run over the baseline's own seeds."""
    return sight(Verdict(compare(baseline.rows, baseline.rows, {})[0], (), (), ()))


def sight(verdict: Verdict) -> str:
    """The smallest loss that is seen, a line a metric, from the steadiest row's to the most restless one's."""
    columns: dict[str, dict[str, list[Comparison]]] = {}
    for each in verdict.comparisons:
        columns.setdefault(each.metric, {}).setdefault(each.dataset, []).append(each)
    sources = list(dict.fromkeys(each.dataset for each in verdict.comparisons))
    rows = []
    for metric, found in columns.items():
        told = effect(metric)
        least = f"{told.size:.0%}" if told.relative else f"{told.size:g}"
        rows.append([metric, least, *(_range(found.get(source, [])) for source in sources)])
    seeds = " or ".join(map(str, sorted({each.n for each in verdict.comparisons})))
    table = tabulate(rows, headers=["metric", "matters from", *sources], tablefmt="simple", disable_numparse=True)
    return f"smallest loss that {POWER:.0%} of checks over {seeds} seeds show, from row to row\n{table}"


def github(verdict: Verdict) -> str:
    """Workflow commands that GitHub shows beside a pull request: errors first, since it shows ten of a kind."""
    lines = [_command("error", f"{_place(each)} fell", _change(each)) for each in verdict.of("regressed")]
    lines += [_command("error", f"{_place(each)} failed", each.reason) for each in verdict.failed]
    lines += [_command("error", f"{_place(each)} not measured", each.reason) for each in verdict.unmeasured]
    if not (verdict.comparisons or lines):
        lines.append(_command("error", "nothing was measured", "the baseline is empty"))
    lines += [_command("notice", f"{_place(each)} rose", _change(each)) for each in verdict.of("improved")]
    return "\n".join(lines)


def junit(verdict: Verdict, path: Path) -> None:
    """Write a test case a comparison, and one that errs for each thing that could not be compared.

    Raises:
        UsageError: It cannot be written there.
    """
    problems = [*verdict.failed, *verdict.unmeasured]
    counts = {
        "tests": len(verdict.comparisons) + len(problems),
        "failures": len(verdict.of("regressed")),
        "errors": len(problems),
    }
    root = ElementTree.Element("testsuites")
    told = {"name": "bench check"} | {name: str(count) for name, count in counts.items()}
    suite = ElementTree.SubElement(root, "testsuite", told)
    for each in verdict.comparisons:
        case = _case(suite, each, each.metric)
        if each.outcome == "regressed":
            ElementTree.SubElement(case, "failure", message=_xml(_change(each)), type="regression")
        ElementTree.SubElement(
            case, "system-out"
        ).text = f"{each.outcome}: {_xml(_change(each))}; smallest loss seen {_size(each.reach, each)}"
    for problem in problems:
        case = _case(suite, problem, problem.what or "row")
        ElementTree.SubElement(case, "error", message=_xml(problem.reason), type="not measured")
    ElementTree.indent(root)
    try:
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"cannot write --junit {path}: {error.strerror}") from None


def _case(suite: ElementTree.Element, of: Comparison | Problem, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_xml(f"{of.dataset}.{of.row}"), name=_xml(name))


def _place(of: Comparison | Problem) -> str:
    what = of.metric if isinstance(of, Comparison) else of.what
    return _line(f"{of.row} on {of.dataset}" + (f", {what}" if what else ""))


def _line(value: str) -> str:
    """One line, so that no name can begin another with a workflow command."""
    return " ".join(value.split())


def _change(of: Comparison) -> str:
    turn = f"{'lost' if of.loss > 0 else 'gained'} {_size(of.loss, of)}" if of.loss else "unchanged"
    return f"{of.before:.4g} -> {of.after:.4g}, {turn} over {of.n} seeds, p = {of.p:.2g}"


def _range(found: list[Comparison]) -> str:
    ordered = sorted(found, key=lambda each: each.reach)
    return " to ".join(dict.fromkeys(_size(each.reach, each) for each in (*ordered[:1], *ordered[-1:])))


def _size(loss: float, of: Comparison) -> str:
    """A loss or gain, as a share where that is how its metric is judged."""
    share = effect(of.metric).relative and of.before
    return f"{abs(loss / of.before):.1%}" if share else f"{abs(loss):.3g}"


def _command(kind: str, title: str, message: str) -> str:
    escaped = _escape(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={escaped}::{_escape(message)}"


def _escape(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _xml(value: str) -> str:
    """Without what no XML document may hold; the writer escapes the rest."""
    return _NOT_XML.sub("\ufffd", value)
