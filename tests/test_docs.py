"""Pages of the documentation: their links, the commands that they show, and what they take from the code."""

import importlib.util
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path

import pytest
import typer.main

from bench.cli import main
from bench.cli.app import app
from bench.metrics import METRICS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
INLINE = re.compile(r"`(?:\.venv/bin/python -m |python -m )?bench ([a-z][^`]*)`")
OURS = re.compile(r"(?<![\w/.-])((?:bench|quantizers|datasets|reports|tests|docs|examples)/[\w./-]+)")


def name(page):
    return str(page.relative_to(ROOT))


@cache
def hooks():
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def command_line():
    for verbs in hooks().VERBS:
        importlib.import_module(f"{main.__package__}.{verbs}")
    return typer.main.get_command(app)


@cache
def without_code(page):
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`", lambda match: match[0].replace("[", "").replace("](", ""), text)


def anchors(page):
    """Anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    wrong = []
    for link in LINK.findall(without_code(page)):
        target, _, anchor = link.partition("#")
        if target.startswith("https://"):
            continue
        place = (page.parent / target).resolve() if target else page
        if not place.exists() or (anchor and anchor not in anchors(place)):
            wrong.append(link)
    assert not wrong


def commands(page):
    """Words after `-m bench` of every command that a page shows in a block of code."""
    collected = []
    text = re.sub(r"\n +-m bench", " -m bench", page.read_text(encoding="utf-8"))
    for line in text.splitlines():
        shown = re.match(r"(?:    |- run: |.*&& )?\s*(?:\.venv/bin/)?python -m bench (.*)", line)
        if shown and "`" not in line:
            collected.append(shlex.split(re.split(r" +#| &&", shown[1])[0]))
    return collected


def parse(words):
    """Parse a command without running it."""
    command, rest = command_line(), list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    assert not getattr(command, "commands", {}), f"no such verb: {' '.join(words)}"
    command.make_context("bench", rest)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_shown_are_understood(page):
    for words in commands(page):
        parse(words)


def test_commands_are_found_where_they_are_shown():
    assert len(commands(ROOT / "README.md")) == 3
    assert len(commands(DOCS / "ci.md")) >= 7


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_verbs_named_in_sentences_exist(page):
    verbs, wrong = command_line().commands, []
    for words in INLINE.findall(without_code(page)):
        verb, below = words.split()[0], words.split()[1:]
        subverbs = getattr(verbs.get(verb), "commands", {})
        named = below[0].split("|") if subverbs and below else []
        if verb not in verbs or set(named) - set(subverbs):
            wrong.append(words)
    assert not wrong


def test_an_unknown_option_would_be_noticed():
    with pytest.raises(Exception, match="no-such-option"):
        parse(["run", "--no-such-option"])


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_named_exist(page):
    """Paths in our folders; NAME in a path stands for one."""
    text = page.read_text(encoding="utf-8")
    paths = {path.rstrip("./") for path in OURS.findall(text) if "NAME" not in path}
    assert not [path for path in paths if not (ROOT / path).exists() and not (page.parent / path).exists()]


def test_the_tables_of_the_record_are_those_of_its_types():
    page = hooks().RECORD_PAGE.read_text(encoding="utf-8")
    assert page == hooks().with_fields(page), "run `python docs/hooks.py`"


def test_every_metric_has_its_definition():
    page = (DOCS / "concepts" / "metrics.md").read_text(encoding="utf-8")
    assert not [metric for metric in METRICS if f"`{metric}`" not in page]


def test_the_drawing_has_every_room():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (floors,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["bench"]]
    rooms = [[room.strip() for room in floor.split("|")] for floor in floors]
    drawing = (DOCS / "concepts" / "architecture.svg").read_text(encoding="utf-8")
    boxes = re.findall(r'<text class="n" x="[\d.]+" y="(\d+)">(\w+)</text>', drawing)
    heights = {room: int(y) for y, room in boxes}
    drawn = [sorted(room for room in heights if heights[room] == y) for y in sorted(set(heights.values()))]
    assert drawn == [*map(sorted, rooms), ["datasets", "quantizers", "reports"]]
    table = (DOCS / "concepts" / "architecture.md").read_text(encoding="utf-8")
    assert not [room for floor in rooms for room in floor if f"`{room}`" not in table]


def test_the_command_line_page_has_every_verb():
    made = hooks().commands()
    for verb in (
        "run",
        "report",
        "tune",
        "confirm",
        "baseline",
        "check",
        "list",
        "export",
        "doctor",
        "test",
        "evaluate",
    ):
        assert f"## bench {verb}\n" in made
    assert "## bench data fetch\n" in made
    assert "| `--quantizers TEXT` |" in made
