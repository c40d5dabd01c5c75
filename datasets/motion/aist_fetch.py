"""Download of AIST++'s keypoints: announced first, resumed, checked, unpacked by name, imported."""

import re
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from datasets import download, store
from datasets.errors import DataError
from datasets.motion.aist_import import FOLDER, LARGEST_FILE_BYTES, NAME, import_aist

URL = "https://github.com/google/aistplusplus_dataset/releases/download/v1.0/keypoints3d.zip"
LICENCE = "CC BY 4.0, annotations by Google LLC (https://creativecommons.org/licenses/by/4.0/)"
# Size on the project's page; the server states the exact number of bytes.
MEGABYTES = 834
SIZE_TOLERANCE = 0.1

ZIP = "keypoints3d.zip"
RECORD = "fetched.json"
IGNORE_LIST = "ignore_list.txt"


def fetch(url: str, tell: Callable[[str], None], watch: Callable[[int, int], None]) -> dict[str, Any]:
    """Download, check, unpack and import AIST++ as a whole; on an error only bytes to resume from are left.

    There is no official checksum. The SHA-256 of the first archive that could be imported is kept, and every later
    archive in the same data directory must have it.

    Args:
        url: Address of the archive.
        tell: Function that takes lines for people.
        watch: Function of the bytes at hand and in all.

    Returns:
        The manifest of the import.

    Raises:
        OSError: The network failed, or the disk is full; the same call goes on.
        DataError: The archive is not AIST++'s, or is damaged; it is removed.
    """
    folder = store.data_directory() / FOLDER
    tell(f"AIST++ keypoints3d: about {MEGABYTES} MB from {url}")
    tell(f"licence: {LICENCE}; cite Li et al., ICCV 2021, and Tsuchida et al., ISMIR 2019")
    record = folder / RECORD
    remedy = f"remove {record} to take what comes as new"
    former = store.read_json(record, remedy)
    if former is not None and not former.keys() >= {"bytes", "sha256"}:
        raise DataError(f"Expected {record} to tell bytes and sha256: {remedy}.")
    partial = folder / f"{ZIP}.part"

    def check(size: int) -> None:
        if former and size != former["bytes"]:
            raise DataError(f"Expected {former['bytes']} bytes, as fetched before, but {url} has {size}; {remedy}.")
        if abs(size / (MEGABYTES * 1e6) - 1) > SIZE_TOLERANCE:
            raise DataError(f"Expected about {MEGABYTES} MB, but {url} has {size} bytes: it is another file.")

    with download.alone(folder):
        _clean(folder)
        try:
            download.download(url, partial, check, watch)
            digest = store.file_sha256(partial)
            if former and digest != former["sha256"]:
                raise DataError(
                    f"Expected SHA-256 {former['sha256']}, as fetched before, got {digest}: the file at {url} has "
                    f"changed. Nothing was installed; {remedy}."
                )
            size = partial.stat().st_size
            with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacked-") as unpacked:
                extract(partial, Path(unpacked))
                manifest = import_aist(Path(unpacked))
        except DataError:
            download.forget(partial)
            raise
        if former is None:
            fetched = {"url": url, "bytes": size, "sha256": digest, "time": time.strftime("%Y-%m-%d", time.gmtime())}
            store.write_json(record, fetched)
            tell(f"SHA-256 {digest}, kept in {record} and expected from now on")
        else:
            tell(f"SHA-256 {digest}, as fetched before")
        download.forget(partial)
    return manifest


def extract(archive: Path, target: Path) -> None:
    """Unpack the sequences of AIST++'s archive, and the list of those to ignore, into `target`.

    Members are chosen by AIST++'s pattern of names and written under the last part of their names. A member whose name
    leads out of the folder makes the whole archive refused.

    Args:
        archive: Path of the zip file.
        target: Path of an empty folder.

    Raises:
        DataError: The file is no archive, is damaged, or holds no sequences or unsafe names.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            _unpack(opened, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"What was fetched is no readable zip archive ({error}); it was removed.") from error


def _unpack(opened: zipfile.ZipFile, target: Path) -> None:
    members = opened.infolist()
    for member in members:
        name = member.filename
        if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
            raise DataError(f"Refused the archive: its member {name!r} would lie outside its folder. It was removed.")
    folder = target / "keypoints3d"
    folder.mkdir()
    count = 0
    for member in members:
        path = PurePosixPath(member.filename)
        sequence = path.suffix == ".pkl" and NAME.fullmatch(path.stem)
        if not sequence and path.name != IGNORE_LIST:
            continue
        if member.file_size > LARGEST_FILE_BYTES:
            raise DataError(f"Refused the archive: {path.name} has {member.file_size} bytes. It was removed.")
        place = folder / path.name
        if place.exists():
            raise DataError(f"Refused the archive: it holds {path.name} twice. It was removed.")
        with opened.open(member) as source, place.open("xb") as copy:
            shutil.copyfileobj(source, copy)
        count += bool(sequence)
    if not count:
        raise DataError("What was fetched holds no AIST++ sequences; it was removed.")


def _clean(folder: Path) -> None:
    """Remove the unpacked files of a killed import."""
    for leftover in folder.glob(".unpacked-*"):
        shutil.rmtree(leftover)
