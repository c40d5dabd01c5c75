"""`npz:PATH`: sequences of a user's file, arrays as `numpy.savez` writes them."""

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets import npz_arrays, store, windows
from datasets.base import Dataset, require_integer, split_sizes
from datasets.errors import DataError
from datasets.scaling import Scaling
from datasets.sequences import SPLITS, Sequences
from datasets.text import short_name

LONGEST_WINDOW = 240  # frames of a default window, as in AIST++
SHORTEST_WINDOW = 16
EXACT = 2**53
SMALLEST = 1e-150  # least size of the largest number in a file
LABELS = "labels"
LARGEST = 1e30  # largest size of a number; float32 ends somewhat above


class Npz(Dataset):
    """Sequences of a user's file, in any unit.

    The file has one array (sequences, time, features), or one array (time, features) per sequence, whose lengths may
    differ. Where the features are points in space there may be one more axis: (..., time, points, coordinates); then
    `error_units` is a distance between points. Numbers may be floating-point or integers, never objects.

    A further array `labels` (sequences,), whole numbers or text, names the class of every sequence, in the order of the
    sequences.

    Every sequence is cut into windows that do not overlap; the rest at its end, and sequences shorter than a window,
    are left out. All windows of a sequence are in one split: test sequences by a hash of their names (or
    numbers), whatever the seed, 15 % of all windows; the seed assigns 15 % to validation, the others to training. As
    many windows are drawn from each split as every seed can give.

    Args:
        path: Path of the file.
        sequences: Number of windows in all; fewer where the file has fewer.
        window: Number of frames in a window. 0 cuts the shortest sequence into the fewest equal parts of at most 240
            frames.
        width: Number of principal components kept; all features where there are fewer.

    Values that the file decides are in effect after `settled` or `load`; the file is not read before.

    Raises:
        ValueError: A parameter is out of range.
    """

    located = True
    resplit = True
    source = "a file of your own; arrays of sequences"
    frame = "the features of one time step, as in the file"

    def __init__(self, *, path: str = "", sequences: int = 400, window: int = 0, width: int = 32) -> None:
        if not path:
            raise ValueError("Expected a file, npz:PATH (npz:walks.npz).")
        require_integer("sequences", sequences, 3)
        require_integer("window", window, 2 if window else 0)
        require_integer("width", width, 1)
        self.name = f"npz:{short_name(path)}"
        self.path = Path(path)
        self.sequences = sequences
        self.window = window
        self.width = width

    def missing(self) -> str | None:
        """One line where there is no such file."""
        return None if self.path.is_file() else f"{self.name}: there is no file {self.path}"

    def recipe(self) -> dict[str, Any]:
        """SHA-256 of the file, as the identity of the data."""
        return {"sha256": self._digest}

    def files(self) -> list[Path]:
        """Path of the file."""
        return [self.path]

    def settled(self) -> dict[str, Any]:
        """Numbers of windows, of frames in a window and of components; every number in the file is checked.

        Raises:
            DataError: The file cannot be used.
        """
        self._settle()
        first, varies, largest = None, np.zeros(self._features, dtype=bool), 0.0
        for name, values in self._arrays(self._shapes):
            self._check_finite(name, values)
            if len(values):
                frames = values.reshape(len(values), -1)
                largest = max(largest, float(np.abs(frames.astype(np.float64)).max()))
                first = frames[0] if first is None else first
                varies |= (frames != first).any(axis=0)
        if not varies.any():
            raise DataError(
                f"Expected features that vary in {self.path}, got {self._features} that do not vary: a tokenizer has "
                "nothing to learn there."
            )
        if largest < SMALLEST:
            raise DataError(
                f"Expected numbers of {SMALLEST:g} or more in size in {self.path}, got at most {largest:g}, whose "
                "squares leave float64: use another unit."
            )
        return {"sequences": self.sequences, "window": self.window, "width": self.width}

    @property
    def test_apart(self) -> bool:
        """Whether tuning is possible: yes, because the names of the sequences decide which are for testing."""
        return True

    @property
    def train_frames(self) -> int:
        """Number of frames in the training windows."""
        return split_sizes(self.sequences)["train"] * self.window

    def load(self, seed: int) -> Sequences:
        """Draw and load the windows of one data seed."""
        reason = self.missing()
        if reason:
            raise FileNotFoundError(reason)
        self._settle()
        drawn = windows.draw(self._counts, self.sequences, seed)
        used = windows.sequences_of(drawn)
        cut = {name: self._cut(name, values) for name, values in self._arrays(set().union(*used.values()))}
        frames = windows.gather(drawn, cut.__getitem__)
        scaling = Scaling.fit(frames["train"])
        notes: dict[str, Any] = {
            "window": self.window,
            "sequences": {split: len(names) for split, names in used.items()},
            "sequences_available": len(self._counts),
            "sequences_too_short": len(self._lengths) - len(self._counts),
            "windows_available": sum(self._counts.values()),
        }
        return Sequences.build(
            self.name,
            real=True,
            standardised={split: scaling.apply(frames[split]) for split in SPLITS},
            mean=scaling.mean,
            scale=scaling.scale,
            width=self.width,
            points=np.arange(self._features, dtype=np.int64).reshape(-1, self._coordinates),
            notes=notes,
            labels=windows.labels_of(drawn, self._labels.__getitem__) if self._labels else None,
        )

    def _settle(self) -> None:
        """Replace the parameters by the values that the file allows."""
        shapes = self._shapes
        self._lengths = {name: shape[0] for name, shape in shapes.items()}
        filled = {name: shape for name, shape in shapes.items() if shape[0]}
        if not filled:
            raise DataError(f"Expected sequences with frames in {self.path}, got none in {len(shapes)} sequences.")
        features = self._frame_of(filled)
        self._features = int(np.prod(features))
        self._coordinates = features[-1] if len(features) > 1 else 1
        if not self._features:
            raise DataError(f"Expected features in every frame of {self.path}, got frames of shape {features}.")
        self._labels = self._read_labels()
        self.window = self.window or self._usual_window(min(filled, key=self._lengths.__getitem__))
        self.width = min(self.width, self._features)
        self._counts = {name: length // self.window for name, length in self._lengths.items() if length >= self.window}
        if len(self._counts) < len(SPLITS):
            raise DataError(
                f"Expected at least {len(SPLITS)} sequences of {self.window} frames or more in {self.path} (one a "
                f"split), got {len(self._counts)} of {len(shapes)}: cut long recordings into sequences, or lower "
                "`window`."
            )
        self.sequences = sum(windows.sizes(self._counts, self.sequences).values())

    def _frame_of(self, shapes: dict[str, npz_arrays.Shape]) -> npz_arrays.Shape:
        """Shape of a frame, which all sequences share."""
        by_frame: dict[npz_arrays.Shape, list[str]] = {}
        for name, shape in shapes.items():
            by_frame.setdefault(shape[1:], []).append(name)
        usual = max(by_frame, key=lambda frame: len(by_frame[frame]))
        agreeing = by_frame.pop(usual)
        if by_frame:
            odd = [name for name, shape in shapes.items() if shape[1:] != usual]
            listed = ", ".join(f"{name!r} {shapes[name]}" for name in (agreeing[0], *odd[:3]))
            raise DataError(
                f"Expected sequences of one width in {self.path}, got {listed}{', ...' * (len(odd) > 3)}: "
                f"{len(agreeing)} of {len(shapes)} have frames of shape {usual}."
            )
        return usual

    def _usual_window(self, name: str) -> int:
        shortest = self._lengths[name]
        if shortest < SHORTEST_WINDOW:
            raise DataError(
                f"The shortest sequence in {self.path}, {name!r}, has {shortest} frames: say how many frames a window "
                f"has, --set {self.name}.window=N."
            )
        return shortest // -(-shortest // LONGEST_WINDOW)

    @cached_property
    def _digest(self) -> str:
        return store.file_sha256(self.path)

    @cached_property
    def _headers(self) -> dict[str, tuple[npz_arrays.Shape, np.dtype[Any]]]:
        """Shapes and types of the arrays of sequences, without the labels."""
        headers = npz_arrays.headers(self.path)
        if self._has_labels(headers):
            del headers[LABELS]
        return headers

    @staticmethod
    def _has_labels(headers: Mapping[str, tuple[npz_arrays.Shape, np.dtype[Any]]]) -> bool:
        return len(headers) > 1 and LABELS in headers and len(headers[LABELS][0]) == 1

    def _read_labels(self) -> dict[str, str]:
        """Read name of a sequence -> name of its class; empty where the file has no labels.

        Raises:
            DataError: The labels are neither whole numbers nor text, or there is not one per sequence.
        """
        headers = npz_arrays.headers(self.path)
        if not self._has_labels(headers):
            return {}
        (count,), kind = headers[LABELS]
        if kind.kind not in "iuU" or count != len(self._shapes):
            raise DataError(
                f"Expected whole numbers or text under {LABELS!r} of {self.path}, one per sequence "
                f"({len(self._shapes)}), got {count} of type {'object' if kind.hasobject else kind}."
            )
        ((_, labels),) = npz_arrays.arrays(self.path, [LABELS])
        return dict(zip(self._shapes, map(str, labels.tolist()), strict=True))

    @cached_property
    def _shapes(self) -> dict[str, npz_arrays.Shape]:
        """Name of a sequence -> its shape, read from the headers of the arrays alone."""
        headers = self._headers
        if not headers:
            raise DataError(f"Expected arrays in {self.path}, got none.")
        dimensions = (2, 3) if len(headers) > 1 else (3, 4)
        for name, (shape, kind) in headers.items():
            if kind.kind not in "fiu":
                raise DataError(
                    f"Expected numbers in {self.path}, got {'objects' if kind.hasobject else kind} under {name!r}: "
                    "save an array of floating-point numbers, one key a sequence where their lengths differ."
                )
            if len(shape) not in dimensions:
                raise DataError(
                    f"Expected {self.path} to hold one array (sequences, time, features) or an array (time, features) "
                    f"a key, got {shape} under {name!r} of {len(headers)} key{'s' * (len(headers) > 1)}."
                )
        if len(headers) > 1:
            return {name: shape for name, (shape, _) in headers.items()}
        ((name, (shape, _)),) = headers.items()
        if not shape[0]:
            raise DataError(f"Expected sequences in {self.path}, got none under {name!r}: an array of shape {shape}.")
        return dict.fromkeys(map("{:06d}".format, range(shape[0])), shape[1:])

    @cached_property
    def _kind(self) -> np.dtype[Any]:
        """Type that holds the numbers of every array, because windows of several are gathered in one array."""
        kind = np.result_type(*(kind for _, kind in self._headers.values())).newbyteorder("=")
        return np.dtype(np.float64) if kind.itemsize > 8 else kind

    def _arrays(self, wanted: Collection[str]) -> Iterator[tuple[str, NDArray[Any]]]:
        """Iterate over (name, array (time, ...)) of the wanted sequences."""
        if len(self._headers) > 1:
            yield from npz_arrays.arrays(self.path, list(filter(wanted.__contains__, self._shapes)))
            return
        ((_, whole),) = npz_arrays.arrays(self.path, list(self._headers))
        for number, name in enumerate(self._shapes):
            if name in wanted:
                yield name, whole[number]

    def _cut(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """(count, window, F) windows of a sequence."""
        self._check_finite(name, values)
        count = self._counts[name]
        windows = values[: count * self.window].reshape(count, self.window, self._features)
        return windows.astype(self._kind, copy=False)

    def _check_finite(self, name: str, values: NDArray[Any]) -> None:
        if not len(values):
            return
        if values.dtype.kind in "iu" and ((values > EXACT) | (values < -EXACT)).any():
            raise DataError(
                f"Expected whole numbers of at most 2^53 in {self.path}, which float64 holds exactly, got larger ones "
                f"in sequence {name!r}: subtract an origin first."
            )
        with np.errstate(over="ignore"):  # long doubles may become infinite, and the smallest integer has no opposite
            exact = values.reshape(len(values), -1).astype(np.float64)
        wrong = ~(np.abs(exact).max(axis=1) <= LARGEST)  # NaN where there is one
        if wrong.any():
            raise DataError(
                f"Expected finite numbers of at most {LARGEST:g} in {self.path}, got a NaN, an infinity or more in "
                f"frame {int(wrong.argmax())} of sequence {name!r} ({int(wrong.sum())} such frames): fill or cut them."
            )
