"""Values that were read from a file, against the types that they should have."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints


def check(value: object, kind: Any, place: str) -> None:
    """Refuse a value that is not of a type, or holds one that is not.

    Args:
        value: Of plain types and dataclasses.
        kind: A type as it is annotated: a class, a dataclass, a union, a dict, list, mapping or tuple of such.
        place: What to call the value in a message.

    Raises:
        TypeError: It is of another type; the message names the place.

    >>> check({"seeds": [0, "1"]}, dict[str, list[int]], "plan")
    Traceback (most recent call last):
    TypeError: expected plan.seeds[1] to be int, got str
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, types.UnionType):
        _check_union(value, arguments, place)
    elif origin in (list, tuple):
        _check_class(value, origin, place)
        inside = arguments if origin is tuple and arguments[-1] is not Ellipsis else (arguments[0],) * len(value)  # type: ignore[arg-type]
        if len(inside) != len(value):  # type: ignore[arg-type]
            raise TypeError(f"expected {place} to have {len(inside)} parts, got {len(value)}")  # type: ignore[arg-type]
        for number, (each, its_kind) in enumerate(zip(value, inside, strict=True)):  # type: ignore[call-overload]
            check(each, its_kind, f"{place}[{number}]")
    elif origin is not None and issubclass(origin, Mapping):
        _check_class(value, dict, place)
        for name, each in value.items():  # type: ignore[attr-defined]
            check(name, arguments[0], f"a key of {place}")
            check(each, arguments[1], f"{place}.{name}")
    elif dataclasses.is_dataclass(kind):
        _check_class(value, kind, place)
        hints = get_type_hints(kind)
        for field in dataclasses.fields(kind):
            check(getattr(value, field.name), hints[field.name], f"{place}.{field.name}")
    else:
        _check_class(value, kind, place)


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
    """A whole number is a float too, as JSON tells no difference; True is no number."""
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind in (int, float)):
        name = "None" if kind is types.NoneType else kind.__name__
        raise TypeError(f"expected {place} to be {name}, got {type(value).__name__}")
