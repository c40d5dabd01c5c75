"""Hash of the behaviour of code.

Comments, layout and docstrings do not count; the modules of ours that the code imports do.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bench._checkout import ROOT
from bench.plugins import module_files
from bench.plugins.module_files import OURS


@cache
def fingerprint(*files: Path) -> str:
    """SHA-256 over the syntax trees of files and of all modules of ours that they import, directly or not.

    The version of another distribution that a plug-in imports stands for its code.
    """
    reached = sources(*files)
    parts = sorted(map(_content, reached))
    versions: set[str] = set()
    for path in reached:
        if not _is_ours(path):
            versions.update(_versions(path))
    parts += sorted(versions)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def sources(*files: Path) -> dict[Path, Path]:
    """Files with all modules of ours that they import, directly or not, and the modules that a plug-in stands on.

    Modules of a plug-in lie beside it or anywhere on the import path, as a package that is installed to be edited does.
    Modules of installed distributions are left out: their code changes with their version.

    Returns:
        File -> folder in which the full name of its module starts.
    """
    waiting = [(path.resolve(), module_files.root(path.resolve())) for path in files]
    seen: dict[Path, Path] = {}
    while waiting:
        path, root = waiting.pop()
        if path not in seen:
            seen[path] = root
            waiting.extend(_imports(path, root))
    return seen


def _content(path: Path) -> str:
    """Content of a file that counts: its syntax tree, or its bytes where there is none."""
    tree = _parsed(path)
    return ast.dump(_without_docstrings(tree)) if tree else hashlib.sha256(path.read_bytes()).hexdigest()


def _is_ours(path: Path) -> bool:
    return any(path.is_relative_to(ROOT / name) for name in OURS)


def module_file(name: str) -> Path | None:
    """File of one of our modules; None where there is no such module."""
    if name.partition(".")[0] not in OURS:
        return None
    path = ROOT.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())  # bytes, so that marks and coding lines count as they do for Python


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1:
                node.body = node.body[1:]
    return tree


def _imports(path: Path, root: Path) -> Iterator[tuple[Path, Path]]:
    """Files that a file imports, as far as they count, with the folder in which their module's name starts."""
    tree = _parsed(path)
    for module, names, level in _statements(tree) if tree else ():
        modules = [".".join(filter(None, (module, name))) for name in ("", *names)]
        if level:
            above = path.parent.joinpath(*[".."] * (level - 1))
            for name in modules:
                neighbour = module_files.beside(above, name)
                if neighbour:
                    yield neighbour.resolve(), root
            continue
        if not _is_ours(path):
            for name in modules:
                yield from module_files.files(path.parent, name)
        for source in _sources(module, names) if names else [module_file(module)]:
            if source:
                yield source.resolve(), ROOT


def modules(path: Path) -> list[str]:
    """Top-level modules that a plug-in's file imports and that are not ours."""
    tree = _parsed(path)
    tops: dict[str, None] = {}
    for module, _, level in _statements(tree) if tree else ():
        top = module.partition(".")[0]
        if not level and top not in OURS:
            tops[top] = None
    return list(tops)


def _parsed(path: Path) -> ast.Module | None:
    """Syntax tree of a file; None where it is no Python that this version reads."""
    try:
        return _parse(path) if path.suffix == ".py" else None
    except (SyntaxError, ValueError):
        return None


def _statements(tree: ast.Module) -> Iterator[tuple[str, list[str], int]]:
    """(module, names taken from it, dots before it) of every import, `import_module("name")` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, [], 0
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", [alias.name for alias in node.names], node.level
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0].value
            if called in ("import_module", "__import__") and isinstance(name, str) and not name.startswith("."):
                yield name, [], 0


def _versions(path: Path) -> Iterator[str]:
    """Distributions that a plug-in's file imports and that quantizer-bench does not bring, with their versions."""
    for module in modules(path):
        yield from module_files.versions(module)


def _sources(module: str, names: list[str]) -> list[Path | None]:
    """Files that define imported names: a package's `__init__` only passes on the names of other modules.

    Without this, `from quantizers import LearnedCodebook` would make a plug-in depend on every family.
    """
    path = module_file(module)
    if path is None or path.name != "__init__.py":
        return [path]
    passed: dict[str, str] = {}
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                passed[alias.asname or alias.name] = node.module
    sources: list[Path | None] = []
    for name in names:
        submodule = module_file(f"{module}.{name}")
        sources.append(submodule or module_file(passed.get(name, module)))
    return sources
