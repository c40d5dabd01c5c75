"""One atomic JSON record a cell, and what lies beside it."""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from bench.errors import UsageError
from bench.records.files import read_json, write_json
from bench.records.record import PARTS, SCHEMA, WITHIN, Record
from bench.records.typecheck import check
from bench.vocabulary import DONE, STATUSES


class Store:
    """The folder of a run.

    Args:
        root: The folder.
        writable: Make it where it is absent; False only reads.

    Raises:
        UsageError: It cannot be written, or was made by an incompatible version.
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
            return  # none, or cut off in writing: it says nothing, and the records carry the schema too
        if schema != SCHEMA:
            raise UsageError(
                f"the run folder {self.root} has schema {schema!r}, this version writes {SCHEMA}; choose another --out"
            )

    def plan(self) -> Record:
        """What `plan.json` says.

        Raises:
            UsageError: There is none, or it is damaged.
        """
        path = self.root / "plan.json"
        try:
            told: Record = read_json(path)
        except (FileNotFoundError, ValueError) as error:
            raise UsageError(f"{self.root} holds no readable plan.json ({error}); expected a run folder") from None
        if not isinstance(told, dict):
            raise UsageError(f"expected a JSON object in {path}, got {type(told).__name__}; expected a run folder")
        return told

    def lock(self) -> None:
        """Keep other runs out of the folder until this process ends.

        Raises:
            UsageError: Another run holds it.
        """
        self._lock = (self.root / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another run is using {self.root}; wait for it, or choose another --out") from None

    def clean(self) -> None:
        """Remove what killed writers left behind."""
        patterns = [(self.root, ".*.tmp"), (self.root, ".probe.*"), (self.root, ".running.*")]
        patterns += [(self.cells, pattern) for pattern in (".*.tmp", "*.job", "*.failure")]
        for leftover in [path for folder, pattern in patterns for path in folder.glob(pattern)]:
            with contextlib.suppress(FileNotFoundError):
                leftover.unlink()

    def path(self, key: str) -> Path:
        """Of a cell's record."""
        return self.cells / f"{key}.json"

    def weights(self, key: str) -> Path:
        """Of a cell's trained tensors."""
        return self.cells / f"{key}.safetensors"

    def codes(self, key: str) -> Path:
        """Of a cell's tokens and code vectors."""
        return self.cells / f"{key}.codes.safetensors"

    def log(self, key: str) -> Path:
        """Of what the process printed that made a tokenizer or measured its cells, by the tokenizer's key."""
        return self.cells / f"{key}.log"

    def failure(self, key: str) -> Path:
        """Of what a job tells the driver about a cell whose record stays as it is."""
        return self.cells / f"{key}.failure"

    def take_failure(self, key: str) -> Record | None:
        """What such a job told, once."""
        path = self.failure(key)
        try:
            told: Record = read_json(path)
        except FileNotFoundError:
            return None
        path.unlink()
        return told

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
            record: Record = read_json(path)
        except FileNotFoundError:
            return None
        whole = isinstance(record, dict) and record.get("key") == key and record.get("status") in STATUSES
        if not whole or record.get("schema") != SCHEMA:
            raise ValueError(f"{path} is not a record of schema {SCHEMA}")
        try:
            for name in PARTS.keys() & record.keys():
                check(record[name], PARTS[name], name)
                for inner, kind in WITHIN.get(name, {}).items():
                    check(record[name].get(inner), kind, f"{name}.{inner}")
            if record["status"] == DONE:
                check(record.get("metrics"), PARTS["metrics"], "metrics")
        except TypeError as error:
            raise ValueError(f"{path} is damaged ({error})") from None
        return record

    def whole(self, record: Record) -> Record:
        """A record with the parts that a run does not keep in memory."""
        return record if "history" in record else self.read(record["key"]) or record

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
