"""The folder of a run: one atomic JSON record per cell, and the files that lie beside it."""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from bench.errors import UsageError
from bench.records.files import read_json, write_json
from bench.records.record import SCHEMA, Record
from bench.records.typecheck import check
from bench.typing import JSON
from bench.vocabulary import DONE, STATUSES

COMMON_CODES = "codes.common"
"""Name of the codes of the frames that the tokenizers of all seeds encode, see `datasets.COMMON`."""


class Store:
    """The folder of a run.

    Args:
        root: Path of the folder.
        writable: Whether to make the folder where it is absent; False only reads.

    Raises:
        UsageError: The folder cannot be written, or was made by an incompatible version.
    """

    def __init__(self, root: Path, *, writable: bool = True) -> None:
        self.root = root
        self.cells = root / "cells"
        self.check_schema()
        if not writable:
            return
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
            probe = root / f".probe.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"cannot write to the run folder {root} ({reason}); choose another --out") from None

    def check_schema(self) -> None:
        """Refuse a folder of another schema."""
        try:
            schema = read_json(self.root / "plan.json").get("schema")
        except (FileNotFoundError, ValueError, AttributeError):
            return  # no plan, or one that was cut off in writing; the records carry the schema too
        if schema != SCHEMA:
            raise UsageError(
                f"the run folder {self.root} has schema {schema!r}, this version writes {SCHEMA}; choose another --out"
            )

    def plan(self) -> JSON:
        """Plain values of `plan.json`.

        Raises:
            UsageError: There is no such file, or it is damaged.
        """
        path = self.root / "plan.json"
        try:
            plan_json = read_json(path)
        except (FileNotFoundError, ValueError) as error:
            raise UsageError(f"{self.root} holds no readable plan.json ({error}); expected a run folder") from None
        if not isinstance(plan_json, dict):
            kind = type(plan_json).__name__
            raise UsageError(f"expected a JSON object in {path}, got {kind}; expected a run folder")
        return cast(JSON, plan_json)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder.

        Raises:
            UsageError: Another run holds the folder.
        """
        with (self.root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise UsageError(f"another run is using {self.root}; wait for it, or choose another --out") from None
            yield

    def clean(self) -> None:
        """Remove the files that killed writers left behind."""
        for pattern in (".*.tmp", ".probe.*", ".running.*"):
            _remove(self.root.glob(pattern))
        for pattern in (".*.tmp", "*.job", "*.failure"):
            _remove(self.cells.glob(pattern))

    def path(self, key: str) -> Path:
        """Path of a cell's record."""
        return self.cells / f"{key}.json"

    def weights(self, tokenizer_key: str) -> Path:
        """Path of a trained tokenizer's tensors."""
        return self.cells / f"{tokenizer_key}.safetensors"

    def codes(self, key: str) -> Path:
        """Path of a cell's tokens and code vectors."""
        return self.cells / f"{key}.codes.safetensors"

    def log(self, tokenizer_key: str) -> Path:
        """Path of the output of the job that trained a tokenizer or measured its cells."""
        return self.cells / f"{tokenizer_key}.log"

    def failure(self, key: str) -> Path:
        """Path of a failure report for a cell whose older record is kept."""
        return self.cells / f"{key}.failure"

    def take_failure(self, key: str) -> Record | None:
        """Read the failure report of a cell and remove it; None where there is none."""
        path = self.failure(key)
        try:
            record: Record = read_json(path)
        except FileNotFoundError:
            return None
        path.unlink()
        return record

    def write(self, record: Record) -> None:
        """Put a record in the place of the cell's former one."""
        write_json(self.path(record["key"]), {**record, "schema": SCHEMA})

    def read(self, key: str) -> Record | None:
        """Record of a cell; None where there is none.

        Raises:
            ValueError: The record is damaged or of another schema.
        """
        path = self.path(key)
        try:
            record: Record = read_json(path)
        except FileNotFoundError:
            return None
        whole = isinstance(record, dict) and record.get("key") == key and record.get("status") in STATUSES
        if not whole or record.get("schema") != SCHEMA:
            raise ValueError(f"{path} is not a record of schema {SCHEMA}")
        try:
            check(record, Record, "")
            if record["status"] == DONE:
                check(record.get("metrics"), dict[str, float | None], "metrics")
        except TypeError as error:
            raise ValueError(f"{path} is damaged ({error})") from None
        return record

    def whole(self, record: Record) -> Record:
        """The record with the parts that a run does not keep in memory."""
        return record if "history" in record else self.read(record["key"]) or record

    def read_all(self, keys: Iterable[str]) -> tuple[dict[str, Record], list[str]]:
        """Records that can be read, by key, and a line for every record that cannot."""
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


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
