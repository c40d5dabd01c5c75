"""Reading pickles that hold numpy arrays and plain values, without running anything they ask for.

Nothing named in the file is ever looked up: the few globals that numpy writes are answered with inert stand-ins that
only remember their arguments. Arrays are made from the remembered bytes after the file was read, by `Stored.array`.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DataError

# What a damaged pickle can raise while it is read.
_DAMAGED = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


class _DataType:
    """Description of a pickled `numpy.dtype`."""

    __slots__ = ("code", "order")

    def __init__(self, code: str, *_: Any) -> None:
        self.code = code
        self.order = "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class Stored:
    """An array as a pickle describes it: data type, shape, order and bytes."""

    __slots__ = ("axes", "content", "data_type", "fortran", "shape")

    def __init__(self) -> None:
        self.data_type: Any = None
        self.shape: Any = ()
        self.fortran = False
        self.content: Any = b""
        self.axes: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.data_type, self.fortran, self.content = state

    def array(self) -> NDArray[np.floating[Any]]:
        """Make the array of floating-point numbers.

        Raises:
            ValueError: The array holds other values, or bytes and shape disagree.
        """
        described = self.data_type
        if not isinstance(described, _DataType) or described.code not in ("f2", "f4", "f8"):
            raise ValueError(f"expected floating-point numbers, got {getattr(described, 'code', 'no data type')!r}")
        if not isinstance(self.content, (bytes, bytearray)) or described.order not in ("<", ">", "|", "="):
            raise ValueError("expected an array's bytes")
        # "|" stands for a byte order that was not stored; numpy stores it for numbers of several bytes.
        order = "=" if described.order == "|" else described.order
        flat: NDArray[np.floating[Any]] = np.frombuffer(self.content, dtype=order + described.code)
        shaped = flat.reshape(self.shape, order="F" if self.fortran else "C")
        return shaped if self.axes is None else shaped.transpose(self.axes)


def _array(*_: Any) -> Stored:
    return Stored()


def _array_from_buffer(content: Any, data_type: Any, shape: Any, order: Any, axes: Any = None) -> Stored:
    stored = Stored()
    stored.__setstate__((1, shape, data_type, order == "F", content))
    stored.axes = axes if order == "K" else None
    return stored


def _scalar(*_: Any) -> None:
    """Skip a number beside the arrays, which nobody reads."""


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"expected bytes written as latin1, got {encoding!r}")
    return text.encode("latin1")


_ANSWERS: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _DataType,
    # Protocols below 3 have no bytes of their own.
    ("_codecs", "encode"): _encoded,
}
# numpy 2 calls `numpy.core` `numpy._core`; files of both are about.
for _core in ("numpy.core", "numpy._core"):
    _ANSWERS[f"{_core}.multiarray", "_reconstruct"] = _array
    _ANSWERS[f"{_core}.multiarray", "scalar"] = _scalar
    _ANSWERS[f"{_core}.numeric", "_frombuffer"] = _array_from_buffer


class _Refused(pickle.UnpicklingError):
    """The file asks for something other than numpy's arrays."""


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ANSWERS[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


def read_arrays(content: bytes, name: str) -> dict[Any, Any]:
    """Read a pickled dict whose arrays come back as `Stored`.

    Args:
        content: Bytes of the pickle.
        name: Name of the file, for messages.

    Raises:
        DataError: The pickle is damaged, is not a dict, or asks for a global that arrays do not need, which the
            message names; nothing that it asks for has run.
    """
    load: Callable[[], Any] = _ArraysOnly(io.BytesIO(content)).load
    try:
        value = load()
    except _Refused as refused:
        raise DataError(
            f"Refused {name}: it asks for {refused}, which a file of arrays has no use for and which could run code. "
            "Nothing of it was run. Get the file again from its original source."
        ) from None
    except _DAMAGED as error:
        raise DataError(f"{name} is not a readable pickle ({type(error).__name__}: {error}).") from error
    if not isinstance(value, dict):
        raise DataError(f"Expected {name} to hold a dict, got {type(value).__name__}.")
    return value
