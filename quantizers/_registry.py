"""Names -> families of quantizers."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from quantizers.base import Quantizer

Class = TypeVar("Class", bound=type[Quantizer])


@dataclass(frozen=True)
class Family:
    """A registered quantizer.

    Attributes:
        name: On the command line.
        cls: Its class.
        paper: Source, one line.
        presets: Preset name -> parameters that differ from the defaults.
    """

    name: str
    cls: type[Quantizer]
    paper: str = ""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters with their defaults: the keyword-only arguments of the class."""
        signature = inspect.signature(self.cls.__init__)
        return {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}


_FAMILIES: dict[str, Family] = {}


def register(
    name: str, *, paper: str = "", presets: Mapping[str, Mapping[str, Any]] | None = None
) -> Callable[[Class], Class]:
    """Class decorator that adds a quantizer under `name`.

    Raises:
        ValueError: The name is taken, or cannot be one.
    """
    check_name(name)

    def add(cls: Class) -> Class:
        if name in _FAMILIES:
            raise ValueError(f"A quantizer named {name!r} is already registered; choose another name.")
        if not (isinstance(cls, type) and issubclass(cls, Quantizer)):
            raise ValueError(f"Expected {name!r} to be a subclass of quantizers.Quantizer, got {cls!r}.")
        check_defaults(cls, ("num_codes", "code_dim"))
        _FAMILIES[name] = Family(name, cls, paper, dict(presets or {}))
        return cls

    return add


def check_name(name: str) -> None:
    """Refuse a name that the command line could not say.

    Raises:
        ValueError: It holds a sign with a meaning there, or means something else.
    """
    if not name or name != name.strip() or any(sign in name for sign in ":,=.+@") or name == "all":
        raise ValueError(f"Expected a quantizer name without any of ':,=.+@' and not 'all', got {name!r}.")


def check_defaults(cls: type, reserved: tuple[str, ...]) -> None:
    """Refuse a class whose parameters cannot be set by name.

    Raises:
        ValueError: A keyword-only parameter has no default, or a name that means something else.
    """
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if parameter.name in reserved:
            raise ValueError(f"Expected {cls.__name__}.__init__ to take {parameter.name} by position, before the *.")
        if parameter.default is parameter.empty:
            raise ValueError(f"Expected the parameter {parameter.name} of {cls.__name__} to have a default.")


def families() -> dict[str, Family]:
    """Every registered family by name, ours first."""
    return dict(_FAMILIES)


def suggestion(wrong: str, names: list[str]) -> str:
    """The end of an error message: the closest name, and all names."""
    close = difflib.get_close_matches(wrong, names, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"known: {', '.join(names)}"


def get(label: str) -> tuple[Family, dict[str, Any]]:
    """Family and parameters that `name` or `name:preset` stands for, defaults included.

    Raises:
        ValueError: Unknown name or preset.
    """
    name, colon, preset = label.partition(":")
    if name not in _FAMILIES:
        raise ValueError(f"unknown quantizer {name!r}; {suggestion(name, list(_FAMILIES))}")
    family = _FAMILIES[name]
    if colon and preset not in family.presets:
        known = suggestion(preset, list(family.presets)) if family.presets else "it has none"
        raise ValueError(f"unknown preset {preset!r} of {name!r}; {known}")
    return family, family.parameters | dict(family.presets.get(preset, {}))


def create(label: str, /, *, num_codes: int, code_dim: int, **parameters: Any) -> Quantizer:
    """Build a quantizer: `create("som-vq:paper", num_codes=1024, code_dim=8)`.

    Raises:
        ValueError: Unknown name, preset or parameter, or a value out of range.
    """
    family, values = get(label)
    for name in parameters:
        if name not in values:
            known = suggestion(name, list(values)) if values else "it has none"
            raise ValueError(f"unknown parameter {name!r} of {family.name!r}; {known}")
    return family.cls(num_codes, code_dim, **(values | parameters))
