"""The door of the metrics: arrays and tensors of any real type come out as float64 or int64, or are refused by name.

Unsigned differences wrap around, int8 has no +128, squares of float16 overflow at 256, and PyTorch takes neither other
byte orders nor negative strides: no metric meets any of these, because none computes in the type that it was given.
"""

import operator
from typing import Any, SupportsIndex

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from quantizers.base import FARTHEST

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALLEST, LARGEST = 1e-150, 1e150  # the squares of smaller and of larger numbers leave float64


def numbers(name: str, values: ArrayLike | Tensor) -> Floats:
    """Real numbers of any type as float64, in the shape that they have.

    Args:
        name: The argument, as its caller knows it.
        values: An array, a tensor of any device or anything that NumPy makes an array of.

    Raises:
        ValueError: There are none, they are no real numbers, one is not finite or too large to be squared, or all are
            too small for that.

    >>> numbers("points", np.array([250, 3], dtype=np.uint8)) - 255
    array([  -5., -252.])
    """
    given = _real(name, values)
    with np.errstate(over="ignore"):  # of long doubles: they become infinite, which is refused below
        exact: Floats = given.astype(np.float64, order="C", copy=False)
    largest = np.abs(exact).max()
    if 0 < largest < SMALLEST:
        raise ValueError(f"expected {name} of {SMALLEST:g} or more in size, got at most {largest:g}: use another unit")
    if not largest <= LARGEST:  # nor is NaN
        wrong = ~np.isfinite(exact)
        if wrong.any():
            first = _at(name, given, wrong)
            raise ValueError(f"expected finite {name}, got {int(wrong.sum())} values that are not, the first {first}")
        wrong = np.abs(exact) > LARGEST
        raise ValueError(f"expected {name} of at most {LARGEST:g}, got {_at(name, given, wrong)}")
    return exact


def indices(name: str, values: ArrayLike | Tensor, num_codes: int) -> Integers:
    """Codes of any integer type as int64, in the shape that they have.

    Args:
        name: The argument, as its caller knows it.
        values: As `numbers` takes them.
        num_codes: K; every code lies in 0 .. K - 1.

    Raises:
        ValueError: There are none, they are no integers, or one is out of range.

    >>> indices("codes", np.array([3, 0], dtype=">u2"), num_codes=4)
    array([3, 0])
    """
    given = _real(name, values)
    if given.dtype.kind == "f":
        raise ValueError(f"expected integer {name}, got {given.dtype}")
    if int(given.min()) < 0 or int(given.max()) >= num_codes:
        wrong = given >= num_codes if given.dtype.kind == "u" else (given < 0) | (given >= num_codes)
        raise ValueError(
            f"expected {name} in 0 .. {num_codes - 1}, got {name} in {given.min()} .. {given.max()} "
            f"({_at(name, given, wrong)})"
        )
    return given.astype(np.int64, order="C", copy=False)


def lattice(name: str, values: ArrayLike | Tensor) -> Integers:
    """Lattice positions as int64: integers of any type, or floating-point numbers that are whole.

    Raises:
        ValueError: As `numbers`, or one is not whole, or too far from 0 for exact squares of distances.

    >>> lattice("positions", np.array([[0.0, 2.0]], dtype=np.float16))
    array([[0, 2]])
    """
    exact = numbers(name, values)
    wrong = (exact != np.rint(exact)) | (np.abs(exact) > FARTHEST)
    if wrong.any():
        raise ValueError(
            f"expected whole numbers from {-FARTHEST} to {FARTHEST} as {name}, got {_at(name, exact, wrong)}"
        )
    return exact.astype(np.int64)


def count(name: str, value: SupportsIndex) -> int:
    """An integer of any type as a Python one, which does not wrap around.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool | np.bool_):
        raise ValueError(f"expected {name} to be an integer, got {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"expected {name} to be an integer, got {value!r}") from None


def _real(name: str, values: ArrayLike | Tensor) -> NDArray[Any]:
    """An array of integers or floating-point numbers, with at least one in it."""
    if isinstance(values, Tensor):
        if values.is_floating_point() and values.dtype not in (torch.float16, torch.float32, torch.float64):
            values = values.double()  # NumPy has no bfloat16
        array = values.detach().to_dense().numpy(force=True)
    else:
        if np.ma.is_masked(values):
            raise ValueError(f"expected {name} without masked values: fill them or leave them out")
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise ValueError(f"expected {name} to be an array, got rows that make none ({error})") from None
    if array.size == 0:
        raise ValueError(f"expected {name}, got none: an array of shape {array.shape}")
    if array.dtype.kind not in "iuf":
        kind = "objects" if array.dtype.hasobject else array.dtype
        raise ValueError(f"expected {name} to be integers or floating-point numbers, got {kind}")
    return array


def _at(name: str, values: NDArray[Any], wrong: NDArray[np.bool_]) -> str:
    """First wrong value, in words: `points[3, 1] = nan`."""
    place = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    index = ", ".join(map(str, place))
    return f"{name}[{index}] = {values[place]}" if index else f"{name} = {values[place]}"
