"""Files that a killed writer leaves whole, and JSON of finite numbers."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any, NoReturn

from datasets.text import read_text


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: a reader sees the old file or the new one, even where the writer is killed.

    The umask decides who may read the file.

    Raises:
        OSError: The file cannot be written; nothing of it is left.
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
    """Open a file before safetensors does, whose reader would call a file without permission missing.

    Raises:
        OSError: The file cannot be opened; the error says why.
    """
    with path.open("rb"):
        pass


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, or is damaged; the message names it.
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
    """Write a text file atomically, see `write_bytes`."""
    write_bytes(path, text.encode(errors="backslashreplace"))  # a file name need not be text


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; a float that is not finite is an error, not `NaN`."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False, sort_keys=True))


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {text}")
