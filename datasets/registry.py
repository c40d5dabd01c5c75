"""Registry of datasets: names and classes, ours and those that plug-ins add."""

import difflib
import importlib
import inspect
import os
from pathlib import Path
from typing import Any

from datasets.base import Dataset
from datasets.sequences import Sequences
from datasets.text import short_name

TUNING = 1 << 31
"""First data seed of the tuner, whose seeds `load` gives no test split. The seeds of runs lie below."""
COMMON = TUNING - 1
"""Data seed of the test frames that the tokenizers of all seeds encode, so that their codes can be compared."""

_MODULES = {
    "lorenz": ("datasets.lorenz", "Lorenz"),
    "aist": ("datasets.motion.aist", "Aist"),
    "aist-standin": ("datasets.motion.aist_standin", "AistStandIn"),
    "cmu": ("datasets.motion.cmu", "Cmu"),
    "npz": ("datasets.npz", "Npz"),
}
_REGISTERED: dict[str, type[Dataset]] = {}


def register(name: str) -> Any:
    """Class decorator that adds a `Dataset` under `name`.

    Raises:
        ValueError: The name is taken by another class or malformed, or the class breaks the contract of `Dataset`.
    """
    if not name or name != name.strip() or any(sign in name for sign in ":,=.") or name == "all":
        raise ValueError(f"Expected a dataset name without any of ':,=.' and not 'all', got {name!r}.")

    def add(cls: type[Dataset]) -> type[Dataset]:
        if name in names() and _REGISTERED.get(name) is not cls:
            raise ValueError(f"A dataset named {name!r} is already registered; choose another name.")
        if not (isinstance(cls, type) and issubclass(cls, Dataset)):
            raise ValueError(f"Expected {name!r} to be a subclass of datasets.Dataset, got {cls!r}.")
        for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is parameter.empty:
                raise ValueError(
                    f"Expected parameter {parameter.name!r} of {name!r} to be keyword-only with a default."
                )
            if parameter.name == "seed":
                raise ValueError(f"Expected {name!r} to take its seed in `load`, not in `__init__`.")
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        if missing:
            raise ValueError(f"Expected {cls.__name__} to define {', '.join(missing)}.")
        _REGISTERED[name] = cls
        return cls

    return add


def names() -> list[str]:
    """Registered names, ours first."""
    return list(dict.fromkeys([*_MODULES, *_REGISTERED]))


def get(name: str) -> type[Dataset]:
    """Class registered under `name`; the path after the colon of a located dataset does not matter.

    Raises:
        ValueError: No class has the name; the message lists the names.
    """
    kind, colon, _ = name.partition(":")
    if kind not in names() or (colon and not get(kind).located):
        close = difflib.get_close_matches(kind, names(), n=1)
        hint = f"did you mean {close[0]!r}? " if close and close[0] != name else ""
        raise ValueError(f"unknown dataset {name!r}; {hint}registered: {', '.join(names())}")
    if kind in _REGISTERED:
        return _REGISTERED[kind]
    module, attribute = _MODULES[kind]
    cls: type[Dataset] = getattr(importlib.import_module(module), attribute)
    return cls


def registered(name: str) -> type[Dataset]:
    """Class of a registered dataset."""
    return get(name)


def load_plugin(name: str, plugin: Any) -> None:
    """Register the class that an entry point of that name leads to, decorated or not.

    Raises:
        ValueError: The name is taken, or the class breaks the contract of `Dataset`.
    """
    if name not in names() or get(name) is not plugin:  # its own decorator may have just registered it
        register(name)(plugin)


def resolve(name: str) -> tuple[str, dict[str, Any]]:
    """Resolve a name as typed into the name in tables and the parameters that it contains.

    A located dataset is named after its file. Results are kept by the content of the file, not by its place:
    "npz:data/walks.npz" -> "npz:walks", {"path": "/.../data/walks.npz"}.

    Raises:
        ValueError: The name is unknown, or lacks a path where one is needed.
    """
    kind, _, path = name.partition(":")
    if not get(name).located:
        return name, {}
    if not Path(path).name.partition(".")[0]:
        raise ValueError(f"expected the path of a file after {kind}, as in {kind}:walks.{kind}; got {name!r}")
    return f"{kind}:{short_name(path)}", {"path": str(Path(os.path.expanduser(path)).absolute())}  # noqa: PTH111 - the other raises


def parameters(name: str) -> dict[str, Any]:
    """Parameters of a dataset with their defaults."""
    signature = inspect.signature(get(name).__init__)
    return {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}


def missing(name: str) -> str | None:
    """One line on the data that a dataset of default parameters lacks on this machine; None where it would load.

    Without its path, nothing can be said about a located dataset, so the answer is None.
    """
    cls = get(name)
    try:
        return None if cls.located else cls().missing()
    except (ValueError, OSError) as error:
        return str(error)


def create(name: str, /, **values: Any) -> Dataset:
    """Create a dataset: `create("lorenz", sequences=400)`, `create("npz:walks.npz")`.

    Raises:
        ValueError: The name is unknown, or a parameter is out of range.
    """
    located = {} if "path" in values else resolve(name)[1]
    return get(name)(**(located | values))


def load(name: str, /, *, seed: int = 0, **values: Any) -> Sequences:
    """Load a dataset: `load("lorenz", seed=0, sequences=400)`.

    A seed of the tuner, TUNING and above, has the validation split in the place of the test split.

    Args:
        name: Name of the dataset, with its path where it is located.
        seed: Data seed, which draws and splits the sequences.
        **values: Parameters of the dataset, see `parameters`.

    Raises:
        ValueError: The name is unknown, or a parameter is out of range.
        FileNotFoundError: The data are not on this machine; the message says how to get them.
    """
    return draw(create(name, **values), seed)


def draw(dataset: Dataset, seed: int) -> Sequences:
    """Load a dataset that was created before, see `load`.

    Raises:
        ValueError: The seed is one of the tuner, and the dataset has no test split that tuning could not see.
        FileNotFoundError: The data are not on this machine; the message says how to get them.
    """
    reason = dataset.missing()
    if reason:
        raise FileNotFoundError(reason)
    if seed < TUNING:
        return dataset.load(seed)
    if not dataset.test_apart:
        raise ValueError(
            f"on {type(dataset).__name__} a seed may train on what another tests, so nothing can be tuned on it"
        )
    return dataset.load(seed).without_test()
