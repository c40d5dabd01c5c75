"""Data directory of imported datasets, and writing of files that appear whole or not at all."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets.errors import DataError
from datasets.text import read_text

MANIFEST = "manifest.json"


def data_directory() -> Path:
    """`BENCH_DATA` where that is set, else the user's data directory of this platform."""
    folder = os.environ.get("BENCH_DATA")
    if folder:
        return Path(folder).expanduser()
    # Costs 10 ms, and most processes never look.
    import platformdirs

    return Path(platformdirs.user_data_path("quantizer-bench"))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def temporary_sibling(folder: Path) -> Iterator[Path]:
    """Create an empty temporary file in `folder`, to be renamed into place; it is removed afterwards otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    # Not `tempfile`: its files are readable by their owner alone, and data directories are shared.
    path = folder / f".partial-{secrets.token_hex(8)}"
    path.touch(exist_ok=False)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object in one rename."""
    with temporary_sibling(path.parent) as partial:
        partial.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(path)


def read_json(path: Path, remedy: str) -> dict[str, Any] | None:
    """Read a JSON object; None where there is no such file.

    Raises:
        DataError: The file is not a JSON object; `remedy` says what to do.
    """
    try:
        value = json.loads(read_text(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): {remedy}.") from error
    if not isinstance(value, dict):
        raise DataError(f"Expected a JSON object in {path}, got {type(value).__name__}: {remedy}.")
    return value


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest of an imported dataset, which marks it as installed."""
    write_json(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read the manifest of an imported dataset; None where there is none.

    Raises:
        DataError: The manifest is not a JSON object.
    """
    return read_json(folder / MANIFEST, "import the dataset again")
