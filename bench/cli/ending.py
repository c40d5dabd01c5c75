"""The last line of a run on the command line, and its exit code."""

import sys
from typing import TYPE_CHECKING

from bench.cli.app import EXIT_DONE, EXIT_INCOMPLETE, EXIT_INTERRUPTED

if TYPE_CHECKING:
    from bench.api.launch import Launched


def end(launched: "Launched", *, interrupted: str = "goes on from here") -> int:
    """Say how a run ended, and return the exit code.

    Args:
        launched: Run that was launched.
        interrupted: Words for the effect of the same command after an interruption.
    """
    if launched.end == "interrupted":
        print(f"interrupted: {launched.summary}; the same command {interrupted}", file=sys.stderr)
        return EXIT_INTERRUPTED
    if launched.end == "lost":
        print(f"error: {launched.cause}: {launched.summary}; the same command goes on from here", file=sys.stderr)
        return EXIT_INCOMPLETE
    print(launched.summary)
    return EXIT_DONE if launched.complete else EXIT_INCOMPLETE
