"""Where imported datasets are kept, and how files get there whole or not at all."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets.base import DataError

MANIFEST = "manifest.json"


def data_directory() -> Path:
    """`BENCH_DATA` where that is set, else the user's data directory of this platform."""
    told = os.environ.get("BENCH_DATA")
    if told:
        return Path(told).expanduser()
    # Costs 10 ms, and most processes never look.
    import platformdirs

    return Path(platformdirs.user_data_path("quantizer-bench"))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def temporary_sibling(folder: Path) -> Iterator[Path]:
    """An empty temporary file in `folder`, to be renamed into place; gone afterwards if it was not."""
    folder.mkdir(parents=True, exist_ok=True)
    # Not `tempfile`: its files are readable by their owner alone, and data directories are shared.
    path = folder / f".partial-{secrets.token_hex(8)}"
    path.touch(exist_ok=False)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write `folder/manifest.json` in one rename."""
    with temporary_sibling(folder) as partial:
        partial.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an imported dataset; None where there is none.

    Raises:
        DataError: It is there and is not a JSON object.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): import the dataset again.") from error
    if not isinstance(manifest, dict):
        raise DataError(f"Expected a JSON object in {path}, got {type(manifest).__name__}: import the dataset again.")
    return manifest
