"""Windows of sequences: the split of each sequence, and the windows that a seed draws from it.

A window is named by its sequence and its number in it. Windows of one sequence are never in two splits.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

import numpy as np

from datasets.base import split_sizes, stream
from datasets.errors import DataError
from datasets.sequences import SPLITS, Array

Window = tuple[str, int]


def sizes(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """Number of windows that each split gets under `draw`, the same for every seed.

    Args:
        counts: Name of a sequence -> number of its windows.
        most: Number of windows in all. It is lowered until training has enough windows even where validation takes as
            many as any seed could give it.

    Raises:
        DataError: There are fewer than three sequences, or one holds so much that nothing is left to train on.
    """
    if len(counts) < len(SPLITS):
        raise DataError(f"Expected at least {len(SPLITS)} sequences (one a split), got {len(counts)}.")
    targets = split_sizes(sum(counts.values()))
    _, learning = _until(_by_hash(counts), counts, targets["test"])
    held = sorted(map(counts.__getitem__, learning))
    left = sum(held) - _most_held(held, targets["val"])
    for total in range(min(most, sum(counts.values())), len(SPLITS) - 1, -1):
        split = split_sizes(total)
        if split["train"] <= left:
            return split
    raise DataError(
        f"Expected sequences that can be split 70 / 15 / 15 %, got {len(counts)} with up to {max(counts.values())} of "
        f"{sum(counts.values())} windows in one: cut the long ones."
    )


def draw(counts: Mapping[str, int], most: int, seed: int) -> dict[str, list[Window]]:
    """Split sequences 70 / 15 / 15 % by their windows, then draw windows of each split.

    Test sequences are the first in the order of a hash of their names, whatever the seed; the seed shuffles the
    others, of which the first are for validation.

    Args:
        counts: Name of a sequence -> number of its windows.
        most: Number of windows in all, see `sizes`.
        seed: Data seed, which decides validation sequences and windows.

    Returns:
        Split -> windows.

    Raises:
        DataError: The sequences cannot be split, see `sizes`.
    """
    wanted = sizes(counts, most)
    targets = split_sizes(sum(counts.values()))
    learning, testing = stream(seed, 0), stream(seed, 1)
    test, others = _until(_by_hash(counts), counts, targets["test"])
    shuffled = [others[index] for index in learning.permutation(len(others))]
    val, train = _until(shuffled, counts, targets["val"])
    pools = {"train": windows_of(train, counts), "val": windows_of(val, counts), "test": windows_of(test, counts)}
    return take(pools, wanted, learning, testing)


def windows_of(names: Sequence[str], counts: Mapping[str, int]) -> list[Window]:
    """All windows of some sequences."""
    return [(name, number) for name in names for number in range(counts[name])]


def take(
    pools: Mapping[str, Sequence[Window]],
    wanted: Mapping[str, int],
    learning: np.random.Generator,
    testing: np.random.Generator,
) -> dict[str, list[Window]]:
    """Draw `wanted` windows of each split from its pool, without repetition; test from a stream of its own."""
    drawn = {}
    for split in SPLITS:
        order = (testing if split == "test" else learning).permutation(len(pools[split]))
        drawn[split] = [pools[split][index] for index in order[: wanted[split]]]
    return drawn


def gather(drawn: Mapping[str, Sequence[Window]], read: Callable[[str], Array]) -> dict[str, Array]:
    """Split -> (n, window, F) frames of the drawn windows.

    Args:
        drawn: Split -> windows that were drawn.
        read: Function from the name of a sequence to all its windows (count, window, F); called once per sequence.
    """
    wanted: dict[str, list[tuple[str, int, int]]] = {}
    for split in SPLITS:
        for row, (name, number) in enumerate(drawn[split]):
            wanted.setdefault(name, []).append((split, row, number))
    gathered: dict[str, Array] = {}
    for name, places in wanted.items():
        windows = read(name)
        for split, row, number in places:
            if split not in gathered:
                gathered[split] = np.empty((len(drawn[split]), *windows.shape[1:]), windows.dtype)
            gathered[split][row] = windows[number]
    return gathered


def labels_of(drawn: Mapping[str, Sequence[Window]], label: Callable[[str], str]) -> dict[str, list[str]]:
    """Split -> label of every window, by a function of the name of its sequence."""
    return {split: [label(name) for name, _ in places] for split, places in drawn.items()}


def sequences_of(drawn: Mapping[str, Sequence[Window]]) -> dict[str, set[str]]:
    """Split -> names of the sequences that its windows are from."""
    return {split: set(map(itemgetter(0), places)) for split, places in drawn.items()}


def _by_hash(names: Mapping[str, int]) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def _until(names: list[str], counts: Mapping[str, int], target: int) -> tuple[list[str], list[str]]:
    """First sequences that together have `target` windows, and the others."""
    held = 0
    for place, name in enumerate(names):
        if held >= target:
            return names[:place], names[place:]
        held += counts[name]
    return names, []


def _most_held(counts: Sequence[int], target: int) -> int:
    """Largest number of windows of sequences that are taken in any order until they have `target`.

    Args:
        counts: Numbers of windows of the sequences, ascending.
        target: Number of windows to reach.
    """
    fewest_first = np.cumsum(counts)
    longest = int(np.searchsorted(fewest_first, target)) + 1
    largest = int(sum(counts[-longest:]))
    return min(target - 1 + max(counts, default=0), largest)
