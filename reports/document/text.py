"""Conversion of values to inline markdown, in which names that users chose show as text."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

FEW_SEEDS = 3
FAMILY = "family"


def escape(text: object) -> str:
    """Text that shows as itself in markdown and in the HTML made of it."""
    shown = str(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for sign in "|*_`[]~$":
        shown = shown.replace(sign, f"\\{sign}")
    return " ".join(shown.split())


def code(text: object) -> str:
    """Text as a code span, whatever it holds: the fence is longer than any run of backticks in it."""
    shown = " ".join(str(text).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}{shown}{fence}" if len(fence) == 1 else f"{fence} {shown} {fence}"


def listed(items: Sequence[str]) -> str:
    """An enumeration: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def number(value: float, precision: float | None = None) -> str:
    """Number with three significant digits, or as many decimals as two leading digits of a precision justify."""
    scale = abs(precision if precision else value)
    if scale == 0 or not math.isfinite(scale):
        return f"{value:.3g}"
    decimals = (1 if precision else 2) - math.floor(math.log10(scale))
    shown = f"{value:.{min(max(decimals, 0), 6)}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown


def spread(mean: float, half: float | None) -> str:
    """A mean and its uncertainty; the mean alone where there is none."""
    return number(mean) if half is None else f"{number(mean, half)} ± {number(half, half)}"


def interval(row: Mapping[str, Any], name: str) -> str:
    """Mean of a metric and half of its 95 % confidence interval in a row of the summary; blank without a value."""
    mean = number_in(row, name)
    if mean is None:
        return ""
    high = number_in(row, f"{name}_high")
    return spread(mean, None if high is None else high - mean)


def number_in(row: Mapping[str, Any], name: str) -> float | None:
    """Number in a row, or None where it is missing or blank."""
    value = row.get(name)
    return None if value is None or pd.isna(value) else float(value)


def records(frame: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Rows of a table; none where there is no table."""
    return [] if frame is None else [{str(key): row[key] for key in row} for row in frame.to_dict("records")]


def is_family(row: Mapping[str, Any]) -> bool:
    """Whether a row is ranked."""
    role = row.get("role")
    return role is None or role == FAMILY or bool(pd.isna(role))


def slug(text: str) -> str:
    """Small letters, digits and hyphens for any text; it may be empty, and the same for different texts."""
    return re.sub("[^a-z0-9-]+", "-", text.lower()).strip("-")


def file_name(*parts: str) -> str:
    """File name that every file system takes, and that no other parts give.

    >>> file_name("use", "lorenz", "som-vq")
    'use--lorenz--som-vq'
    """
    joined = "--".join(parts)
    safe = [re.sub("[^a-z0-9_]+", "-", part.lower()).strip("-")[:40] for part in parts]
    if safe == [*parts]:
        return joined
    return "--".join([*filter(None, safe), hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:8]])
