"""Checks of arguments, with suggestions for wrong names."""

import difflib

from quantizers.nearest import nearest as nearest


def suggestion(wrong: str, names: list[str]) -> str:
    """End of an error message: the closest name, and all names."""
    close = difflib.get_close_matches(wrong, names, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"known: {', '.join(names)}"


def check_range(name: str, value: float, low: float, high: float) -> float:
    """Return `value` where low <= value < high.

    Raises:
        ValueError: The value is outside.
    """
    if not low <= value < high:
        raise ValueError(f"Expected {low:g} <= {name} < {high:g}, got {value:g}.")
    return value


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """Return `value` where it is one of `choices`.

    Raises:
        ValueError: The value is none of them.
    """
    if value not in choices:
        raise ValueError(f"Expected {name} to be one of {', '.join(choices)}, got {value!r}.")
    return value
