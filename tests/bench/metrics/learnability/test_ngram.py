import math
import time
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.learnability.ngram import Trigram, ngram_bits


class Plain:
    """The recursion with dictionaries."""

    def __init__(self, train, num_codes):
        self.num_codes = num_codes
        self.followers = defaultdict(Counter)
        for sequence in train.tolist():
            for place, token in enumerate(sequence):
                for length in range(min(place, 2) + 1):
                    self.followers[tuple(sequence[place - length : place])][token] += 1

    def probability(self, history, token):
        lower = self.probability(history[1:], token) if history else 1 / self.num_codes
        followers = self.followers.get(tuple(history), Counter())
        if not followers:
            return lower
        return (followers[token] + len(followers) * lower) / (followers.total() + len(followers))

    def bits(self, test):
        logs = [
            -math.log2(self.probability(sequence[max(0, place - 2) : place], sequence[place]))
            for sequence in test.tolist()
            for place in range(1, len(sequence))
        ]
        return sum(logs) / len(logs)


def walks(sequences, time, num_codes, seed=0):
    steps = np.random.default_rng(seed).integers(-2, 3, size=(sequences, time))
    return np.cumsum(steps, axis=1) % num_codes


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), num_codes=st.integers(1, 12), time=st.integers(2, 9))
def test_equals_plain_dictionaries(seed, num_codes, time):
    train, test = walks(4, time, num_codes, seed), walks(3, max(2, time - 1), num_codes, seed + 1)
    assert ngram_bits(train, test, num_codes) == pytest.approx(Plain(train, num_codes).bits(test), rel=1e-12)


def test_probabilities_sum_to_one():
    generator = np.random.default_rng(0)
    model = Trigram(walks(5, 40, 9), 11)  # the codes 9 and 10 are never seen
    every = np.arange(11)
    for length in range(3):
        for history in generator.integers(11, size=(30, length)):
            actual = model.probability(np.broadcast_to(history, (11, length)), every)
            assert actual.sum() == pytest.approx(1.0, abs=1e-12)
            assert actual.min() > 0.0


def test_what_was_never_seen_is_as_likely_as_any_other():
    model = Trigram(np.zeros((1, 2), dtype=int), 4)
    # c(0) = 2 of 2, T = 1: P(0) = (2 + 1/4) / 3, the others 1/12 each; after 1 nothing is known, so the same.
    for history in ([[]], [[1]], [[2, 1]]):
        before = np.array(history, dtype=int).reshape(1, -1)
        assert model.probability(before, np.array([0])) == pytest.approx(0.75)
        assert model.probability(before, np.array([3])) == pytest.approx(1 / 12)


def test_closed_cases():
    cycle = (np.arange(3_000)[None] + np.arange(2)[:, None]) % 5
    assert 0.0 < ngram_bits(cycle, cycle, 5) < 0.01
    uniform = np.random.default_rng(0).integers(4, size=(200, 300))
    assert ngram_bits(uniform[:100], uniform[100:], 4) == pytest.approx(2.0, abs=0.02)
    assert ngram_bits(np.zeros((1, 2), dtype=int), np.zeros((1, 5), dtype=int), 1) == 0.0


def test_two_tokens_of_context_are_used():
    # 0 0 1 1 0 0 1 1: one token before leaves 1 bit, two leave none.
    sequence = np.tile([0, 0, 1, 1], 500)[None]
    assert ngram_bits(sequence, sequence, 2) < 0.02


def test_sequences_are_not_joined_and_their_order_says_nothing():
    train, test = walks(10, 30, 6), walks(4, 30, 6, seed=1)
    order = np.random.default_rng(0).permutation(10)
    assert ngram_bits(train, test, 6) == pytest.approx(ngram_bits(train[order], test[::-1], 6), rel=1e-12)
    renumber = np.random.default_rng(1).permutation(6)
    assert ngram_bits(train, test, 6) == pytest.approx(ngram_bits(renumber[train], renumber[test], 6), rel=1e-12)
    assert ngram_bits(train, test, 6) != pytest.approx(ngram_bits(train.reshape(1, -1), test, 6), rel=1e-6)


def test_many_tokens_take_less_than_a_second():
    train, test = walks(280, 297, 1_024), walks(60, 297, 1_024, seed=1)
    begun = time.process_time()
    ngram_bits(torch.from_numpy(train), torch.from_numpy(test), 1_024)
    assert time.process_time() - begun < 1.0


def test_refuses():
    with pytest.raises(ValueError, match="n >= 1 and time >= 2"):
        ngram_bits(np.zeros((3, 1), dtype=int), np.zeros((3, 2), dtype=int), 4)
    with pytest.raises(ValueError, match=r"tokens in 0 \.\. 3, got tokens in 0 \.\. 4"):
        ngram_bits(np.zeros((3, 2), dtype=int), np.array([[0, 4]]), 4)
    with pytest.raises(ValueError, match="at most 2,097,152 codes"):
        ngram_bits(np.zeros((3, 2), dtype=int), np.zeros((3, 2), dtype=int), 2**21 + 1)
