"""A hash of what code does: comments, layout and docstrings do not count, what it imports of ours does."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from bench._packages import ROOT

PACKAGES = ("bench", "quantizers", "datasets", "reports")


@cache
def fingerprint(*files: Path) -> str:
    """SHA-256 over the syntax trees of files and of everything of ours that they import, directly or not."""
    trees = sorted(ast.dump(_without_docstrings(path)) for path in sources(*files))
    return hashlib.sha256("\n".join(trees).encode()).hexdigest()


def sources(*files: Path) -> list[Path]:
    """Files, everything of ours that they import, directly or not, and the modules beside a plug-in."""
    waiting, seen = [path.resolve() for path in files], dict[Path, None]()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen[path] = None
            waiting.extend(_imports(_parse(path), path.parent))
    return [*seen]


def module_file(name: str) -> Path | None:
    """The file of one of our modules, or None."""
    if name.partition(".")[0] not in PACKAGES:
        return None
    path = ROOT.joinpath(*name.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _without_docstrings(path: Path) -> ast.Module:
    tree = _parse(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1:
                node.body = node.body[1:]
    return tree


def _imports(tree: ast.Module, folder: Path) -> list[Path]:
    found: list[Path | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found += [module_file(alias.name), _own(folder, alias.name)]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            module = node.module or ""
            within = [".".join(filter(None, (module, each))) for each in ("", *names)]
            if node.level:
                above = folder.joinpath(*[".."] * (node.level - 1))
                found += [_beside(above, each) for each in within]
            else:
                found += [*(_own(folder, each) for each in within), *_sources(module, names)]
    return [path for path in found if path is not None]


def _own(folder: Path, name: str) -> Path | None:
    """A plug-in's own module that one of its files, which lies in `folder`, imports by its full name.

    It is of the same package, or beside a plug-in that is a single file; what lies beside one where distributions are
    installed is other people's.
    """
    top = name.partition(".")[0]
    if top in PACKAGES:
        return None
    packages = [parent.parent for parent in (folder, *folder.parents) if parent.name == top]
    places = packages if _installed(folder) else [*packages, folder]
    return next((path for path in (_beside(place, name) for place in places) if path), None)


@cache
def _installed(folder: Path) -> bool:
    return any(folder.glob("*.dist-info"))


def _beside(folder: Path, name: str) -> Path | None:
    path = folder.joinpath(*name.split(".")) if name else folder
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


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
