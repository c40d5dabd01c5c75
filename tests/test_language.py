"""Rules of language and density that can be counted; CONTRIBUTING.md gives the others."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bench", "quantizers", "datasets", "reports")
NO_BEGINNING = ("Of", "That", "Its", "What", "How", "Where", "When", "Which", "Who", "Whose")
VAGUE = {"told", "found", "own", "known", "each"}
MOST_COMPREHENSIONS = {"bench": 45, "quantizers": 45, "datasets": 45, "reports": 70}
LONGEST_FILE = 400
LONGEST_PROSE_LINE = 120
FEWEST_WORDS = 4
SHORT_ENTRIES_ALLOWED = 19

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources(*folders: str) -> tuple[tuple[str, ast.Module], ...]:
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return tuple((str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))) for file in files)


def docstrings() -> Iterator[tuple[str, Documented, str]]:
    for file, tree in sources(*PACKAGES):
        for node in ast.walk(tree):
            if isinstance(node, Documented) and (text := ast.get_docstring(node)):
                yield f"{file}: {getattr(node, 'name', 'module')}", node, text


def is_boolean(node: Documented) -> bool:
    returns = getattr(node, "returns", None)
    return returns is not None and ast.unparse(returns).startswith("bool")


def test_docstrings_begin_with_a_noun_phrase_or_a_verb():
    wrong = []
    for place, node, text in docstrings():
        first = text.split()[0].strip(",.:;")
        if first in NO_BEGINNING or (first == "Whether" and not is_boolean(node)):
            wrong.append(f"{place}: {text.splitlines()[0]}")
    assert not wrong, "\n".join(wrong)


def test_documented_arguments_and_attributes_are_described():
    short = []
    for place, _, text in docstrings():
        for section in re.findall(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)+)", text + "\n", re.MULTILINE):
            for name, description in re.findall(r"^    (\w+): (.*(?:\n        .*)*)", section, re.MULTILINE):
                words = description.split()
                if len(words) < FEWEST_WORDS:
                    short.append(f"{place}: {name}: {description}")
                if words[0] in NO_BEGINNING:
                    short += [f"{place}: {name}: {description}"] * (SHORT_ENTRIES_ALLOWED + 1)
    assert len(short) <= SHORT_ENTRIES_ALLOWED, "\n".join(dict.fromkeys(short))


def assigned_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def test_names_say_what_they_hold():
    wrong = [
        f"{file}:{line}: {name}"
        for file, tree in sources(*PACKAGES, "tests", "examples")
        for name, line in assigned_names(tree)
        if name in VAGUE
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_comprehension_is_the_exception(package):
    comprehensions = statements = 0
    for _, tree in sources(package):
        for node in ast.walk(tree):
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            statements += isinstance(node, ast.stmt) and not is_docstring
            comprehensions += isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp)
    assert 1_000 * comprehensions / statements <= MOST_COMPREHENSIONS[package]


def test_no_file_is_too_long_to_read():
    lengths = {
        file.relative_to(ROOT): len(file.read_text(encoding="utf-8").splitlines())
        for folder in (*PACKAGES, "tests", "examples")
        for file in (ROOT / folder).rglob("*.py")
    }
    assert not {str(file): length for file, length in lengths.items() if length > LONGEST_FILE}


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a Markdown page outside code and tables, with their numbers."""
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.lstrip().startswith("|"):
            yield number, line


def test_lines_of_pages_fit_a_screen():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    wrong = [
        f"{page.relative_to(ROOT)}:{number}: {len(line)} characters"
        for page in pages
        for number, line in prose(page.read_text(encoding="utf-8"))
        if len(line) > LONGEST_PROSE_LINE
    ]
    assert not wrong, "\n".join(wrong)


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
