import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.base import split_sizes
from datasets.errors import DataError
from datasets.sequences import SPLITS
from datasets.windows import draw, gather, sizes


def named(counts: list[int]) -> dict[str, int]:
    return {f"clip {number}": count for number, count in enumerate(counts)}


@given(st.lists(st.integers(1, 9), min_size=3, max_size=25), st.integers(3, 60), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_every_seed_gets_the_same_sizes_and_no_sequence_is_in_two_splits(
    counts: list[int], most: int, seed: int
) -> None:
    held = named(counts)
    try:
        wanted = sizes(held, most)
    except DataError:
        assert max(counts) > sum(counts) / 4  # one sequence is too much of the whole
        return
    assert wanted == split_sizes(sum(wanted.values()))
    assert sum(wanted.values()) <= min(most, sum(counts))
    drawn = draw(held, most, seed)
    assert {split: len(set(drawn[split])) for split in SPLITS} == wanted
    assert all(0 <= number < held[name] for windows in drawn.values() for name, number in windows)
    owners = [{name for name, _ in drawn[split]} for split in SPLITS]
    assert not owners[0] & owners[1] and not (owners[0] | owners[1]) & owners[2]
    assert draw(held, most, seed) == drawn


def test_nothing_is_left_over_where_every_sequence_is_one_window() -> None:
    for count in (3, 12, 80, 400):
        assert sizes(named([1] * count), 400) == split_sizes(count)
    assert sizes(named([1] * 400), 80) == {"train": 56, "val": 12, "test": 12}


def test_sizes_by_hand() -> None:
    # Six windows: 15 % is one, so test and validation take a sequence of two each, and two are left to train on.
    assert sizes(named([2, 2, 2]), 400) == {"train": 2, "val": 1, "test": 1}


def test_test_sequences_do_not_move_with_the_seed_and_the_others_do() -> None:
    held = named([1] * 40)
    drawn = [draw(held, 40, seed) for seed in range(4)]
    assert len({frozenset(drawn_part["test"]) for drawn_part in drawn}) == 1
    assert len({frozenset(drawn_part["val"]) for drawn_part in drawn}) == 4


def test_sequences_that_cannot_be_split_are_told() -> None:
    with pytest.raises(DataError, match=r"at least 3 sequences \(one a split\), got 2"):
        sizes(named([5, 5]), 10)
    with pytest.raises(DataError, match=r"got 3 with up to 90 of 92 windows in one: cut the long ones"):
        sizes({"a": 90, "b": 1, "d": 1}, 10)


def test_windows_are_gathered_from_their_sequences_read_once() -> None:
    windows = {name: np.full((4, 2, 3), 10.0 * place) + np.arange(4)[:, None, None] for place, name in enumerate("ab")}
    read: list[str] = []

    def reader(name: str) -> np.ndarray:
        read.append(name)
        return windows[name]

    gathered = gather({"train": [("b", 1), ("a", 3), ("b", 0)], "val": [("a", 0)], "test": [("b", 2)]}, reader)
    assert gathered["train"][:, 0, 0].tolist() == [11.0, 3.0, 10.0]
    assert gathered["val"].shape == (1, 2, 3)
    assert gathered["test"][0, 1, 2] == 12.0
    assert sorted(read) == ["a", "b"]
