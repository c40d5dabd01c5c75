"""Registry of quantizers: names and families, ours and those that plug-ins add."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, TypeVar

from quantizers.base import Quantizer
from quantizers.checks import suggestion

Class = TypeVar("Class", bound=type[Quantizer])


@dataclass(frozen=True, kw_only=True)
class Family:
    """A registered quantizer.

    Attributes:
        name: Name on the command line.
        cls: Class of the quantizer.
        paper: Citation of the source, one line.
        presets: Name of a preset -> parameters that differ from the defaults.
        requires: Distribution whose code it runs and that quantizer-bench does not bring; "" for none.
        groups: Names of GROUPS that stand for the family among others.
    """

    name: str
    cls: type[Quantizer]
    paper: str = ""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    requires: str = ""
    groups: tuple[str, ...] = ("all",)

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters with their defaults: the keyword-only arguments of the class."""
        signature = inspect.signature(self.cls.__init__)
        return {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}


_FAMILIES: dict[str, Family] = {}

GROUPS = {
    "all": "the families that the main command runs",
    "maps": "codes on a grid that a neighbourhood orders",
    "lattices": "codes at fixed places, without a codebook to learn",
    "products": "several codebooks, whose codes are the digits of one index",
    "everything": "every family that can run here",
}
"""Names that stand for several families -> what they have in common."""

CALLED_WITH = {
    "__init__": ("num_codes", "code_dim"),
    "initialise": ("z",),
    "forward": ("z",),
    "encode": ("z",),
    "decode": ("codes",),
    "update": ("z", "codes", "progress"),
}


def register(
    name: str,
    *,
    paper: str = "",
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    requires: str = "",
    groups: tuple[str, ...] = ("all",),
) -> Callable[[Class], Class]:
    """Class decorator that adds a quantizer under `name`.

    A quantizer that `requires` another distribution is not among those that `all` stands for, and the version of that
    distribution is part of its results' keys.

    Args:
        name: Name on the command line, without any of ":,=.+@".
        paper: Citation of the source, one line.
        presets: Name of a preset -> parameters that differ from the defaults.
        requires: Distribution whose code the quantizer runs; "" for none.
        groups: Names of GROUPS that stand for it among others; every family is part of `everything`.

    Raises:
        ValueError: The name is taken or malformed, a group is unknown, or the class breaks the contract of `Quantizer`.
    """
    check_name(name)
    for group in groups:
        if group not in GROUPS:
            raise ValueError(f"unknown group {group!r} of {name!r}; {suggestion(group, list(GROUPS))}")

    def add(cls: Class) -> Class:
        if name in _FAMILIES:
            raise ValueError(f"A quantizer named {name!r} is already registered; choose another name.")
        if not (isinstance(cls, type) and issubclass(cls, Quantizer)):
            raise ValueError(f"Expected {name!r} to be a subclass of quantizers.Quantizer, got {cls!r}.")
        check_defaults(cls, ("num_codes", "code_dim"))
        check_methods(cls)
        _FAMILIES[name] = Family(
            name=name, cls=cls, paper=paper, presets=dict(presets or {}), requires=requires, groups=tuple(groups)
        )
        return cls

    return add


def check_name(name: str) -> None:
    """Refuse a name that the command line could not take.

    Raises:
        ValueError: The name holds a sign with a meaning there, or means something else.
    """
    if not name or name != name.strip() or any(sign in name for sign in ":,=.+@") or name in GROUPS:
        raise ValueError(
            f"Expected a quantizer name without any of ':,=.+@' and none of {', '.join(GROUPS)}, got {name!r}."
        )


def check_methods(cls: type[Quantizer]) -> None:
    """Refuse a class that could not be called as a quantizer.

    Raises:
        ValueError: A method is missing, or takes other arguments than those of `Quantizer`.
    """
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise ValueError(f"Expected {cls.__name__} to define {', '.join(missing)}.")
    for method, arguments in CALLED_WITH.items():
        signature = inspect.signature(getattr(cls, method))
        try:
            signature.bind(None, *arguments)
        except TypeError:
            expected = f"{cls.__name__}.{method}(self, {', '.join(arguments)})"
            raise ValueError(f"Expected {expected}, got {cls.__name__}.{method}{signature}.") from None


def check_defaults(cls: type, reserved: tuple[str, ...]) -> None:
    """Refuse a class whose parameters cannot be set by name.

    Raises:
        ValueError: A parameter is not keyword-only, has no default, or a name that means something else.
    """
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            # A class without its own __init__ inherits `positions`.
            is_parameter = parameter.name not in (*reserved, "positions")
            if is_parameter and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                raise ValueError(
                    f"Expected {cls.__name__}.__init__ to take {parameter.name} by keyword only, after a *."
                )
            continue
        if parameter.name in reserved:
            raise ValueError(f"Expected {cls.__name__}.__init__ to take {parameter.name} by position, before the *.")
        if parameter.default is parameter.empty:
            raise ValueError(f"Expected the parameter {parameter.name} of {cls.__name__} to have a default.")


def families() -> dict[str, Family]:
    """Families that `all` stands for, by name, ours first: of group "all", and in need of no other distribution."""
    return {name: family for name, family in _FAMILIES.items() if "all" in family.groups and not family.requires}


def group(name: str) -> list[str]:
    """Names of the families that a name of GROUPS stands for, ours first.

    A family that requires a distribution is only part of "everything", where that distribution is installed.

    Raises:
        ValueError: There is no such group.
    """
    if name not in GROUPS:
        raise ValueError(f"unknown group {name!r}; {suggestion(name, list(GROUPS))}")
    if name == "everything":
        return [family.name for family in _FAMILIES.values() if _can_run(family)]
    return [family.name for family in _FAMILIES.values() if name in family.groups and not family.requires]


def _can_run(family: Family) -> bool:
    if not family.requires:
        return True
    try:
        metadata.version(family.requires)
    except metadata.PackageNotFoundError:
        return False
    return True


def names() -> list[str]:
    """Registered names, ours first."""
    return list(_FAMILIES)


def get(label: str) -> tuple[Family, dict[str, Any]]:
    """Family and parameters that `name` or `name:preset` stands for, defaults included.

    Raises:
        ValueError: The name or the preset is unknown.
    """
    name, colon, preset = label.partition(":")
    if name not in _FAMILIES:
        raise ValueError(f"unknown quantizer {name!r}; {suggestion(name, list(_FAMILIES))}")
    family = _FAMILIES[name]
    if colon and preset not in family.presets:
        presets = suggestion(preset, list(family.presets)) if family.presets else "it has none"
        raise ValueError(f"unknown preset {preset!r} of {name!r}; {presets}")
    return family, family.parameters | dict(family.presets.get(preset, {}))


def registered(name: str) -> type[Quantizer]:
    """Class of a registered quantizer."""
    return _FAMILIES[name].cls


def load_plugin(name: str, plugin: Any) -> None:
    """Register the class that an entry point of that name leads to, decorated or not.

    Raises:
        ValueError: The name is taken, or the class breaks the contract of `Quantizer`.
    """
    if name not in _FAMILIES or _FAMILIES[name].cls is not plugin:  # its own decorator may have just registered it
        register(name)(plugin)


def create(label: str, /, *, num_codes: int, code_dim: int, **parameters: Any) -> Quantizer:
    """Build a quantizer: `create("som-vq:paper", num_codes=1024, code_dim=8)`.

    Args:
        label: Name of the family, or `name:preset`.
        num_codes: Number K of codes.
        code_dim: Dimension D of the code vectors.
        **parameters: Parameters that differ from those of the family or preset.

    Raises:
        ValueError: A name, preset or parameter is unknown, or a value is out of range.
    """
    family, values = get(label)
    for name in parameters:
        if name not in values:
            names = suggestion(name, list(values)) if values else "it has none"
            raise ValueError(f"unknown parameter {name!r} of {family.name!r}; {names}")
    return family.cls(num_codes, code_dim, **(values | parameters))
