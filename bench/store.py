"""One atomic JSON record a cell, and what lies beside it."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.errors import UsageError

SCHEMA = 1
DONE, FAILED, TIMEOUT, DIVERGED, UNAVAILABLE, INTERRUPTED = (
    "done",
    "failed",
    "timeout",
    "diverged",
    "unavailable",
    "interrupted",
)

Record = dict[str, Any]


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, whatever is killed when."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; a float that is not finite is an error, not `NaN`."""
    write_atomically(path, json.dumps(value, indent=1, allow_nan=False, sort_keys=True))


class Store:
    """The folder of a run.

    Args:
        root: The folder; made where it is absent.

    Raises:
        UsageError: It cannot be written, or was made by an incompatible version.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cells = root / "cells"
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            probe = root / f".probe.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"cannot write to the run folder {root} ({reason}); choose another --out") from None
        self.check_schema()

    @classmethod
    def existing(cls, root: Path) -> "Store | None":
        """The store in a folder that is there already; None where it is not."""
        return cls(root) if root.is_dir() else None

    def check_schema(self) -> None:
        """Refuse a folder of another schema."""
        plan = self.root / "plan.json"
        if not plan.exists():
            return
        try:
            schema = json.loads(plan.read_text(encoding="utf-8")).get("schema")
        except (ValueError, AttributeError):
            return  # a plan cut off in writing says nothing; the records carry the schema too
        if schema != SCHEMA:
            raise UsageError(
                f"the run folder {self.root} has schema {schema!r}, this version writes {SCHEMA}; choose another --out"
            )

    def clean(self) -> None:
        """Remove what killed writers left behind."""
        for leftover in [*self.root.glob(".*.tmp"), *self.cells.glob(".*.tmp")]:
            with contextlib.suppress(FileNotFoundError):
                leftover.unlink()

    def path(self, key: str) -> Path:
        """Of a cell's record."""
        return self.cells / f"{key}.json"

    def weights(self, key: str) -> Path:
        """Of a cell's trained tensors."""
        return self.cells / f"{key}.safetensors"

    def log(self, key: str) -> Path:
        """Of what a cell's process printed."""
        return self.cells / f"{key}.log"

    def write(self, record: Record) -> None:
        """Put a record in place of the cell's former one."""
        write_json(self.path(record["key"]), {"schema": SCHEMA} | record)

    def read(self, key: str) -> Record | None:
        """A cell's record; None where there is none.

        Raises:
            ValueError: There is one, but it is damaged or of another schema.
        """
        path = self.path(key)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"{path} is damaged ({error})") from None
        if not isinstance(record, dict) or record.get("schema") != SCHEMA or record.get("key") != key:
            raise ValueError(f"{path} is not a record of schema {SCHEMA}")
        return record

    def read_all(self, keys: Iterable[str]) -> tuple[dict[str, Record], list[str]]:
        """The records that can be read, by key, and a line for each that cannot."""
        records, damaged = {}, []
        for key in keys:
            try:
                record = self.read(key)
            except ValueError as error:
                damaged.append(str(error))
                continue
            if record is not None:
                records[key] = record
        return records, damaged
