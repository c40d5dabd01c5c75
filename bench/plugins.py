"""Loads a user's file or module so that its `@register` decorators run."""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path

import datasets
import quantizers
from bench.errors import UsageError

PREFIX = "bench_plugin_"  # of the module names that files get


def load(plugin: str) -> list[str]:
    """Import a plug-in.

    Args:
        plugin: Path of a Python file, or name of an importable module.

    Returns:
        The names that it registered.

    Raises:
        UsageError: It is not there, raises, or registers nothing.
    """
    before = _registered()
    try:
        module = _import(plugin)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's file raises is the user's to read, in one line
        raise UsageError(f"plug-in {plugin} cannot be loaded: {type(error).__name__}: {error}") from error
    own = {name: cls for name, cls in _registered().items() if cls.__module__ == module}
    if not (own or _registered().keys() - before.keys()):
        raise UsageError(
            f"plug-in {plugin} registers nothing; put @quantizers.register('name') above a class derived from "
            "quantizers.Quantizer, or @datasets.register('name') above one derived from datasets.Dataset"
        )
    return list(own)


def source(module: str) -> str:
    """What a user would call the plug-in that a module is: the name of its file, or the module's own."""
    return Path(str(sys.modules[module].__file__)).name if module.startswith(PREFIX) else module


def _registered() -> dict[str, type]:
    families = {name: family.cls for name, family in quantizers.families().items()}
    return families | {name: datasets.get(name) for name in datasets.names()}


def _import(plugin: str) -> str:
    path = Path(plugin)
    if path.suffix != ".py" and not path.exists():
        return importlib.import_module(plugin).__name__
    if not path.is_file():
        raise UsageError(f"plug-in {plugin} does not exist; give the path of a Python file or the name of a module")
    path = path.resolve()
    name = f"{PREFIX}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
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
