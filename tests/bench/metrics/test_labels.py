import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from bench.metrics.labels import label_information, label_probe


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=40))
def test_information_is_scikit_learns(pairs):
    codes, labels = zip(*pairs, strict=True)
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    entropy = -(shares * np.log(shares)).sum()
    value = label_information(codes, labels)
    if len(set(labels)) == 1:
        assert value is None
    else:
        assert value == pytest.approx(mutual_info_score(codes, labels) / entropy, abs=1e-9)


def test_codes_that_are_labels_tell_everything():
    assert label_information([3, 3, 9], [0, 0, 1]) == pytest.approx(1.0)
    assert label_information([3, 3, 3], [0, 0, 1]) == pytest.approx(0.0)


def test_information_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"expected codes \(N,\) and labels \(N,\), got \(2,\) and \(3,\)"):
        label_information([0, 1], [0, 1, 1])


def sequences(generator, favourites, count):
    """Sequences of 40 tokens of 8, which use the favourite token of their class half of the time."""
    labels = np.arange(count) % len(favourites)
    tokens = generator.integers(8, size=(count, 40))
    often = generator.random((count, 40)) < 0.5
    return np.where(often, np.array(favourites)[labels][:, None], tokens), labels


def test_a_probe_finds_the_favourite_token():
    generator = np.random.default_rng(0)
    train, test = (sequences(generator, (1, 4, 6), count) for count in (60, 30))
    assert label_probe(*train, *test, num_codes=8) == 1.0


def test_a_probe_without_anything_to_find_is_at_chance():
    generator = np.random.default_rng(0)
    train, test = (sequences(generator, (2, 2), count) for count in (200, 400))
    assert label_probe(*train, *test, num_codes=8) == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 400))


def test_one_label_is_blank():
    assert label_probe([[0], [1]], [0, 0], [[0]], [0], num_codes=2) is None


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"train_labels": [0]}, r"expected a label per sequence \(2,\), got \(1,\)"),
        ({"test": [0]}, r"expected test \(n, time\), got \(1,\)"),
        ({"num_codes": 1}, "expected"),
    ],
)
def test_a_probe_refuses(changes, match):
    given = {"train": [[0], [1]], "train_labels": [0, 1], "test": [[0]], "test_labels": [0], "num_codes": 2}
    with pytest.raises(ValueError, match=match):
        label_probe(**(given | changes))
