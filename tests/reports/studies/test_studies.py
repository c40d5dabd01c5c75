"""Papers as folders of data: a second paper is a second folder."""

import pandas as pd
import pytest

from bench.analysis.comparisons import claims
from bench.planning import suites
from reports import studies
from reports.document import markdown
from reports.sections import published
from reports.sections.claims import papers_order

STUDY = """
title = "Map paper"
source = "Somebody 2020"
sequences = 80
seeds = 3
note = "Its figures are invented."

[tables.maps]
title = "Table 9, maps (4 x 4)"

[readings]
error = { mse = "", explained = "a share, where the paper has an error" }

[order]
name = "map order"
heading = "**Maps first**:"
rows = ["ksom"]
baselines = ["vq"]

[order.metrics]
mse = "On the test split"
"""
TABLES = "table,dataset,method,grid,metric,mean,std\nmaps,lorenz,ksom,4,error,0.25,0.01\n"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "studies" / "maps"
    place.mkdir(parents=True)
    (place / "study.toml").write_text(STUDY)
    (place / "tables.csv").write_text(TABLES)
    return place


@pytest.fixture
def second(folder, monkeypatch):
    """The folder as the only study of the package."""
    monkeypatch.setattr(studies, "FOLDER", folder.parent)
    studies.studies.cache_clear()
    yield
    studies.studies.cache_clear()


def test_every_published_table_of_a_suite_exists():
    named = {table for name in suites.names() for table in suites.load(name).published}
    assert named == {"main", "capacity", "grid"}
    assert {studies.study_of(table).title for table in named} == {"SOM-VQ paper"}


def test_a_table_that_no_study_has_is_refused():
    with pytest.raises(ValueError, match="unknown published table 'manes'; known: main, capacity, grid"):
        studies.study_of("manes")


def test_readings_of_a_table_come_before_those_of_its_study():
    tables = studies.study_of("main").tables
    assert tables["capacity"].readings["distortion"]["distortion"] == ""
    assert tables["main"].readings["distortion"]["distortion_max"] == ""
    assert tables["capacity"].readings["mse"] == tables["main"].readings["mse"] == {"mse": ""}


@pytest.mark.usefixtures("second")
def test_figures_of_a_second_paper_stand_beside_ours():
    row = {"quantizer": "ksom", "dataset": "lorenz", "codebook_size": 16, "mse": 0.26, "mse_std": 0.01, "mse_n": 3}
    summary = pd.DataFrame([row | {"mse_high": 0.28, "explained": 0.7, "explained_std": 0.1, "explained_n": 3}])
    text = markdown.text(published.section(summary, {"name": "paper", "sequences": 80}, {}, ["maps"]))
    assert "over its 3 seeds" in text
    assert text.split("\n\n")[0].endswith("Its figures are invented.")
    assert "## Table 9, maps (4 x 4): `lorenz`" in text
    assert "| *published* ksom 4 x 4 | 3 | 0.25 ± 0.01 |  |" in text
    assert "| ksom | 3 | 0.260 ± 0.010 agrees | 0.70 ± 0.10 (a) |" in text
    assert "a share, where the paper has an error" in text


@pytest.mark.usefixtures("second")
def test_the_order_of_a_second_paper_is_tested_and_said():
    values = {"ksom": (0.10, 0.11, 0.12), "vq": (0.30, 0.32, 0.31)}
    rows = [
        {"quantizer": name, "role": "family", "dataset": "lorenz", "seed": seed, "status": "done", "mse": value}
        for name, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    table = claims(pd.DataFrame(rows), {})
    assert table[["claim", "quantizer", "against", "outcome"]].values.tolist() == [["map order", "ksom", "vq", "below"]]
    heading, sentences = papers_order(table.to_dict("records"), [])
    assert heading == "**Maps first**:"
    assert sentences.items[0].startswith("On the test split (`mse`), `ksom` (n = 3): the order holds.")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("study.toml", "sequences = 80", "", "sequences"),
        ("study.toml", "seeds = 3", "seeds = 3\nweight = 2", "weight"),
        ("study.toml", "[readings]", "[readinks]", "to have 'readings'"),
        ("study.toml", "error = {", "mistake = {", "readings of every metric of tables.csv.*got 'error'"),
        ("study.toml", "[tables.maps]", "[tables.charts]", "every table of tables.csv.*got 'maps'"),
        ("study.toml", "baselines =", "baseline =", "baseline"),
        ("study.toml", 'title = "Map paper"', "title = Map paper", "line 2"),
        ("tables.csv", "method,grid", "grid,method", "Expected the columns"),
    ],
)
def test_a_malformed_study_is_refused_in_one_line(folder, file, old, new, message):
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as raised:
        studies.read(folder)
    assert file in str(raised.value)
    assert "\n" not in str(raised.value)
