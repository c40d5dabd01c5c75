"""Datasets: `lorenz`, `aist` (AIST++ motion) and its procedural stand-in `aist-standin`.

import datasets
sequences = datasets.load("lorenz", seed=0)
sequences.frames["train"]  # (280, 297, 8)
"""

import difflib
import importlib
import inspect
from typing import Any

from datasets.base import SPLITS, DataError, Dataset, Sequences, Transform

_MODULES = {
    "lorenz": ("datasets.lorenz", "Lorenz"),
    "aist": ("datasets.aist", "Aist"),
    "aist-standin": ("datasets.aist_standin", "AistStandIn"),
}
_REGISTERED: dict[str, type[Dataset]] = {}


def register(name: str) -> Any:
    """Class decorator that adds a `Dataset` under `name`.

    Raises:
        ValueError: The name is taken by another class or cannot be one, or a parameter has no default.
    """
    if not name or name != name.strip() or any(sign in name for sign in ":,=.") or name == "all":
        raise ValueError(f"Expected a dataset name without any of ':,=.' and not 'all', got {name!r}.")

    def add(cls: type[Dataset]) -> type[Dataset]:
        if name in names() and _REGISTERED.get(name) is not cls:
            raise ValueError(f"A dataset named {name!r} is already registered; choose another name.")
        for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is parameter.empty:
                raise ValueError(
                    f"Expected parameter {parameter.name!r} of {name!r} to be keyword-only with a default."
                )
            if parameter.name == "seed":
                raise ValueError(f"Expected {name!r} to take its seed in `load`, not in `__init__`.")
        _REGISTERED[name] = cls
        return cls

    return add


def names() -> list[str]:
    """Every registered name, ours first."""
    return list(dict.fromkeys([*_MODULES, *_REGISTERED]))


def get(name: str) -> type[Dataset]:
    """The class registered under `name`.

    Raises:
        ValueError: There is none; the message lists the names.
    """
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name not in _MODULES:
        close = difflib.get_close_matches(name, names(), n=1)
        told = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"unknown dataset {name!r}; {told}registered: {', '.join(names())}")
    module, attribute = _MODULES[name]
    cls: type[Dataset] = getattr(importlib.import_module(module), attribute)
    return cls


def parameters(name: str) -> dict[str, Any]:
    """Parameters of a dataset with their defaults."""
    signature = inspect.signature(get(name).__init__)
    return {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}


def load(name: str, /, *, seed: int = 0, **values: Any) -> Sequences:
    """Load a dataset: `load("lorenz", seed=0, sequences=400)`.

    Raises:
        ValueError: Unknown name, or a parameter out of range.
        FileNotFoundError: The data are not on this machine; the message says how to get them.
    """
    dataset = get(name)(**values)
    reason = dataset.missing()
    if reason:
        raise FileNotFoundError(reason)
    return dataset.load(seed)


__all__ = ["SPLITS", "DataError", "Dataset", "Sequences", "Transform", "get", "load", "names", "parameters", "register"]
