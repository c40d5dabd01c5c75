"""Runs a conformance suite and prints a line a check; needs no pytest."""

import traceback
from collections.abc import Callable, Iterator
from typing import Any
from unittest import SkipTest

import datasets
import quantizers
from bench import plugins
from bench.errors import UsageError
from bench.testing.dataset import DatasetTestCase
from bench.testing.quantizer import QuantizerTestCase
from quantizers.checks import suggestion

OK, SKIPPED, FAILED = "ok", "skipped", "FAILED"


def case(name: str) -> type[QuantizerTestCase] | type[DatasetTestCase]:
    """The suite of a quantizer, with or without a preset, or of a dataset.

    Raises:
        UsageError: There is none of that name, or it cannot be used on this machine.
    """
    if name.partition(":")[0] in quantizers.names():
        try:
            quantizers.create(name, num_codes=QuantizerTestCase.num_codes, code_dim=QuantizerTestCase.code_dim)
        except ValueError as error:
            raise UsageError(f"quantizer {name}: {error}") from None
        return type("Case", (QuantizerTestCase,), {"label": name})
    if name.partition(":")[0] in datasets.names():
        try:
            reason = datasets.create(name).missing()
        except ValueError as error:
            raise UsageError(f"dataset {name}: {error}") from None
        if reason:
            raise UsageError(reason)
        return type("Case", (DatasetTestCase,), {"name": name})
    for kind in ("quantizer", "dataset"):
        plugins.refuse_broken(kind, name.partition(":")[0])
    names = [*quantizers.names(), *datasets.names()]
    raise UsageError(f"unknown quantizer or dataset {name!r}; {suggestion(name, names)}")


def run(suite: type[Any], tell: Callable[[str], None] = print) -> bool:
    """Run every check of a suite; whether none failed."""
    counts = dict.fromkeys((OK, SKIPPED, FAILED), 0)
    for check in _checks(suite):
        outcome, message = _outcome(suite, check)
        counts[outcome] += 1
        tell(f"{outcome:<8} {check.removeprefix('test_').replace('_', ' ')}{': ' if message else ''}{message}")
    tell(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return not counts[FAILED]


def _checks(suite: type[Any]) -> Iterator[str]:
    """Names of the checks, the most general class's first."""
    names = dict.fromkeys(name for cls in reversed(suite.__mro__) for name in vars(cls))
    return (name for name in names if name.startswith("test_"))


def _outcome(suite: type[Any], check: str) -> tuple[str, str]:
    try:
        getattr(suite(), check)()
    except SkipTest as reason:
        return SKIPPED, str(reason)
    except AssertionError as error:
        return FAILED, str(error)
    except Exception as error:  # the code under test may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        return FAILED, f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
    return OK, ""
