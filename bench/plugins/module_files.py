"""Files of the modules that a plug-in stands on, found without importing them."""

import functools
import importlib.util
import itertools
import sysconfig
from functools import cache
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path

from bench._checkout import ROOT

DISTRIBUTION = "quantizer-bench"
OURS = ("bench", "quantizers", "datasets", "reports")


def beside(folder: Path, name: str) -> Path | None:
    """File of a module whose full name starts in a folder; None where there is none."""
    if not name:
        return package if (package := folder / "__init__.py").is_file() else None
    path = folder.joinpath(*name.split("."))
    for suffix in (".py", *EXTENSION_SUFFIXES, "/__init__.py"):
        file = Path(f"{path}{suffix}")
        if file.is_file():
            return file
    return None


def root(path: Path) -> Path:
    """Folder in which the full name of a plug-in's module starts: above the packages that hold its file."""
    return next(folder for folder in path.parents if not (folder / "__init__.py").is_file())


def files(folder: Path, name: str) -> list[tuple[Path, Path]]:
    """Files that importing a module runs: those of the plug-in's own package, and those that may be edited.

    Args:
        folder: Folder of the plug-in's file that imports the module.
        name: Full name of the module; a name that is no module has no file.

    Returns:
        Every file with the folder in which its module's name starts.
    """
    parts = name.split(".")
    if parts[0] in OURS:
        return []
    chain = list(itertools.accumulate(parts, "{}.{}".format))
    packages = [parent.parent for parent in (folder, *folder.parents) if parent.name == parts[0]]
    for start in (*packages, *_roots(parts[0]), folder):  # the folder last, as bench.plugins searches it
        run = list(filter(None, map(functools.partial(beside, start), chain)))
        if run and (start in packages or not _is_installed(start)):
            return [(path.resolve(), start.resolve()) for path in run]
    return []


def versions(top: str) -> list[str]:
    """Lines "distribution==version" for distributions that install a module and do not come with ours."""
    from packaging.utils import canonicalize_name  # few commands need it

    lines = []
    for name in _providers().get(top, []):
        if canonicalize_name(name) not in _required():
            lines.append(f"{name}=={metadata.version(name)}")
    return lines


def origin(top: str) -> Path | None:
    """File that Python takes for a top-level module; None where there is none."""
    spec = _spec(top)
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None


@cache
def _roots(top: str) -> tuple[Path, ...]:
    """Folders of the import path in which a top-level module was found."""
    spec = _spec(top)
    if spec and spec.submodule_search_locations is not None:
        return tuple(Path(place).parent for place in spec.submodule_search_locations)
    file = origin(top)
    return (file.parent,) if file else ()


def _spec(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None


@cache
def _is_installed(root: Path) -> bool:
    """Whether files in a folder change only with the version of a distribution, of Python or of ours."""
    for name in ("stdlib", "platstdlib"):
        if root.resolve().is_relative_to(Path(sysconfig.get_path(name)).resolve()):
            return True
    return root.resolve() == ROOT or any(root.glob("*.dist-info"))


@cache
def _providers() -> dict[str, list[str]]:
    return {top: sorted(set(names)) for top, names in metadata.packages_distributions().items()}


@cache
def _required() -> frozenset[str]:
    """Distributions that quantizer-bench brings, and itself: their versions are recorded with every run."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = []
    return frozenset(str(canonicalize_name(Requirement(line).name)) for line in lines) | {DISTRIBUTION}
