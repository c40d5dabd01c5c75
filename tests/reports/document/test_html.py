import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from reports.document import html
from reports.document.blocks import Bullets, Column, Grid, Page, Section, Table, TableCell
from reports.document.figure import Figure
from reports.pages.run import report

NASTY = "<script>alert(1)</script>\"'&amp;`*x*"
VOID = ("meta", "link", "br", "input")


class Elements(HTMLParser):
    """Every element in order: tag, attributes, text inside; and that each is closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", "within": [item["tag"] for item in self.open]} | dict(attributes)
        self.found.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, *tags):
        return [element for element in self.found if element["tag"] in tags]


@pytest.fixture
def written(make):
    """The report as HTML and its elements."""

    def of(figures=(), grids=(), **options):
        text = html.write(report(make(**options), figures, grids))
        return text, Elements(text)

    return of


def rows_of(elements, label):
    """The cells of a table, row by row: its texts."""
    start = next(i for i, comparison in enumerate(elements.found) if comparison.get("aria-label") == label)
    rows = []
    for element in elements.found[start + 2 :]:
        if element["tag"] == "table":
            break
        if element["tag"] == "tr":
            rows.append([])
        elif element["tag"] in ("th", "td"):
            rows[-1].append(element)
    return rows


def test_nothing_outside_the_file_is_asked_for(written):
    text, elements = written()
    (policy,) = [
        element["content"] for element in elements.all("meta") if element.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    links = [element[name] for element in elements.found for name in ("href", "src", "action") if name in element]
    assert links
    assert all(link.startswith(("#", "data:")) for link in links)
    assert text.startswith("<!doctype html>")
    named = text.replace("http://www.w3.org/2000/svg", "")  # a name that nobody looks up
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|https?://", named)


def test_links_of_the_contents_lead_to_sections(written):
    _, elements = written(real=False)
    anchors = [element["id"] for element in elements.found if "id" in element]
    assert len(anchors) == len(set(anchors))
    links = [element["href"].removeprefix("#") for element in elements.all("a")]
    assert set(links) <= set(anchors)
    assert "what-was-run" in links


def test_names_show_as_text(written):
    text, elements = written(
        names=(NASTY, "vq"),
        dataset=NASTY,
        real=False,
        stand_ins={NASTY: NASTY},
        folder=NASTY,
        title=NASTY,
        command=f"python -m bench run --out '{NASTY}'",
        made=NASTY,
        environments=[{NASTY: NASTY, "processor": NASTY}],
        sources={NASTY: {NASTY: NASTY}},
        notes={NASTY: {NASTY: NASTY}},
        units={NASTY: NASTY},
        parameters={NASTY: {NASTY: NASTY}},
        metrics=[{"name": "mse", "direction": "lower", "target": None, "summary": NASTY, "needs": []}],
        failures=[{"quantizer": NASTY, "dataset": NASTY, "seed": 0, "status": NASTY, "cause": NASTY}],
        statuses={NASTY: [NASTY, "done", "done"]},
        figures=[Figure(name="f", title=NASTY, alt=NASTY, section="overview", svg="<svg/>")],
        grids=[{"dataset": NASTY, "row": NASTY}],
    )
    assert "<script>alert" not in text
    scripts = elements.all("script")
    assert [element.get("type") for element in scripts] == ["application/json", None]
    assert json.loads(scripts[0]["text"]) == {"dataset": NASTY, "row": NASTY}
    assert "alert(1)" not in scripts[1]["text"]
    shown = [element["text"] for element in elements.all("h1", "th", "dd", "dt", "td", "pre", "figcaption", "title")]
    assert sum(NASTY in element for element in shown) > 10


def test_headings_landmarks_and_tables_are_accessible(written):
    _, elements = written(real=False)
    levels = [int(element["tag"][1]) for element in elements.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for landmark in ("header", "nav", "main"):
        assert len(elements.all(landmark)) == 1
    assert elements.all("html")[0]["lang"] == "en"
    assert len(elements.all("caption")) == len(elements.all("table")) > 3
    assert all(element.get("scope") in ("col", "row") for element in elements.all("th"))
    assert all(element["tabindex"] == "0" for element in elements.found if element.get("role") == "region")


def test_the_main_table_says_what_it_sorts_by_and_what_cannot_be_told(written, ranked):
    _, elements = written(rankings=ranked(vq="best", fsq="behind"))
    head, *body = rows_of(elements, "Results on lorenz")
    assert [element["text"] for element in head] == ["quantizer", "n", "mse ↓", "active"]
    assert all(element["aria-sort"] == "none" for element in head)
    assert [element["text"].replace("\u00a0", " ") for element in body[0]] == [
        "vq",
        "3 of 3",
        "0.1235 ± 0.0010a",
        "50.0 (n = 2)",
    ]
    assert [element.get("data-value") for element in body[1]] == ["fsq", "3", "0.1234567", "50.0"]
    letters = [element["text"] for element in elements.all("sup")]
    assert letters == ["a", "b"]


def test_a_missing_result_is_hatched_with_its_cause(written):
    _, elements = written(statuses={"fsq": ["timeout", "diverged", "timeout"], "vq": ["done", "unavailable", "done"]})
    _, vq, fsq = rows_of(elements, "Results on lorenz")
    assert [item["text"] for item in fsq] == ["fsq", "0 of 3", "timeout, diverged"]
    assert [("failed" in item.get("class", ""), item.get("colspan")) for item in fsq[1:]] == [(True, None), (True, "2")]
    assert "data-value" not in fsq[2]
    assert vq[1]["text"] == "2 of 3 unavailable"
    assert "failed" in vq[1]["class"]
    assert "failed" not in vq[2].get("class", "")


def test_a_stand_in_is_marked_in_titles_and_rows(written):
    _, elements = written(real=False)
    assert any("stand-in" in element["text"] for element in elements.all("h3"))
    _, *body = rows_of(elements, "Results on lorenz (stand-in data)")
    assert all(row[0]["text"].endswith(" stand-in") for row in body)


def test_figures_and_grids_stand_in_the_page_as_they_are():
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" role="img"><title>x</title></svg>'
    grid = {"values": ["0102", None], "use": [1.23456789, float("nan")], "row": "</script>"}
    page = Page(
        "t",
        (Section("s", (Figure(name="walk", title="A walk", alt="w", section="overview", svg=drawing), Grid(grid))),),
    )
    text = html.write(page)
    assert drawing in text
    (data,) = [item["text"] for item in Elements(text).all("script") if item.get("type")]
    assert json.loads(data) == {"values": ["0102", None], "use": [1.235, None], "row": "</script>"}


def test_a_table_of_one_row_has_nothing_to_sort():
    table = Table(name="t", caption="T", columns=(Column("row", numeric=False),), rows=((TableCell("a", "a"),),))
    assert Elements(html.write(Page("p", (table,)))).all("button") == []


def test_a_list_of_nothing_is_no_list():
    assert Elements(html.write(Page("p", (Bullets(()),)))).all("ul") == []


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_enough_contrast_in_every_scheme():
    """WCAG 2.1, 1.4.3: at least 4.5 : 1."""
    blocks = re.findall(r":root \{(.*?)\}", (html.TEMPLATES / "page.css").read_text(), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        colours = dict(re.findall(r"--(\w+): (#\w{6});", block))
        for text in ("ink", "muted", "accent", "warning"):
            for ground in ("paper", "raised"):
                bright, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
                assert (bright + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_seventy_cells_with_large_grids_stay_below_three_megabytes(make):
    rows = [f"row-{index}" for index in range(14)]
    grid = {"sides": [32, 32], "kind": "pose", "use": [12] * 1024, "umatrix": [1.234] * 1024}
    grid |= {"values": ["0123" * 17] * 1024, "edges": [[0, 1]] * 19, "dataset": "lorenz", "unit": "cm"}
    text = html.write(report(make(names=rows, seeds=5), (), [grid | {"row": row} for row in rows]))
    assert text.count("application/json") == 14
    assert len(text.encode()) < 3_000_000
