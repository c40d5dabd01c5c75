"""What a check found, as people and machines read it."""

from xml.etree import ElementTree

import pytest

from bench.errors import UsageError
from bench.gate.baseline import Baseline, Measured, Series
from bench.gate.check import Comparison, Verdict
from bench.gate.messages import github, junit, sight, sight_of, text
from bench.gate.observations import Problem
from bench.stats.noise import Noise

BASELINE = Baseline({"version": "0.1.0", "null pairs": 10, "packages": {"torch": "2"}}, {})


def comparison(row="vq", metric="mse", loss=0.0, outcome="holds", p=0.5, dataset="lorenz", reach=0.002, n=5):
    noise = Noise(0.001, 10)
    return Comparison(
        row=row,
        dataset=dataset,
        metric=metric,
        n=n,
        before=0.01,
        after=0.01 + loss,
        loss=loss,
        least=0.0005,
        noise=noise,
        p=p,
        reach=reach,
        outcome=outcome,
    )


FALLEN = comparison(row="som-vq", loss=0.004, outcome="regressed", p=2e-5)
RISEN = comparison(row="fsq", loss=-0.004, outcome="improved", p=1e-4)
FAILED = Problem(row="ksom", dataset="lorenz", part="seed 3", reason="failed: RuntimeError: 100% wrong: a, b\nand more")
LEFT = Problem(row="vq-vae", dataset="lorenz", part="", reason="in the baseline, but not in this run")
MIXED = Verdict(comparisons=(comparison(), FALLEN, RISEN), failed=(FAILED,), unmeasured=(LEFT,), notes=("some note",))
HOLDS = Verdict(comparisons=(comparison(),), failed=(), unmeasured=(), notes=())


def test_text_says_what_fell_by_how_much_and_how_sure():
    lines = text(MIXED, BASELINE).splitlines()
    assert lines[0] == "fell: som-vq on lorenz, mse 0.01 -> 0.014, lost 40.0% over 5 seeds, p = 2e-05"
    assert lines[1] == "rose: fsq on lorenz, mse 0.01 -> 0.006, gained 40.0% over 5 seeds, p = 0.0001"
    assert lines[2] == "failed: ksom on lorenz, seed 3: failed: RuntimeError: 100% wrong: a, b and more"
    assert lines[3] == "not measured: vq-vae on lorenz: in the baseline, but not in this run"
    assert "note: some note" in lines
    assert any("bench baseline RUN -o FILE" in line for line in lines)
    assert lines[-1] == (
        "a cell failed: 1 fell, 1 rose, 1 hold of 3 comparisons; 1 cells failed, 1 not measured "
        "(baseline: version 0.1.0, null pairs 10)"
    )


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (HOLDS, "quality holds: "),
        (Verdict(comparisons=(FALLEN,), failed=(), unmeasured=(), notes=()), "quality fell: "),
        (Verdict(comparisons=(FALLEN,), failed=(), unmeasured=(LEFT,), notes=()), "quality fell: "),
        (
            Verdict(comparisons=(comparison(),), failed=(), unmeasured=(LEFT,), notes=()),
            "not everything was measured: ",
        ),
        (Verdict(comparisons=(), failed=(), unmeasured=(), notes=()), "nothing was measured: "),
    ],
)
def test_the_last_line_is_the_verdict(verdict, expected):
    assert text(verdict, BASELINE).splitlines()[-1].startswith(expected)


def test_a_name_cannot_start_a_line_with_a_workflow_command():
    output = text(
        Verdict(comparisons=(comparison(row="x\n::error::forged"),), failed=(FAILED,), unmeasured=(LEFT,), notes=()),
        BASELINE,
    )
    assert not any(line.lstrip().startswith("::") for line in output.splitlines())


def test_the_smallest_losses_are_told_from_row_to_row():
    actual = (comparison(reach=0.0012), comparison(row="fsq", reach=0.004), comparison(metric="active", reach=7.0))
    head, _, _, mse, active = sight(Verdict(comparisons=actual, failed=(), unmeasured=(), notes=())).splitlines()
    assert head == "smallest loss that 95% of checks over 5 seeds show, from row to row"
    assert mse.split() == ["mse", "3%", "12.0%", "to", "40.0%"]
    assert active.split() == ["active", "5", "7"]


def test_a_baseline_tells_what_it_will_see():
    trainings = Series((0, 1), {"active": (80.0, 90.0)})
    row = Measured({}, trainings, Series((0, 1), {"active": (82.0, 88.0)}))
    assert "active    5" in sight_of(Baseline({}, {("vq", "lorenz"): row}))


def test_annotations_are_escaped_as_github_reads_them():
    lines = github(MIXED).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::error", "::error", "::notice"]
    assert lines[0] == (
        "::error title=som-vq on lorenz%2C mse fell::0.01 -> 0.014, lost 40.0%25 over 5 seeds, p = 2e-05"
    )
    assert lines[1] == (
        "::error title=ksom on lorenz%2C seed 3 failed::failed: RuntimeError: 100%25 wrong: a, b%0Aand more"
    )
    forged = github(
        Verdict(
            comparisons=(comparison(row="a::b\r\n::error::c", outcome="regressed"),), failed=(), unmeasured=(), notes=()
        )
    )
    assert forged.count("\n") == 0
    assert forged.startswith("::error title=a%3A%3Ab %3A%3Aerror%3A%3Ac on lorenz%2C mse fell::")
    assert github(HOLDS) == ""
    assert github(Verdict(comparisons=(), failed=(), unmeasured=(), notes=())).startswith("::error ")


def test_junit_has_a_case_a_comparison_and_an_error_for_what_is_missing(tmp_path):
    path = tmp_path / "report.xml"
    junit(MIXED, path)
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "5",
        "failures": "1",
        "errors": "2",
    }
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    assert cases["lorenz.som-vq", "mse"].find("failure").get("message").startswith("0.01 -> 0.014, lost 40.0%")
    assert cases["lorenz.vq", "mse"].find("failure") is None
    assert cases["lorenz.ksom", "seed 3"].find("error") is not None
    assert cases["lorenz.vq-vae", "row"].find("error").get("message") == LEFT.reason
    assert "0.002" not in cases["lorenz.vq", "mse"].findtext("system-out")  # mse is told as a share
    assert "20.0%" in cases["lorenz.vq", "mse"].findtext("system-out")


def test_junit_holds_any_name(tmp_path):
    path = tmp_path / "report.xml"
    name = '<script>"&\x00\x1b\ud800'
    junit(
        Verdict(
            comparisons=(comparison(row=name, outcome="regressed"),),
            failed=(Problem(row=name, dataset="d", part=name, reason=name),),
            unmeasured=(),
            notes=(),
        ),
        path,
    )
    case, error = ElementTree.parse(path).getroot().find("testsuite")
    assert case.get("classname") == 'lorenz.<script>"&\ufffd\ufffd\ufffd'
    assert error.find("error").get("message") == '<script>"&\ufffd\ufffd\ufffd'


def test_an_unwritable_junit_file_is_bad_usage(tmp_path):
    with pytest.raises(UsageError, match="--junit"):
        junit(HOLDS, tmp_path / "absent" / "report.xml")
