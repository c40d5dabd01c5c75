import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.metrics import METRICS
from bench.metrics.base import ConvergedBudget
from bench.metrics.learnability.ngram import indices_bits, ngram_bits
from bench.metrics.readers.gru import GRUReader
from bench.metrics.readers.indices import IndicesReader
from bench.metrics.readers.training import train_until_converged
from datasets.sequences import Sequences
from tests.bench.metrics.test_catalogue import trained  # noqa: F401 - a fixture

PAIRS = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
# p(0, 0), p(0, 1), p(1, 0), p(1, 1)
SHARES = torch.tensor([0.5, 0.125, 0.125, 0.25])


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def test_digits_and_one_index_of_the_same_code_cost_the_same() -> None:
    """Heads that are set to p(k_1) and p(k_2 | k_1) by hand give the entropy of the pair, 1.75 bits."""
    digits, whole = IndicesReader(PAIRS, (2, 2), generator()), GRUReader(4, generator())
    for reader in (digits, whole):
        for parameter in reader.parameters():
            parameter.zero_()
    whole.output.bias.copy_(SHARES.log())
    digits.outputs[0].bias.copy_(torch.tensor([0.625, 0.375]).log())
    # The hidden layer passes one unit for each value of the first index.
    digits.before[0].weight[:, :2] = torch.eye(2)
    digits.hidden[0].weight[:2, 128:130] = torch.eye(2)
    digits.outputs[1].weight[:, :2] = torch.tensor([[0.8, 1 / 3], [0.2, 2 / 3]]).log()
    targets = torch.tensor([[0, 0, 0, 0, 1, 2, 3, 3]])
    tokens = torch.zeros_like(targets)
    expected = 1.75 * math.log(2)
    assert digits.cross_entropy(tokens, targets).item() == pytest.approx(expected, rel=1e-6)
    assert whole.plain_loss(tokens, targets).item() == pytest.approx(expected, rel=1e-6)


def test_the_likeliest_index_is_chosen_given_those_before_it() -> None:
    reader = IndicesReader(PAIRS, (2, 2), generator())
    sequences = torch.randint(4, (3, 6), generator=generator(1))
    chosen = reader.most_likely(sequences)
    assert chosen.shape == (3, 5, 2)
    states = reader.states(sequences[:, :-1]).flatten(0, 1)
    first = reader.head(0, states, PAIRS[:0]).argmax(1)
    second = reader.head(1, states, first[:, None]).argmax(1)
    assert torch.equal(chosen.flatten(0, 1), torch.stack([first, second], dim=1))


def test_the_frame_foretold_may_be_a_combination_that_occurs_nowhere(trained, monkeypatch):  # noqa: F811
    """Decoded indices are the frames: (3, 1) in place of the true next frame (3, 2) is off by 1."""
    frames = np.array([[[1.0, 1.0], [3.0, 2.0]]], dtype=np.float32)
    ones = np.ones(2, dtype=np.float32)
    data = Sequences.build(
        "two frames",
        real=False,
        standardised=dict.fromkeys(("train", "val", "test"), frames),
        mean=0 * ones,
        scale=ones,
        width=2,
        points=np.array([[0, 1]]),
    )
    run = dataclasses.replace(
        trained,
        data=data,
        tokens={"test": torch.tensor([[0, 1]])},
        combinations=torch.tensor([[1, 1], [3, 2]]),
        code_sizes=(4, 4),
        decode=lambda codes: torch.from_numpy(data.transform.project(codes.float().numpy())),
        _shared={},
    )
    foretold = torch.tensor([[[3, 1]]])
    reader = SimpleNamespace(most_likely=lambda tokens: foretold)
    monkeypatch.setattr("bench.metrics.learnability.forecast.converged_reader", lambda trained: (reader, None))
    still, off = np.hypot(2, 1), 1.0
    assert METRICS["forecast_error"].measure(run).value == pytest.approx(off / still)


def test_the_head_of_an_index_sees_no_later_one() -> None:
    reader = IndicesReader(torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0]]), (2, 2, 2), generator())
    states = torch.randn(4, 128, generator=generator(1))
    given = torch.zeros(4, 3, dtype=torch.int64)
    other = given.clone()
    other[:, 1:] = 1
    assert torch.equal(reader.head(1, states, given), reader.head(1, states, other))
    assert not torch.equal(reader.head(2, states, given), reader.head(2, states, other))


def test_a_reader_learns_a_rule_across_indices() -> None:
    """The second index repeats the first, and the first alternates: nothing is left to learn."""
    steps = torch.arange(65) % 2
    sequences = torch.stack([(steps + start) % 2 for start in (0, 1, 0, 1)])
    combinations = torch.tensor([[0, 0], [1, 1]])
    readers = [IndicesReader(combinations, (2, 2), generator(seed)) for seed in (0, 1)]
    budget = ConvergedBudget(cap=60, check_every=20, patience=3, rate=1e-2)
    of_each = [[sequences] * 2 for _ in range(3)]
    readings = train_until_converged(readers, *of_each, [generator(2), generator(3)], budget)
    assert [reading.perplexity for reading in readings] == pytest.approx([1.0, 1.0], abs=0.02)


def test_the_trigram_of_two_indices_by_hand() -> None:
    """Trained on the pairs (0, 0), (0, 0), (1, 0) and asked for (0, 0), (1, 0).

    First index, k = 1 after frame (0, 0). No history: c = (2, 1) of 3 with T = 2, P = (1 + 2 / 2) / 5 = 2/5. After
    k_1 = 0 came 0 and 1 once each, (1 + 2 * 2/5) / 4 = 9/20, and after (0, 0), (1 + 2 * 9/20) / 4 = 19/40.
    Second index, k = 0 given k_1 = 1 and frame (0, 0). Always 0: (3 + 1/2) / 4 = 7/8; after k_1 = 1 once:
    (1 + 7/8) / 2 = 15/16; with k_2 = 0 before: 31/32; with (0, 0) before: 63/64.
    """
    combinations = [[0, 0], [1, 0]]
    expected = -math.log2(19 / 40) - math.log2(63 / 64)
    assert indices_bits([[0, 0, 1]], [[0, 1]], combinations, (2, 2)) == pytest.approx(expected)


def test_the_trigram_of_digits_agrees_with_that_of_one_index_on_much_data() -> None:
    """A Markov chain of pairs with a known entropy rate, which both approach."""
    rng = np.random.default_rng(0)
    rows = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.25] * 4, [0.4, 0.1, 0.1, 0.4]])
    sequences = np.zeros((40, 1_500), dtype=np.int64)
    for time in range(1, sequences.shape[1]):
        draws = rng.random(len(sequences))[:, None]
        sequences[:, time] = (draws > rows.cumsum(1)[sequences[:, time - 1]]).sum(1)
    values, vectors = np.linalg.eig(rows.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary /= stationary.sum()
    entropy = -(stationary[:, None] * rows * np.log2(rows)).sum()
    train, test = sequences[:20], sequences[20:]
    assert indices_bits(train, test, PAIRS, (2, 2)) == pytest.approx(entropy, abs=0.02)
    assert ngram_bits(train, test, 4) == pytest.approx(entropy, abs=0.02)
