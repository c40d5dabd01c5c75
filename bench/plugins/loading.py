"""Other people's quantizers, datasets and metrics: from a file or module, or from distributions that are installed.

An installed distribution offers them as entry points of the groups in `GROUPS`, each under its name:

    [project.entry-points."quantizer_bench.quantizers"]
    neural-gas = "my_package.quantizer:NeuralGas"
"""

import hashlib
import importlib
import importlib.util
import itertools
import os
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import bench.metrics.registry
import datasets.registry
import quantizers.registry
from bench.errors import UsageError
from bench.plugins import module_files
from bench.plugins.fingerprint import modules
from bench.plugins.guard import guarded
from bench.vocabulary import REFERENCES

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

PREFIX = "bench_plugin_"
"""Beginning of the module names that plug-in files get."""

OF_QUANTIZERS, OF_DATASETS, OF_METRICS = (
    "quantizer_bench.quantizers",
    "quantizer_bench.datasets",
    "quantizer_bench.metrics",
)
GROUPS = {OF_QUANTIZERS: "quantizer", OF_DATASETS: "dataset", OF_METRICS: "metric"}
"""Groups that `discover` imports -> noun for one of them."""


class Registry(Protocol):
    """The functions that the registries of quantizers, datasets and metrics have in common."""

    def names(self) -> list[str]:
        """Registered names, ours first."""

    def registered(self, name: str) -> Any:
        """Class or function that is registered under a name."""

    def load_plugin(self, name: str, plugin: Any) -> None:
        """Register what an entry point led to."""


REGISTRIES: dict[str, Registry] = {
    OF_QUANTIZERS: quantizers.registry,
    OF_DATASETS: datasets.registry,
    OF_METRICS: bench.metrics.registry,
}

_BROKEN: dict[tuple[str, str], str] = {}
_PROVIDED: dict[str, set[tuple[str, str]]] = {}


class NamedCell(Protocol):
    """A cell, of which plug-ins need to know the names alone."""

    @property
    def quantizer(self) -> str:
        """Name of the quantizer with its preset, or name of a reference."""

    @property
    def dataset(self) -> str:
        """Name of the dataset in the tables."""

    @property
    def metric_keys(self) -> Mapping[str, str]:
        """Metric -> its key."""


def entry_points(group: str) -> "EntryPoints":
    """Entry points of installed distributions in a group of `GROUPS`, or in "quantizer_bench.executors".

    Nothing is imported before `entry_points(group)[name].load()`.
    """
    from importlib import metadata  # slow to import, and most commands do not need it

    return metadata.entry_points(group=group)


def discover(needed: Mapping[str, Collection[str]] | None = None) -> list[str]:
    """Import and register the plug-ins of installed distributions; a plug-in that cannot be used is skipped.

    Args:
        needed: Group -> names to look for, except those that are registered already. None takes everything.

    Returns:
        A line for every plug-in that was skipped, with the cause.
    """
    skipped = []
    for group in GROUPS:
        wanted = None if needed is None else set(needed.get(group, ())) - set(REGISTRIES[group].names())
        if wanted is not None and not wanted:
            continue
        offered = entry_points(group)
        if wanted is not None and not wanted <= offered.names:
            wanted = None  # a module may register more names than its distribution declares
        for offer in offered:
            if wanted is None or offer.name in wanted:
                skipped += _try(group, offer)
    return skipped


def refuse_broken(kind: str, name: str) -> None:
    """Say why a name is not registered.

    Args:
        kind: Kind of plug-in, one of the values of `GROUPS`.
        name: Name that the user gave.

    Raises:
        UsageError: An installed distribution offers the name, and its plug-in cannot be used.
    """
    if broken(kind, name):
        raise UsageError(broken(kind, name))


def broken(kind: str, name: str) -> str:
    """Reason why an installed plug-in of that name cannot be used; "" where it can, or there is none."""
    return _BROKEN.get((kind, name), "")


def _try(group: str, offer: "EntryPoint") -> list[str]:
    """Import and register one plug-in, and return a line where that fails."""
    try:
        if group == OF_QUANTIZERS:
            _refuse_references([offer.name])
        with guarded():
            REGISTRIES[group].load_plugin(offer.name, offer.load())
    except (Exception, SystemExit) as error:  # a plug-in may raise anything; the user reads it in one line
        source = f"{offer.dist.name} {offer.dist.version}" if offer.dist else offer.value
        plugin = f"{GROUPS[group]} {offer.name!r} of {source}"
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        _BROKEN[GROUPS[group], offer.name] = f"{plugin} cannot be used: {cause}"
        return [f"{plugin} is skipped: {cause}"]
    return []


def load(plugin: str) -> list[str]:
    """Import a plug-in.

    Args:
        plugin: Path of a Python file, or name of an importable module.

    Returns:
        Names that it registered.

    Raises:
        UsageError: The plug-in does not exist, raises an exception, or registers nothing.
    """
    before = _all()
    try:
        with guarded():
            module = _import(plugin)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # a plug-in may raise anything; the user reads it in one line
        raise UsageError(f"plug-in {plugin} cannot be loaded: {type(error).__name__}: {error}") from error
    present = _all()
    registered = present.keys() - before.keys()
    for place, plugged_in in present.items():
        if getattr(plugged_in, "__module__", None) == module:
            registered.add(place)
    _PROVIDED[plugin] = _PROVIDED.get(plugin, set()) | registered
    if not _PROVIDED[plugin]:
        raise UsageError(
            f"plug-in {plugin} registers nothing; put @quantizers.register('name') above a class derived from "
            "quantizers.Quantizer, @datasets.register('name') above one derived from datasets.Dataset, or "
            "@bench.metrics.register('name', ...) above a function"
        )
    names = [name for _, name in registered]
    _refuse_references(names)
    return names


def names_of(cells: Iterable[NamedCell]) -> dict[str, set[str]]:
    """Group -> names of the quantizers, datasets and metrics of some cells, which a plug-in may have to provide."""
    names: dict[str, set[str]] = {group: set() for group in GROUPS}
    for cell in cells:
        if cell.quantizer not in REFERENCES:
            names[OF_QUANTIZERS].add(cell.quantizer.partition(":")[0])
        names[OF_DATASETS].add(cell.dataset.partition(":")[0])
        names[OF_METRICS].update(cell.metric_keys)
    return names


def needed(plugins: Iterable[str], names: Mapping[str, Collection[str]]) -> list[str]:
    """Plug-ins among those that were loaded that provide one of some names: a job loads no others.

    Args:
        plugins: Files or modules that `load` was given.
        names: Group -> names, as `discover` takes them.
    """
    wanted: set[tuple[str, str]] = set()
    for group, group_names in names.items():
        wanted.update(itertools.product([group], group_names))
    return [plugin for plugin in plugins if plugin not in _PROVIDED or _PROVIDED[plugin] & wanted]


def source(module: str) -> str:
    """Display name of a plug-in by its module: the name of its file, or of the module."""
    return Path(str(sys.modules[module].__file__)).name if module.startswith(PREFIX) else module


def _refuse_references(names: list[str]) -> None:
    """Refuse the name of a reference, which would be run in place of the plug-in."""
    for name in names:
        if name in REFERENCES:
            raise UsageError(f"{name!r} is the name of a reference; choose another for the plug-in")


def origin(cls: type[quantizers.Quantizer]) -> str:
    """Argument of `load` that registers a plug-in's class in another process."""
    module = cls.__module__
    return str(sys.modules[module].__file__) if module.startswith(PREFIX) else module


def _all() -> dict[tuple[str, str], Any]:
    """(group, name) -> class or function, of everything that is registered."""
    everything = {}
    for group, registry in REGISTRIES.items():
        for name in registry.names():
            everything[group, name] = registry.registered(name)
    return everything


def _import(plugin: str) -> str:
    path = Path(plugin)
    if path.suffix != ".py" and not path.exists():
        return importlib.import_module(plugin).__name__
    if not path.is_file():
        raise UsageError(f"plug-in {plugin} does not exist; give the path of a Python file or the name of a module")
    path = path.resolve()
    name = f"{PREFIX}{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
    if name not in sys.modules:
        _search(path)
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UsageError(f"plug-in {plugin} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return name


def _search(path: Path) -> None:
    """Let a plug-in's file import the modules beside it, whatever the working folder and the command.

    Its folders are searched last, so that no module in them hides a module that others import.

    Raises:
        UsageError: A module beside it has the name of another one that was imported before.
    """
    root = module_files.root(path)
    for folder in (str(root), str(path.parent)):
        if folder not in sys.path:
            sys.path.append(folder)
    importlib.invalidate_caches()
    for name in modules(path):
        neighbour = module_files.beside(path.parent, name)
        present = module_files.origin(name)
        if neighbour and present and neighbour.resolve() != present.resolve():
            raise UsageError(
                f"plug-in {path} imports {name}, and {neighbour} is not what Python finds under that name, but "
                f"{present}: rename it"
            )
