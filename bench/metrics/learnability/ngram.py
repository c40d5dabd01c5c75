"""A trigram model of token sequences: no training by gradient and no random numbers, a check on the readers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from bench.metrics.arguments import Floats, Integers, count, indices
from bench.metrics.base import Effect, Trained, as_array
from bench.metrics.registry import register

_LARGEST = 2**21  # trigrams are numbered in 63 bits


class Trigram:
    """Interpolated trigram with Witten-Bell smoothing (Witten and Bell 1991, method C; Chen and Goodman 1998).

    With c a count in the training sequences and T(h) the number of different tokens seen after history h:

        P(w | h) = (c(h w) + T(h) P(w | h')) / (c(h) + T(h))

    where h' is h without its oldest token; the empty history falls back on 1 / K. A history never seen leaves all to
    h'. N-grams do not cross sequences; the empty history counts every token.

    Args:
        train: Training tokens (n, time), int64.
        num_codes: K, at most 2^21.

    Raises:
        ValueError: Not (n, time) tokens in 0 .. K - 1, or K too large.
    """

    def __init__(self, train: ArrayLike | Tensor, num_codes: int) -> None:
        num_codes = count("num_codes", num_codes)
        tokens = _checked(train, num_codes)
        self.num_codes = num_codes
        self.grams = [_Counts(_numbered(tokens, order, num_codes), num_codes) for order in (1, 2, 3)]

    def probability(self, history: ArrayLike | Tensor, token: ArrayLike | Tensor) -> Floats:
        """P(token | history): history (N, 0, 1 or 2) tokens, oldest first, token (N,) -> (N,).

        Raises:
            ValueError: Shapes do not fit, or a token is no integer in 0 .. K - 1.
        """
        after, before = indices("token", token, self.num_codes), as_array(history)
        if before.size:
            before = indices("history", before, self.num_codes)
        if after.ndim != 1 or before.ndim != 2 or len(before) != len(after) or before.shape[1] >= len(self.grams):
            raise ValueError(f"expected history (N, 0, 1 or 2) and token (N,), got {before.shape} and {after.shape}")
        return self._probability(before.astype(np.int64), after)

    def _probability(self, before: Integers, after: Integers) -> Floats:
        probabilities = np.full(len(after), 1.0 / self.num_codes)
        number = np.zeros(len(after), dtype=np.int64)
        for order in range(before.shape[1] + 1):
            if order:
                number += before[:, -order] * self.num_codes ** (order - 1)
            probabilities = self.grams[order].interpolate(number, after, probabilities)
        return probabilities

    def bits(self, sequences: ArrayLike | Tensor) -> float:
        """Mean -log2 P of every token of (n, time) but each first, given the one or two before it.

        Raises:
            ValueError: Not (n, time) tokens in 0 .. K - 1 with time >= 2.
        """
        tokens = _checked(sequences, self.num_codes)
        seconds = self._probability(tokens[:, :1], tokens[:, 1])
        history = np.stack([tokens[:, :-2], tokens[:, 1:-1]], axis=-1).reshape(-1, 2)
        others = self._probability(history, tokens[:, 2:].ravel())
        return float(-np.log2(np.concatenate([seconds, others])).mean())


class _Counts:
    """Counts of the n-grams of one order, and of their histories: sorted numbers, looked up by bisection."""

    def __init__(self, numbers: Integers, num_codes: int) -> None:
        self.num_codes = num_codes
        self.grams, self.counts = np.unique(numbers, return_counts=True)
        self.histories, first = np.unique(self.grams // num_codes, return_index=True)
        self.seen = np.add.reduceat(self.counts, first) if len(first) else first
        self.kinds = np.diff(np.append(first, len(self.grams)))

    def interpolate(self, history: Integers, token: Integers, lower: Floats) -> Floats:
        count = _look_up(self.grams, self.counts, history * self.num_codes + token)
        kinds = _look_up(self.histories, self.kinds, history)
        whole = _look_up(self.histories, self.seen, history) + kinds
        mixed: Floats = np.where(whole > 0, (count + kinds * lower) / np.maximum(whole, 1), lower)
        return mixed


def _look_up(keys: Integers, values: Integers, wanted: Integers) -> Integers:
    """The value of each wanted key; 0 where it is not among the sorted keys."""
    if len(keys) == 0:
        return np.zeros_like(wanted)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    counts: Integers = np.where(keys[place] == wanted, values[place], 0)
    return counts


def _numbered(tokens: Integers, order: int, num_codes: int) -> Integers:
    """Every n-gram of (n, time) tokens as one number, its last token the least significant."""
    length = max(tokens.shape[1] - order + 1, 0)
    numbers = np.zeros((len(tokens), length), dtype=np.int64)
    for place in range(order):
        numbers = numbers * num_codes + tokens[:, place : place + length]
    return numbers.ravel()


def _checked(sequences: ArrayLike | Tensor, num_codes: int) -> Integers:
    if num_codes > _LARGEST:
        raise ValueError(f"expected at most {_LARGEST:,} codes, got {num_codes:,}")
    tokens = indices("tokens", sequences, num_codes)
    if tokens.ndim != 2 or tokens.shape[1] < 2:
        raise ValueError(f"expected (n, time) tokens with n >= 1 and time >= 2, got {tokens.shape}")
    return tokens


def ngram_bits(train: ArrayLike | Tensor, test: ArrayLike | Tensor, num_codes: int) -> float:
    """Bits a token that a `Trigram` of the training sequences needs on the test sequences, in [0, inf).

    Every token but each sequence's first counts, as for the readers.

    Args:
        train: Training tokens (n, time), int64.
        test: Test tokens (m, time), int64.
        num_codes: Number K of codes in the codebook.

    Raises:
        ValueError: See `Trigram`.

    K = 2, trained on 0 0 1, so c(0) = 2 and c(1) = 1 of 3 with T = 2: P(1) = (1 + 2 / 2) / 5 = 2/5. After 0 came 0 and
    1 once each: P(1 | 0) = (1 + 2 * 2/5) / 4 = 9/20. The test sequence is 0 1, its 1 has only one token before it:

    >>> round(ngram_bits([[0, 0, 1]], [[0, 1]], num_codes=2), 6)  # -log2 9/20
    1.152003
    """
    return Trigram(train, num_codes).bits(test)


def indices_bits(
    train: ArrayLike | Tensor, test: ArrayLike | Tensor, combinations: ArrayLike | Tensor, code_sizes: Sequence[int]
) -> float:
    """`ngram_bits` of codes of M indices: bits a frame, the sum over m of -log2 P(k_m | past frames, k_1 .. k_(m-1)).

    P is smoothed as in `Trigram`. Its history is longer by what is known of the same frame: none; k_1 .. k_(m-1) of
    this frame; k_m of the frame before as well; all of the frame before; all of the two frames before.

    Args:
        train: Training tokens (n, time), rows of `combinations`.
        test: Test tokens (m, time), rows of `combinations`.
        combinations: (K, M) indices of every code.
        code_sizes: Number of codes of every index.

    Raises:
        ValueError: See `Trigram`.
    """
    table = as_array(combinations).astype(np.int64)
    train, test = _checked(train, len(table)), _checked(test, len(table))
    base = max(len(table), *code_sizes)
    if base**3 * max(code_sizes) >= 2**63:
        raise ValueError(f"expected at most {_LARGEST:,} trigrams, got {len(table):,} combinations")
    total = 0.0
    for place, size in enumerate(code_sizes):
        _, prefix = np.unique(table[:, :place], axis=0, return_inverse=True)
        prefix = prefix.ravel().astype(np.int64)
        probabilities: Floats = np.full(test[:, 1:].shape, 1.0 / size)
        seconds = np.zeros(0)
        for order, past in enumerate((0, 0, 1, 1, 2)):
            if order == 1 and place == 0:
                continue  # nothing is known of the same frame yet
            learned, asked = (_histories(tokens, order, prefix, table[:, place], base) for tokens in (train, test))
            counts = _Counts((learned * size + table[train[:, past:], place]).ravel(), size)
            # The second frame of a sequence has only one before it.
            wanted = table[test[:, max(1, past) :], place]
            if past == 2:
                seconds, probabilities = probabilities[:, :1].ravel(), probabilities[:, 1:]
            else:
                asked = asked[:, asked.shape[1] - wanted.shape[1] :]
            mixed = counts.interpolate(asked.ravel(), wanted.ravel(), probabilities.ravel())
            probabilities = mixed.reshape(wanted.shape)
        total -= float(np.log2(np.concatenate([seconds, probabilities.ravel()])).mean())
    return total


def _histories(tokens: Integers, order: int, prefix: Integers, index: Integers, base: int) -> Integers:
    """Number of the history of every frame that has one, (n, time - frames before).

    Args:
        tokens: (n, time) rows of the table of combinations.
        order: Place, from 0, of the history in the list that `indices_bits` gives; a later one holds more.
        prefix: (K,) number of the indices before the one that is foretold, for every row.
        index: (K,) that index itself.
        base: Number above every row and every index.
    """
    present = prefix[tokens]
    if order == 0:
        return np.zeros_like(tokens)
    if order == 1:
        return present
    before = index[tokens[:, :-1]] if order == 2 else tokens[:, :-1]
    history: Integers = present[:, 1:] * base + before
    return history if order < 4 else history[:, 1:] * base + tokens[:, :-2]


@register(
    "ngram_bits",
    direction="lower",
    effect=Effect(0.05),
    summary="bits a test token of an interpolated trigram (Witten-Bell) of the train tokens; [0, inf)",
)
def _ngram_bits(trained: Trained) -> float:
    tokens = trained.tokens
    if trained.combinations is not None:
        return indices_bits(tokens["train"], tokens["test"], trained.combinations, trained.code_sizes)
    return ngram_bits(tokens["train"], tokens["test"], trained.num_codes)
