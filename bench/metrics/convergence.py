"""Speed of training: updates until the error is near its best (comparison of Irie et al. 2023, arXiv 2302.07950)."""

from collections.abc import Sequence

from bench.metrics.base import Trained
from bench.metrics.registry import register

_DEFINITION = "updates until the validation error is within {} % of the run's own best; (0, inf)"


def steps_within(errors: Sequence[float], checks: Sequence[int], share: float) -> float | None:
    """Updates until the first check whose error lies within `share` above the lowest of all checks, in (0, inf).

    A run that ends badly reaches its own best soon: read it beside the error itself.

    Args:
        errors: Validation errors of the checks, in order.
        checks: Updates made at each check.
        share: 0.1 for 10 %.

    Returns:
        The number of updates, or None without checks.

    The lowest is 1.0; the second check is the first at or below 1.1:

    >>> steps_within([2.0, 1.08, 1.0, 1.2], checks=[50, 100, 150, 170], share=0.1)
    100
    """
    if not errors:
        return None
    bound = min(errors) * (1.0 + share)
    return next(check for check, error in zip(checks, errors, strict=True) if error <= bound)


@register(
    "steps_within_10",
    direction="none",
    summary=_DEFINITION.format(10),
    needs=("curve",),
)
def _within_10(trained: Trained) -> float | None:
    return steps_within(trained.curve, trained.checks, 0.1)


@register(
    "steps_within_20",
    direction="none",
    summary=_DEFINITION.format(20),
    needs=("curve",),
)
def _within_20(trained: Trained) -> float | None:
    return steps_within(trained.curve, trained.checks, 0.2)
