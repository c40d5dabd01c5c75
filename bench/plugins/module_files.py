"""Where Python finds the modules that a plug-in stands on, without importing them."""

import importlib.util
import sysconfig
from functools import cache
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path

from bench._checkout import ROOT

DISTRIBUTION = "quantizer-bench"
OURS = ("bench", "quantizers", "datasets", "reports")


def beside(folder: Path, name: str) -> Path | None:
    """The file of a module whose full name starts in `folder`; None where there is none."""
    if not name:
        return package if (package := folder / "__init__.py").is_file() else None
    path = folder.joinpath(*name.split("."))
    endings = [path.with_name(path.name + suffix) for suffix in (".py", *EXTENSION_SUFFIXES)]
    return next((each for each in (*endings, path / "__init__.py") if each.is_file()), None)


def root(path: Path) -> Path:
    """The folder in which the full name of a plug-in's file starts: above the packages that hold it."""
    return next(folder for folder in path.parents if not (folder / "__init__.py").is_file())


def files(folder: Path, name: str) -> list[tuple[Path, Path]]:
    """Files that importing a module runs: those of the plug-in's own package, and those that may be edited.

    Args:
        folder: Of the plug-in's file that imports it.
        name: The module's full name; what is no module has no file.

    Returns:
        Each file with the folder in which its module's name starts.
    """
    parts = name.split(".")
    if parts[0] in OURS:
        return []
    chain = [".".join(parts[: end + 1]) for end in range(len(parts))]
    packages = [parent.parent for parent in (folder, *folder.parents) if parent.name == parts[0]]
    for start in (*packages, *_roots(parts[0]), folder):  # the folder last, as bench.plugins searches it
        run = [path for each in chain if (path := beside(start, each)) is not None]
        if run and (start in packages or not _is_installed(start)):
            return [(path.resolve(), start.resolve()) for path in run]
    return []


def versions(top: str) -> list[str]:
    """Lines "distribution==version" of what is installed under a module's name and does not come with ours."""
    from packaging.utils import canonicalize_name  # what few commands need

    names = _providers().get(top, [])
    return [f"{name}=={metadata.version(name)}" for name in names if canonicalize_name(name) not in _required()]


def origin(top: str) -> Path | None:
    """The file that Python takes for a top-level module; None where it has none, or there is no such module."""
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
    """Whether what lies in a folder changes with the version of a distribution, of Python or of ours alone."""
    standard = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    inside = any(root.resolve().is_relative_to(each) for each in standard)
    return inside or root.resolve() == ROOT or any(root.glob("*.dist-info"))


@cache
def _providers() -> dict[str, list[str]]:
    return {top: sorted(set(names)) for top, names in metadata.packages_distributions().items()}


@cache
def _required() -> frozenset[str]:
    """What quantizer-bench brings, and itself: its versions are recorded with every run."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = []
    return frozenset(str(canonicalize_name(Requirement(line).name)) for line in lines) | {DISTRIBUTION}
