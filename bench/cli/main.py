"""The command line: parse, call one function, print.

The verbs import heavy modules when they run, so that `--help` answers at once.
"""

import importlib
import io
import os
import signal
import sys
from typing import NoReturn

from bench.cli import data
from bench.cli.app import EXIT_DONE, EXIT_INCOMPLETE, EXIT_INTERRUPTED, EXIT_USAGE, app
from bench.errors import FULL, UsageError

app.add_typer(data.app, name="data")


def main() -> NoReturn:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that a terminal cannot show
    arguments = sys.argv[1:]
    if arguments[:1] == ["_job"]:
        from bench.execution.job import main as job

        job(arguments[1])
        sys.exit(EXIT_DONE)
    if arguments[:1] == ["_probe"]:
        from bench.planning.probe import main as probe

        probe(arguments[1])
        sys.exit(EXIT_DONE)
    for verbs in ("run", "report", "tune", "suggest", "gate", "library"):  # in the order of --help
        importlib.import_module(f"bench.cli.{verbs}")

    if arguments in ([], ["data"]):
        arguments = [*arguments, "--help"]
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(args=arguments, prog_name="bench", standalone_mode=False)
    except UsageError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_DONE)
    except OSError as error:
        _fail_of_files(error)
    except Exception as error:
        # typer's own complaints (an unknown option, a wrong type) print themselves over several lines otherwise
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        _fail(f"{message()} (see python -m bench --help)")
    sys.exit(code if isinstance(code, int) else EXIT_DONE)


def _fail_of_files(error: OSError) -> NoReturn:
    """Exit as unfinished where the disk is full, and as bad usage where a file cannot be used."""
    name = f"{error.filename}: " if error.filename else ""
    if error.errno in FULL:
        print(
            f"error: {name}{error.strerror}; make room, and the same command goes on from what is finished",
            file=sys.stderr,
        )
        sys.exit(EXIT_INCOMPLETE)
    _fail(f"{name}{error.strerror or error}")


def _interrupt(*_: object) -> NoReturn:
    """Treat SIGTERM, which batch systems send before SIGKILL, like Ctrl-C."""
    raise KeyboardInterrupt


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(EXIT_USAGE)
