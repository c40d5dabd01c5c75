from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datasets
from datasets.base import require_choice, require_integer, split_sizes, stream
from datasets.errors import DataError


@given(st.integers(3, 5000))
@settings(max_examples=50, deadline=None)
def test_split_sizes_add_up(sequences: int) -> None:
    sizes = split_sizes(sequences)
    assert sum(sizes.values()) == sequences
    assert min(sizes.values()) >= 1
    assert sizes["val"] == sizes["test"]


def test_split_sizes_of_the_protocols() -> None:
    assert split_sizes(400) == {"train": 280, "val": 60, "test": 60}
    assert split_sizes(80) == {"train": 56, "val": 12, "test": 12}
    with pytest.raises(ValueError, match="at least 3 sequences"):
        split_sizes(2)


def test_streams_differ_by_seed_and_by_number() -> None:
    draws = {(seed, number): stream(seed, number).random() for seed in (0, 1) for number in (0, 1)}
    assert len(set(draws.values())) == 4
    assert stream(0, 1).random() == draws[0, 1]


@pytest.mark.parametrize("value", [0, 9, 2.0, True, "2"])
def test_an_integer_out_of_range_or_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"Expected width to be an integer from 1 to 8, got"):
        require_integer("width", value, 1, 8)


def test_a_choice_lists_what_is_valid() -> None:
    require_choice("align", "frame", ("frame", "window"))
    with pytest.raises(ValueError, match=r"one of frame, window, got 'dance'"):
        require_choice("align", "dance", ("frame", "window"))


def test_a_generated_dataset_has_nothing_to_import(tmp_path: Any) -> None:
    lorenz = datasets.get("lorenz")()
    assert lorenz.missing() is None
    assert lorenz.recipe() == {}
    with pytest.raises(DataError, match="generated"):
        lorenz.install(tmp_path)
