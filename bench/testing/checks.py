"""Parts of both conformance suites."""

import inspect
import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn
from unittest import SkipTest

import torch
from torch import Tensor


def expect(holds: bool, message: str) -> None:
    """Fail with a message that says what was expected, what came and what to change.

    Raises:
        AssertionError: It does not hold.
    """
    if not holds:
        raise AssertionError(message)


def skip(reason: str) -> NoReturn:
    """Leave a check out; pytest and `bench test` tell the reason.

    Raises:
        SkipTest: Always.
    """
    raise SkipTest(reason)


def expect_documented(cls: type, parameters: Iterable[str]) -> None:
    """Every parameter is explained in the docstring of the class or of its `__init__`.

    Raises:
        AssertionError: One is not.
    """
    text = "\n".join(inspect.getdoc(documented) or "" for documented in (cls, vars(cls).get("__init__")))
    for name in parameters:
        expect(
            re.search(rf"^\s*(:param )?\**{re.escape(name)}\s*(\([^)]*\))?\s*:", text, re.MULTILINE) is not None,
            f"Expected the docstring of {cls.__name__} to explain its parameter {name}, got no line for it; "
            f"add '{name}: ...' under 'Args:'.",
        )


def expect_json(what: str, value: Any) -> None:
    """Records and keys are JSON.

    Raises:
        AssertionError: The value is not.
    """
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"Expected {what} to be finite numbers, text, lists and dicts, got {value!r} ({error}); convert it."
        ) from None


def expect_tensor(name: str, value: Any, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """A tensor of a shape and type.

    Raises:
        AssertionError: The value is none.
    """
    expect(isinstance(value, Tensor), f"Expected {name} to be a tensor, got {type(value).__name__}.")
    expect(
        tuple(value.shape) == shape and value.dtype == dtype,
        f"Expected {name} of shape {shape} and {dtype}, got {tuple(value.shape)} and {value.dtype}.",
    )


def share(mask: Tensor) -> str:
    """Share of a mask that is true, in percent."""
    return f"{float(mask.float().mean()):.1%}"


def line(error: Exception) -> str:
    """The start of an error's message, in one line."""
    return " ".join(str(error).split())[:200]
