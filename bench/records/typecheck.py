"""Checks of values that were read from a file against the types that they should have."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints, is_typeddict


def check(value: Any, kind: Any, place: str) -> None:
    """Refuse a value that is not of a type, or that holds a value of a wrong type.

    Args:
        value: Plain values, dataclasses, or a nesting of both.
        kind: Type as it is annotated: a class, a dataclass, a named tuple, a TypedDict, a union, a literal, or a dict,
            list, mapping or tuple of such types.
        place: Name of the value for the message.

    Raises:
        TypeError: The value is of another type; the message names the place.

    >>> check({"seeds": [0, "1"]}, dict[str, list[int]], "plan")
    Traceback (most recent call last):
    TypeError: expected plan.seeds[1] to be int, got str
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Required, NotRequired):
        check(value, arguments[0], place)
    elif origin in (Union, types.UnionType):
        _check_union(value, arguments, place)
    elif origin is Literal:
        if value not in arguments:
            raise TypeError(f"expected {place} to be one of {', '.join(map(repr, arguments))}, got {value!r}")
    elif origin in (list, tuple):
        _check_sequence(value, origin, arguments, place)
    elif origin is not None and issubclass(origin, Mapping):
        _check_class(value, dict, place)
        for name, inner in value.items():
            check(name, arguments[0], f"a key of {place}")
            check(inner, arguments[1], f"{place}.{name}")
    elif is_typeddict(kind):
        _check_typed_dict(value, kind, place)
    elif dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        _check_class(value, kind, place)
        for name, hint in get_type_hints(kind).items():
            check(getattr(value, name), hint, f"{place}.{name}")
    else:
        _check_class(value, kind, place)


def _check_sequence(value: Any, kind: Any, inner_kinds: tuple[Any, ...], place: str) -> None:
    _check_class(value, kind, place)
    if kind is list or inner_kinds[-1] is Ellipsis:
        inner_kinds = (inner_kinds[0],) * len(value)
    if len(inner_kinds) != len(value):
        raise TypeError(f"expected {place} to have {len(inner_kinds)} parts, got {len(value)}")
    for index, (inner, inner_kind) in enumerate(zip(value, inner_kinds, strict=True)):
        check(inner, inner_kind, f"{place}[{index}]")


def _check_typed_dict(value: Any, kind: Any, place: str) -> None:
    """Check the parts that the type names; others may be there as well."""
    _check_class(value, dict, place)
    for name, hint in get_type_hints(kind).items():
        if name in value or name in kind.__required_keys__:
            check(value.get(name), hint, f"{place}.{name}" if place else name)


def _check_union(value: object, kinds: tuple[Any, ...], place: str) -> None:
    for kind in kinds:
        try:
            check(value, kind, place)
        except TypeError:
            continue
        return
    names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise TypeError(f"expected {place} to be {names}, got {type(value).__name__}")


def _check_class(value: object, kind: Any, place: str) -> None:
    """Refuse a value of another class; an int is a float too, as JSON makes no difference, but True is no number."""
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind in (int, float)):
        name = "None" if kind is types.NoneType else kind.__name__
        raise TypeError(f"expected {place} to be {name}, got {type(value).__name__}")
