"""Damaged and foreign npz files: one error that names the file and, where it is one array, its key."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import datasets
from datasets import npz_arrays
from datasets.errors import DataError
from datasets.npz import Npz


def sequences(count: int = 10, frames: int = 30, width: int = 4) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {f"s{number:02d}": generator.normal(size=(frames, width)).cumsum(axis=0) for number in range(count)}


def content(*, packed: bool = False) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **sequences())  # type: ignore[arg-type]
    return file.getvalue()


def member(values: bytes, name: str = "s03.npy", kind: int = zipfile.ZIP_STORED) -> bytes:
    """The file with the member of that name replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content())) as old, zipfile.ZipFile(file, "w") as new:
        for item in old.namelist():
            new.writestr(item, values if item == name else old.read(item), kind)
        if name not in old.namelist():
            new.writestr(name, values, kind)
    return file.getvalue()


def array(shape: str, version: tuple[int, int] = (1, 0), kind: str = "<f8") -> bytes:
    """An array of 120 numbers under a header that claims another shape."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + np.zeros(120).tobytes()


def encrypted() -> bytes:
    """The flag alone makes readers ask for a password."""
    file = bytearray(content())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = file.find(mark)
        while place >= 0:
            file[place + offset] |= 1
            place = file.find(mark, place + 4)
    return bytes(file)


def claimed(size: int) -> bytes:
    """Every size in the directory replaced: what unpacks to it is not there."""
    file = bytearray(content(packed=True))
    place = file.find(b"PK\x01\x02")
    while place >= 0:
        file[place + 24 : place + 28] = struct.pack("<I", size)
        place = file.find(b"PK\x01\x02", place + 4)
    return bytes(file)


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "is not a zip"),
    "cut short": (lambda: content()[:2000], "is not a zip"),
    "no array": (lambda: member(b"words"), "'s03"),
    "nothing in it": (lambda: member(b""), "'s03"),
    "another member": (lambda: member(b"words", "readme.txt"), "'readme.txt' cannot be read"),
    "folder": (lambda: member(b"", "folder/"), "'folder/' cannot be read"),
    "twice": (lambda: member(array("(30, 4)"), "s03"), "two under 's03'"),
    "too many numbers claimed": (
        lambda: member(array("(10**9, 4)".replace("10**9", "1000000000"))),
        "'s03.*claims 32,0",
    ),
    "more than memory claimed": (lambda: member(array("(1152921504606846976, 64)")), "'s03.*claims"),
    "negative shape": (lambda: member(array("(-30, -4)")), "'s03.*claims the shape"),
    "shape of words": (lambda: member(array("('a',)")), "'s03"),
    "unknown type": (lambda: member(array("(30, 4)", kind="<q9")), "'s03"),
    "no header": (lambda: member(array("(30, 4)")[:20]), "'s03"),
    "no dictionary": (lambda: member(array("(30, 4").replace(b"}", b" ")), "'s03"),
    "version 9.0": (lambda: member(array("(30, 4)", version=(9, 0))), "'s03"),
    "encrypted": (encrypted, "'s00.*(encrypted|password)"),
    "unpacks to more than it can": (lambda: claimed(4_000_000_000), "'s00.*claim"),
    "objects": (lambda: member(array("(3, 4)", kind="|O")), "objects under 's03'"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_a_damaged_file_is_one_error_that_names_it(tmp_path: Path, case: str) -> None:
    make, output = WRONG[case]
    path = tmp_path / "walks.npz"
    path.write_bytes(make())
    dataset = Npz(path=str(path))
    for look in (dataset.settled, dataset.check, lambda: datasets.load(f"npz:{path}")):
        with pytest.raises(DataError, match=rf"(?i){output}") as caught:
            look()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@settings(
    deadline=None, max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255), packed=st.booleans(), cut=st.booleans())
def test_damage_anywhere_is_an_error_or_changes_nothing(
    tmp_path: Path, place: float, change: int, packed: bool, cut: bool
) -> None:
    damaged = bytearray(content(packed=packed))
    if cut:
        del damaged[int(place * len(damaged)) :]
    else:
        damaged[int(place * len(damaged))] ^= change
    path = tmp_path / "walks.npz"
    path.write_bytes(damaged)
    try:
        actual = dict(npz_arrays.arrays(path, npz_arrays.headers(path)))
    except DataError as error:
        assert str(path) in str(error)
    else:
        expected = sequences()
        assert actual.keys() == expected.keys()
        assert all((actual[key] == values).all() for key, values in expected.items())


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_header_is_read(tmp_path: Path, version: tuple[int, int]) -> None:
    path = tmp_path / "walks.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in sequences().items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, values, version=version)
    np.savez(tmp_path / "same.npz", **sequences())  # type: ignore[arg-type]
    loaded, expected = (datasets.load(f"npz:{tmp_path / name}") for name in ("walks.npz", "same.npz"))
    np.testing.assert_array_equal(loaded.frames["test"], expected.frames["test"])
