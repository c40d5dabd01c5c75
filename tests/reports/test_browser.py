"""The HTML report in a real browser: Debian's chromium, driven by playwright."""

import os
import shutil

import pytest

from reports.document import html
from reports.document.figure import Figure
from reports.pages.run import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
]

NASTY = "<script>alert(1)</script>"
ROWS = {"c": 0.3, "a": 0.1, "gone": None, NASTY: 0.02, "b": 0.2}
POSE = {
    "sides": [2, 3],
    "kind": "pose",
    "unit": "cm",
    "edges": [[0, 1]],
    "use": [5, 0, 7, 1, 2, 3],
    "umatrix": [1.5, None, 2.5, 3.5, 4.5, 5.5],
    "values": ["00009999", None, "10109090", "20208080", "30307070", "40406060"],
}
POINT = POSE | {"kind": "point", "unit": "", "values": [[1, 2, 3], None, [2, 3, 4], [3, 4, 5], [4, 5, 6], [5, 6, 7]]}


@pytest.fixture(scope="module")
def browser():
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(make, tmp_path_factory):
    statuses = {"gone": ["failed"] * 3}
    values = {name: value for name, value in ROWS.items() if value is not None}
    grids = [POSE | {"dataset": "lorenz", "row": "a"}, POINT | {"dataset": "lorenz", "row": "b"}]
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle r="3"/></svg>'
    run = make(names=tuple(ROWS), statuses=statuses, values=values, real=False, folder=NASTY)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(
        html.write(report(run, [Figure(name="f", title="F", alt="f", section="overview", svg=drawing)], grids)),
        encoding="utf-8",
    )
    return path.as_uri()


@pytest.fixture
def visit(browser, address):
    """A page that has been opened, and all that it asked for, complained about or popped up."""
    contexts, troubles, requests = [], [], []

    def opened(width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(120_000)  # a busy machine is not a fault of the page
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        return page

    yield opened
    assert troubles == []
    assert set(requests) == {address}
    for context in contexts:
        context.close()


def first_column(page):
    return (
        page.locator("table")
        .filter(has_text="Results on lorenz")
        .first.locator("tbody th")
        .evaluate_all("rows => rows.map(row => row.dataset.value)")
    )


def test_columns_are_sorted_by_value_with_missing_ones_last(visit):
    page = visit()
    table = page.locator("table").filter(has_text="Results on lorenz").first
    head = table.locator("thead th").nth(2)
    button = head.get_by_role("button")
    assert first_column(page) == [*ROWS]
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert first_column(page) == [NASTY, "a", "b", "c", "gone"]
    button.focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert first_column(page) == ["c", "b", "a", NASTY, "gone"]
    table.get_by_role("button", name="quantizer").click()
    assert head.get_attribute("aria-sort") == "none"
    assert first_column(page) == [NASTY, "a", "b", "c", "gone"]


@pytest.mark.parametrize(("row", "kind"), [("a", "line"), ("b", "circle")])
def test_a_cell_shows_its_code_and_its_neighbours(visit, row, kind):
    page = visit()
    section = page.locator("details.section").filter(has=page.locator(f"summary code:text-is('{row}')"))
    section.locator("summary").click()
    map_ = section.locator("figure.map")
    cells, output, picture = map_.get_by_role("gridcell"), map_.locator(".told"), map_.locator(".board svg")
    cells.nth(5).wait_for()
    assert cells.count() == 6
    cells.nth(0).hover()
    assert output.inner_text().startswith("Row 1 of 2, column 1 of 3: 5 test frames")
    assert "1.5" in output.inner_text()
    assert [cells.nth(i).get_attribute("class") or "" for i in range(6)] == ["", "empty near", "", "near", "near", ""]
    assert picture.locator(f".chosen {kind}").count() == 1
    assert picture.locator(f".near {kind}").count() == 2  # the third neighbour has no code
    cells.nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert output.inner_text() == "Row 1 of 2, column 2 of 3: no code here, or one that no frame has."
    assert picture.locator(f".chosen {kind}").count() == 0
    page.keyboard.press("ArrowDown")
    assert cells.nth(4).evaluate("cell => cell === document.activeElement")
    assert picture.locator(f".near {kind}").count() == 4
    cells.nth(5).click()
    assert output.inner_text().startswith("Row 2 of 2, column 3 of 3: 3 test frames")
    shares = "cells => cells.map(cell => Number(cell.style.getPropertyValue('--share')))"
    assert cells.evaluate_all(shares)[2] == 1.0  # most frames
    map_.get_by_role("combobox").select_option("umatrix")
    assert cells.evaluate_all(shares)[5] == 1.0  # farthest from its neighbours


def test_a_telephone_scrolls_tables_and_not_the_page(visit):
    page = visit(width=390, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    scroll = page.locator(".scroll").filter(has_text="Capacity of every row")
    scroll.evaluate("each => { each.scrollLeft = 300 }")
    assert scroll.evaluate("each => each.scrollLeft") > 100
    left = scroll.locator("tbody th").first.evaluate("each => each.getBoundingClientRect().left")
    assert left == pytest.approx(scroll.evaluate("each => each.getBoundingClientRect().left"), abs=1)
    page.locator("summary code:text-is('a')").tap()
    page.get_by_role("gridcell").nth(2).tap()
    assert page.locator(".told").inner_text().startswith("Row 1 of 2, column 3 of 3: 7 test frames")


def test_the_page_follows_the_scheme_and_is_whole_in_print(visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = visit(color_scheme="light"), visit(color_scheme="dark")
    assert light.evaluate(ground) == "rgb(255, 255, 255)"
    assert dark.evaluate(ground) == "rgb(20, 23, 26)"
    metrics = dark.locator("table").filter(has_text="Every metric of a").first
    assert not metrics.is_visible()
    dark.emulate_media(media="print")
    assert dark.evaluate(ground) == "rgb(255, 255, 255)"
    assert metrics.is_visible()
