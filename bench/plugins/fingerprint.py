"""A hash of what code does: comments, layout and docstrings do not count, what it imports of ours does."""

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
    """SHA-256 over the syntax trees of files and of everything of ours that they import, directly or not.

    Of other people's distributions that a plug-in imports, the version stands for the code.
    """
    reached = sources(*files)
    parts = sorted(_content(path) for path in reached)
    outside = [path for path in reached if not _is_ours(path)]
    parts += sorted({line for path in outside for line in _versions(path)})
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def sources(*files: Path) -> dict[Path, Path]:
    """Files, everything of ours that they import, directly or not, and the modules that a plug-in stands on.

    These lie beside it or anywhere on the import path, as a package that is installed to be edited does; not where
    distributions are installed, whose code changes with their version.

    Returns:
        File -> the folder in which its module's full name starts.
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
    """What counts of a file: its syntax tree, or its bytes where there is none."""
    tree = _parsed(path)
    return ast.dump(_without_docstrings(tree)) if tree else hashlib.sha256(path.read_bytes()).hexdigest()


def _is_ours(path: Path) -> bool:
    return any(path.is_relative_to(ROOT / name) for name in OURS)


def module_file(name: str) -> Path | None:
    """The file of one of our modules, or None."""
    if name.partition(".")[0] not in OURS:
        return None
    path = ROOT.joinpath(*name.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


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
    """What a file imports, as far as it counts, each with the folder in which its module's name starts."""
    tree = _parsed(path)
    for module, names, level in _statements(tree) if tree else ():
        within = [".".join(filter(None, (module, each))) for each in ("", *names)]
        if level:
            above = path.parent.joinpath(*[".."] * (level - 1))
            relative = [module_files.beside(above, each) for each in within]
            yield from ((each.resolve(), root) for each in relative if each)
        else:
            if not _is_ours(path):
                yield from (found for each in within for found in module_files.files(path.parent, each))
            passed = _sources(module, names) if names else [module_file(module)]
            yield from ((each.resolve(), ROOT) for each in passed if each)


def modules(path: Path) -> list[str]:
    """Top-level modules that a plug-in's file imports and that are not ours."""
    tree = _parsed(path)
    tops = [module.partition(".")[0] for module, _, level in _statements(tree) if not level] if tree else []
    return [top for top in dict.fromkeys(tops) if top not in OURS]


def _parsed(path: Path) -> ast.Module | None:
    """The syntax tree; None of what is no Python that this version reads."""
    try:
        return _parse(path) if path.suffix == ".py" else None
    except (SyntaxError, ValueError):
        return None


def _statements(tree: ast.Module) -> Iterator[tuple[str, list[str], int]]:
    """(module, names taken from it, dots before it) of every import, `import_module("name")` included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, [], 0) for alias in node.names)
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
    """Where imported names come from: a package's `__init__` only passes on what other modules define.

    Without this, `from quantizers import LearnedCodebook` would make a plug-in depend on every family.
    """
    path = module_file(module)
    if path is None or path.name != "__init__.py":
        return [path]
    passed = {
        alias.asname or alias.name: node.module
        for node in ast.walk(_parse(path))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    sources: list[Path | None] = []
    for name in names:
        submodule = module_file(f"{module}.{name}")
        sources.append(submodule or module_file(passed.get(name, module)))
    return sources
