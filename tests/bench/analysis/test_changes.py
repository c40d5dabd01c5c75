"""Two runs of hand-made records, side by side."""

import json

import pandas as pd
import pytest
from scipy import stats

import quantizers
from bench.analysis import changes
from bench.errors import UsageError
from bench.publishing import finished_runs, run_report
from bench.records.files import write_json
from tests.builders import finished


def loaded(*folders):
    runs = map(finished_runs.load, folders)
    return [changes.ComparedRun(run=run, results=run_report.gather(run)) for run in runs]


def outcomes(changes, metric="mse"):
    rows = changes[changes["metric"] == metric]
    return dict(zip(rows["quantizer"], rows["outcome"], strict=True))


BEFORE = {0: 0.10, 1: 0.12, 2: 0.11, 3: 0.13}
WORSE = {0: 0.20, 1: 0.23, 2: 0.21, 3: 0.22}


def test_a_difference_is_paired_over_seeds_and_told_with_its_direction(ran):
    before = ran("before", lambda cell: {"mse": BEFORE[cell.seed], "trust": BEFORE[cell.seed]})
    after = ran("after", lambda cell: {name: WORSE[cell.seed] for name in ("mse", "trust") if cell.row == "vq"})
    after_values = list(WORSE.values())
    changed = changes.changes(*loaded(before, after))
    row = changed[(changed["quantizer"] == "vq") & (changed["metric"] == "mse")].iloc[0]
    test = stats.ttest_rel(after_values, list(BEFORE.values()))
    assert (row["n"], row["p"]) == (4, pytest.approx(test.pvalue))
    assert (row["first"], row["second"]) == (pytest.approx(0.115), pytest.approx(0.215))
    interval = test.confidence_interval(0.95)
    assert (row["low"], row["high"]) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert row["p_holm"] == pytest.approx(2 * test.pvalue)  # ksom's is the larger of the two
    assert outcomes(changed)["vq"] == "worse"
    assert outcomes(changed, "trust")["vq"] == "better"
    assert set(outcomes(changed, "active").values()) == {"identical"}


def test_a_target_is_compared_by_the_distance_from_it(ran):
    shift = {0: 0.00, 1: 0.01, 2: -0.01, 3: 0.02}
    before = ran("before", lambda cell: {"distortion_ratio": 0.5 + shift[cell.seed]})
    after = ran("after", lambda cell: {"distortion_ratio": 1.2 + shift[cell.seed] ** 2})
    assert outcomes(changes.changes(*loaded(before, after)), "distortion_ratio")["vq"] == "better"
    assert outcomes(changes.changes(*loaded(after, before)), "distortion_ratio")["vq"] == "worse"


def test_failed_cells_and_seeds_of_one_run_alone_are_left_out(ran):
    before = ran("before", lambda cell: {"mse": BEFORE[cell.seed]})
    failed = ran("after", lambda cell: {"mse": WORSE[cell.seed]}, status=lambda c: "done" if c.seed < 2 else "failed")
    changed = changes.changes(*loaded(before, failed))
    assert set(changed["n"]) == {2}
    assert set(changed["outcome"]) == {"untested"}
    fewer = ran("fewer", lambda cell: {"mse": WORSE[cell.seed]}, seeds="0,2,3")
    assert set(changes.changes(*loaded(before, fewer))["n"]) == {3}


def test_other_data_are_not_paired(ran):
    before = ran("before", lambda cell: {"mse": BEFORE[cell.seed]})
    after = ran("after", lambda cell: {"mse": WORSE[cell.seed]}, settings=("lorenz.sequences=20",))
    runs = loaded(before, after)
    assert outcomes(changes.changes(*runs))["vq"] == "worse"  # the records say that the content is the same
    for record in runs[1].run.records.values():
        record["data"]["sha256"] += " of 20"
    changed = changes.changes(*runs)
    assert set(changed["outcome"]) == {changes.OTHER_DATA}
    assert changed["difference"].isna().all()
    assert ("dataset.sequences", "12", "20") in [(d.what, d.first, d.second) for d in changes.differences(*runs)]


def test_what_differs_is_found_and_named(ran):
    before = ran("before", lambda cell: {})
    after = ran("after", lambda cell: {}, settings=("vq.decay=0.9",), codebook_size=8)
    actual = {item.what: item for item in changes.differences(*loaded(before, after))}
    assert actual["parameters.decay"].rows == ("vq on lorenz",)
    assert (actual["parameters.decay"].first, actual["parameters.decay"].second) == (
        str(quantizers.get("vq")[1]["decay"]),
        "0.9",
    )
    assert (actual["codes"].first, actual["codes"].second, actual["codes"].rows) == ("16", "8", ())
    assert (actual["environment.commit"].first, actual["environment.commit"].second) == ("before", "after")
    same = changes.differences(*loaded(before, before))
    assert same == []


def test_a_report_is_written_again_from_what_lies_in_the_folder(ran):
    folder = ran(
        "run", lambda cell: {"mse": BEFORE[cell.seed]}, status=lambda c: "failed" if c.row == "ksom" else "done"
    )
    written = {path.relative_to(folder).as_posix() for path in finished_runs.again(folder)}
    csv = {f"{name}.csv" for name in ("results", "summary", "rankings", "claims", "nulls")}
    assert csv | {"report.html", "report.md", "figures", "tables/results-lorenz.tex", "tables/capacity.tex"} <= written
    assert all((folder / name).exists() for name in written)
    html = (folder / "report.html").read_text()
    assert "0 of 4" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html + (folder / "report.md").read_text()
    assert len(pd.read_csv(folder / "results.csv")) == 8
    former = (folder / "report.html").read_bytes()
    assert [path.name for path in finished_runs.again(folder, "md, html")] == ["figures", "report.html", "report.md"]
    assert (folder / "report.html").read_bytes() == former


def test_a_damaged_record_is_told_and_left_out(ran, capsys):
    folder = ran("run", lambda cell: {})
    record = next((folder / "cells").glob("*.json"))
    record.write_text("{")
    finished_runs.again(folder, "md")
    assert f"warning: {record} is damaged" in capsys.readouterr().err
    assert "7 of 8 done; 1 not run" in (folder / "report.md").read_text()


def test_two_runs_are_written_side_by_side(ran, tmp_path):
    before, after = ran("before", lambda cell: {"mse": BEFORE[cell.seed]}), ran("after", lambda cell: {"mse": 0.9})
    written = finished_runs.side_by_side(before, after, tmp_path / "out")
    assert [path.name for path in written] == ["compare.html", "compare.md"]
    assert "after against before" in (tmp_path / "out" / "compare.html").read_text()
    written = finished_runs.side_by_side(before, after, tmp_path, "tex,csv")
    assert [path.name for path in written] == ["compare-lorenz.tex", "compare.csv"]
    assert set(pd.read_csv(tmp_path / "compare.csv")["quantizer"]) == {"vq", "ksom"}


def test_runs_with_nothing_in_common_are_refused(ran, tmp_path):
    before, other = ran("before", lambda cell: {}), ran("other", lambda cell: {}, quantizers="fsq")
    with pytest.raises(UsageError, match="nothing can be compared"):
        finished_runs.side_by_side(before, other, tmp_path)


def test_a_folder_without_records_is_refused(ran):
    folder = ran("run", lambda cell: {})
    for record in (folder / "cells").glob("*.json"):
        record.unlink()
    with pytest.raises(UsageError, match="holds no results yet"):
        finished_runs.again(folder)


def test_a_run_that_ended_before_its_first_record_still_has_its_page(ran):
    run = finished_runs.load(ran("run", lambda cell: {}))
    store = run.store
    run_report.write(finished(run.plan, {}, store.root))
    assert "0 of 8 done; 8 not run" in (store.root / "report.html").read_text()
    assert "python -m bench run" in (store.root / "report.md").read_text()


def test_a_finished_run_is_reported_without_the_plug_in_of_a_dataset(ran):
    folder = ran("run", lambda cell: {})
    kept = json.loads((folder / "plan.json").read_text())
    kept["cells"][0]["dataset"] = "music"
    write_json(folder / "plan.json", kept)
    finished_runs.again(folder)
    assert "music" in (folder / "report.md").read_text()


def test_quantizers_of_a_plug_in_need_no_plug_in(ran):
    folder = ran("run", lambda cell: {})
    kept = json.loads((folder / "plan.json").read_text())
    for cell in kept["cells"]:
        if cell["row"] == "vq":
            cell["row"] = cell["quantizer"] = "<script>alert(1)</script>"
    write_json(folder / "plan.json", kept)
    finished_runs.again(folder)
    text = (folder / "report.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
