"""Files that a killed writer leaves whole, and JSON without numbers that are not finite."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any, NoReturn

from datasets.text import read_text


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whatever is killed when, on however full a disk.

    The umask decides who may read it.

    Raises:
        OSError: It cannot be written; nothing of it is left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        error.filename = str(path)  # which a write that fails does not tell
        raise


def check_readable(path: Path) -> None:
    """Open a file for a reader that would call one that may not be read missing, as that of safetensors does.

    Raises:
        OSError: It cannot be opened; the error says why.
    """
    with path.open("rb"):
        pass


def read_json(path: Path) -> Any:
    """What a JSON file tells.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It cannot be read, or is damaged; the message names it.
    """
    try:
        return json.loads(read_text(path), parse_constant=_refuse)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error})") from None


def write_atomically(path: Path, text: str) -> None:
    """The same for text."""
    write_bytes(path, text.encode(errors="backslashreplace"))  # a file name need not be text


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; a float that is not finite is an error, not `NaN`."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False, sort_keys=True))


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {text}")
