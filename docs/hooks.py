"""Pages of the site that are made from the code: the command line, the notebook, and the tables of the record.

mkdocs calls the functions whose names begin with `on_`. `python docs/hooks.py` writes the tables of the record into
docs/concepts/record.md again; a test compares them.
"""

import ast
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
RECORD_PAGE = DOCS / "concepts" / "record.md"
COMMANDS = "<!-- commands -->"
BEGIN, END = "<!-- fields: begin -->", "<!-- fields: end -->"
VERBS = ("run", "report", "tune", "suggest", "gate", "library")
VALUES = {int: "N", float: "X", Path: "PATH"}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put in commands and files, link pages of notebooks, and indent nested lists as Python-Markdown wants them."""
    markdown = re.sub(r"notebooks/(\w+)\.ipynb\)", r"notebooks/\1.md)", markdown)
    markdown = re.sub(r"<!-- include: (\S+) -->", _included, markdown)
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, commands())
    if page.file.src_uri.startswith("results/"):
        markdown = re.sub(r"^  - ", "    - ", markdown, flags=re.MULTILINE)
    return markdown


def on_files(files: Any, config: Any) -> Any:
    """Add a page for every notebook."""
    from mkdocs.structure.files import File

    for path in sorted((DOCS / "notebooks").glob("*.ipynb")):
        name = f"notebooks/{path.stem}.md"
        files.append(File.generated(config, name, content=notebook(path)))
    return files


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse a page that would load something from another address: the site works without a network."""
    from mkdocs.exceptions import PluginError

    for tag in re.findall(r"<(?:script|img|iframe|link)\b[^>]*>", output):
        if re.search(r"(?:src|href)=[\"']?(?:https?:)?//", tag) and 'rel="canonical"' not in tag:
            raise PluginError(f"{page.file.src_uri} would load from another address: {tag}")
    return output


def notebook(path: Path) -> str:
    """A notebook as Markdown: its text, and its code without outputs."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts) + "\n"


def _included(place: re.Match[str]) -> str:
    """Code of a file of the repository."""
    return f"```python\n{(ROOT / place[1]).read_text(encoding='utf-8').strip()}\n```"


def commands() -> str:
    """Every command with its arguments and options, as Markdown."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    import typer.main

    from bench.cli.app import app

    importlib.import_module("bench.cli.main")
    for verb in VERBS:
        importlib.import_module(f"bench.cli.{verb}")
    return "\n\n".join(_command("bench", typer.main.get_command(app)))


def _command(name: str, command: Any) -> Iterator[str]:
    """Sections of a command and of the commands below it."""
    below = getattr(command, "commands", {})
    if not below:
        yield f"## {name}"
        yield "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
        rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
        yield "\n".join(["| argument or option | default | meaning |", "|---|---|---|", *rows])
    for verb, lower in below.items():
        yield from _command(f"{name} {verb}", lower)


def _parameter(parameter: Any) -> str:
    """Table row of a parameter."""
    if parameter.param_type_name == "argument":
        spelled = parameter.metavar or parameter.name.upper()
    else:
        spelled = ", ".join(sorted(parameter.opts, reverse=True))
        spelled += "" if parameter.is_flag else f" {VALUES.get(parameter.type_descriptor.annotation, 'TEXT')}"
    default = "" if parameter.default in (None, "", False) or callable(parameter.default) else f"`{parameter.default}`"
    if parameter.required:
        default = "required"
    return f"| `{spelled.strip()}` | {default} | {(parameter.help or '').replace('|', chr(92) + '|')} |"


def fields() -> str:
    """Tables of the types in bench/records/record.py: name, type and meaning of every field."""
    tree = ast.parse((ROOT / "bench" / "records" / "record.py").read_text(encoding="utf-8"))
    types = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    types.sort(key=lambda node: node.name != "Record")
    return "\n\n".join(map(_fields, types))


def _fields(node: ast.ClassDef) -> str:
    docstring = ast.get_docstring(node) or ""
    attributes = docstring.partition("Attributes:\n")[2]
    meanings = dict(re.findall(r"^    (\w+): (.*(?:\n        .*)*)", attributes, re.MULTILINE))
    lines = [f"### {node.name}", "", docstring.splitlines()[0], "", "| field | type | meaning |", "|---|---|---|"]
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name, kind = statement.target.id, ast.unparse(statement.annotation)
            kind = re.sub(r"^(?:Not)?Required\[(.*)\]$", r"\1", kind).replace(" | ", " or ")
            lines.append(f"| `{name}` | {kind.replace('[', chr(92) + '[')} | {' '.join(meanings[name].split())} |")
    return "\n".join(lines)


def with_fields(page: str) -> str:
    """The page of the record with its tables made again."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{fields()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    RECORD_PAGE.write_text(with_fields(RECORD_PAGE.read_text(encoding="utf-8")), encoding="utf-8")
