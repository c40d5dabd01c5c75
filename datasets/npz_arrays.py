"""Arrays of an npz file; damaged or foreign bytes of every kind raise one error that names the file."""

import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DataError

_SUFFIX = ".npy"
_MOST_DEFLATED = 1_032  # largest number of bytes that one byte of deflate unpacks to
_SLACK = 1_024

Shape = tuple[int, ...]


def headers(path: Path) -> dict[str, tuple[Shape, np.dtype[Any]]]:
    """Key -> shape and type of its array, read from the headers alone.

    Raises:
        DataError: The file is no npz, or a member is no array or claims more numbers than the file has.
    """
    shapes: dict[str, tuple[Shape, np.dtype[Any]]] = {}
    with _opened(path) as archive:
        for member in archive.infolist():
            key = member.filename.removesuffix(_SUFFIX)
            if key in shapes:
                raise DataError(f"Expected an npz file of arrays, {path} has two under {key!r}.")
            with _reading(path, member.filename):
                shapes[key] = _header(archive, member, path.stat().st_size)
    return shapes


def arrays(path: Path, keys: Collection[str]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Iterate over the arrays under some keys; nothing is unpickled.

    Raises:
        DataError: As `headers`, or the bytes of an array are damaged.
    """
    with _opened(path) as archive:
        members = {member.filename.removesuffix(_SUFFIX): member for member in archive.infolist()}
        for key in keys:
            with _reading(path, key), archive.open(members[key]) as file:
                values = np.lib.format.read_array(file, allow_pickle=False)
                file.read()  # to the end, where the checksum is compared
            yield key, values


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo, size_on_disk: int) -> tuple[Shape, np.dtype[Any]]:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        # 3.0 is 2.0 with names of fields in UTF-8, and arrays of numbers have no fields.
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"a header of version {version[0]}.{version[1]}")
        shape, _, kind = read(file)
        held = member.file_size - file.tell()
    if min(shape, default=0) < 0:
        raise ValueError(f"a header that claims the shape {shape}")
    claimed = kind.itemsize
    for size in shape:
        claimed *= size
    # Objects are pickled in any number of bytes; they are refused by their type.
    if claimed > held and not kind.hasobject:
        raise ValueError(f"a header that claims {claimed:,} bytes of an array of {held:,}")
    packed = min(member.compress_size, size_on_disk)
    most = {zipfile.ZIP_STORED: packed, zipfile.ZIP_DEFLATED: _MOST_DEFLATED * packed + _SLACK}
    if member.file_size > most.get(member.compress_type, member.file_size):
        raise ValueError(f"{packed:,} bytes that claim to unpack to {member.file_size:,}")
    return shape, kind


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # damaged bytes may raise anything
        raise DataError(f"Expected an npz file of arrays, {path} is none ({_message(error)}).") from error
    with archive:
        yield archive


@contextmanager
def _reading(path: Path, member: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # damaged bytes may raise anything
        raise DataError(
            f"Expected an npz file of arrays, {path} is none: {member!r} cannot be read ({_message(error)}); "
            "it may be damaged: save or copy it again."
        ) from error


def _message(error: Exception) -> str:
    """Message of an error, as one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
