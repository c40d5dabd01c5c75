"""Readers trained as one batch against the same readers trained alone."""

import dataclasses
import math

import pytest
import torch
from torch.nn import functional

from bench.kernels import gru_gpu
from bench.kernels.gru_gpu import output_loss, plain_states, run_states
from bench.metrics import METRICS
from bench.metrics.base import ConvergedBudget, Metric, Reader, ReaderBudget, Trained
from bench.metrics.learnability import batched, few_sequences
from bench.metrics.readers import training
from bench.metrics.readers.embeddings import GridEmbedding, VectorEmbedding, table_embedding
from bench.metrics.readers.gru import GRUReader
from bench.metrics.readers.on_gpu import Stacked
from bench.metrics.readers.training import barely_trained_at, train_until_converged

CODES = 9
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="the fused cell needs a CUDA device")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def walks(sequences, time, seed):
    """Each token is the last one, the one before it or the one after, of nine on a ring."""
    return torch.randint(-1, 2, (sequences, time), generator=seeded(seed)).cumsum(dim=1) % CODES


def splits(seed):
    return tuple(walks(count, 30, 10 * seed + place) for place, count in enumerate((21, 6, 5)))


def embedding(kind, seed):
    if kind == "vector":
        return VectorEmbedding(torch.randn(CODES, 2, generator=seeded(seed)), seeded(seed))
    if kind == "grid":
        order = torch.randperm(CODES, generator=seeded(seed))
        return GridEmbedding(torch.cartesian_prod(torch.arange(3), torch.arange(3))[order], seeded(seed))
    return table_embedding(CODES, seeded(seed))


def readers_of(kinds):
    """Readers and the generators that gave them their values; "drawn" is what a reader draws for itself."""
    generators = [seeded(100 + seed) for seed in range(len(kinds))]
    mine = [None if kind == "drawn" else embedding(kind, seed) for seed, kind in enumerate(kinds)]
    return [GRUReader(CODES, *item) for item in zip(generators, mine, strict=True)], generators


def test_states_are_those_of_pytorchs_gru():
    actual = readers_of(["table"] * 3)[0]
    tokens = torch.stack([walks(4, 12, seed) for seed in range(3)])
    states = Stacked(actual, torch.device("cpu"))._states(tokens)
    for index, reader in enumerate(actual):
        expected = reader.gru(reader.embedding(tokens[index]))[0]
        torch.testing.assert_close(states[:, index].transpose(0, 1), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [5, 100])
def test_the_output_loss_and_its_gradients_are_cross_entropy_in_any_blocks(rows):
    states, output, bias = (
        torch.randn(*shape, generator=seeded(1), dtype=torch.float64) for shape in [(2, 13, 4), (2, 7, 4), (2, 7)]
    )
    targets = torch.randint(7, (2, 13), generator=seeded(2))
    inputs = [item.requires_grad_() for item in (states, output, bias)]
    actual = output_loss(*inputs, targets, rows)
    logits = states @ output.transpose(1, 2) + bias[:, None]
    expected = torch.stack(
        [functional.cross_entropy(*item, reduction="sum") for item in zip(logits, targets, strict=True)]
    )
    torch.testing.assert_close(actual, expected)
    weights = torch.tensor([0.5, 2.0], dtype=torch.float64)
    for mine, other in zip(*(torch.autograd.grad(item @ weights, inputs) for item in (actual, expected)), strict=True):
        torch.testing.assert_close(mine, other)
    with torch.no_grad():
        torch.testing.assert_close(output_loss(*inputs, targets, rows), expected)


@pytest.fixture
def stacked(monkeypatch):
    """What a GPU would do, on the CPU."""

    def switch():
        monkeypatch.setattr(training, "group", Stacked)

    return switch


def test_barely_trained_together_is_barely_trained_alone(stacked):
    def trained():
        actual, generators = readers_of(["drawn"] * 3)
        train, _, test = zip(*(splits(seed) for seed in range(3)), strict=True)
        return barely_trained_at(actual, train, test, generators, (2, 5))

    expected = trained()
    stacked()
    for mine, alone in zip(trained(), expected, strict=True):
        assert [item.updates for item in mine] == [2, 5]
        assert [item.perplexity for item in mine] == pytest.approx([item.perplexity for item in alone], rel=1e-4)


@pytest.mark.parametrize("anneal", [False, True])
def test_converging_together_is_converging_alone_whatever_the_embedding(anneal, stacked):
    kinds = ["table", "table", "vector", "grid", "grid"]
    budget = ConvergedBudget(cap=60, check_every=4, patience=2, rate=2e-2, anneal=anneal, batch=16)
    data = [splits(seed % 2) for seed in range(len(kinds))]
    alone, generators = readers_of(kinds)
    expected = [
        train_until_converged([reader], *([part] for part in separate), [generator], budget)[0]
        for reader, separate, generator in zip(alone, data, generators, strict=True)
    ]
    assert len({item.updates for item in expected}) > 1  # so that some stop while others go on
    stacked()
    actual, generators = readers_of(kinds)
    readings = train_until_converged(actual, *zip(*data, strict=True), generators, budget)
    for mine, other in zip(readings, expected, strict=True):
        assert (mine.updates, mine.stopped_early) == (other.updates, other.stopped_early)
        assert mine.perplexity == pytest.approx(other.perplexity, rel=1e-3)
        assert [step for step, _ in mine.curve] == [step for step, _ in other.curve]
        assert [value for _, value in mine.curve] == pytest.approx([value for _, value in other.curve], rel=1e-3)
    for one, other, separate in zip(actual, alone, data, strict=True):  # each is left at its best check
        pair = separate[2][:, :-1], separate[2][:, 1:]
        with torch.no_grad():
            torch.testing.assert_close(one.plain_loss(*pair), other.plain_loss(*pair), rtol=1e-3, atol=0)


def subject(seed):
    """A tokenizer of nine codes on a 3 x 3 lattice."""
    nothing = torch.empty(0)
    train, val, test = splits(seed)
    return Trained(
        data=None,
        num_codes=CODES,
        tokens={"train": train, "val": val, "test": test},
        prototypes=nothing,
        decoded=nothing,
        latents=nothing,
        latent_codebook=nothing,
        codebook=torch.randn(CODES, 3, generator=seeded(seed)),
        positions=torch.cartesian_prod(torch.arange(3), torch.arange(3)),
        sample=nothing,
        seed=seed,
        budget=ReaderBudget(updates=4, cap=12, check_every=4),
        small_budget=ConvergedBudget(cap=12, check_every=4),
    )


NAMES = ("seq_ppl_17", "seq_ppl", "seq_ppl_converged", "bits_per_frame", "bits_eighth", "vector_gain", "topology_gain")


@pytest.mark.parametrize("as_batch", [False, True])
def test_readers_trained_together_give_the_metrics_their_values(as_batch, stacked, monkeypatch):
    expected = [{name: METRICS[name].measure(item).value for name in NAMES} for item in map(subject, (0, 1))]
    subjects = [subject(0), subject(1)]
    if as_batch:
        stacked()
    batched.train_readers(subjects, NAMES)
    monkeypatch.setattr(training, "group", None)  # no reader is trained again
    for item, values in zip(subjects, expected, strict=True):
        for name in NAMES:
            assert METRICS[name].measure(item).value == pytest.approx(values[name], abs=2e-3, rel=1e-3), name


def test_only_what_the_metrics_need_is_trained(monkeypatch):
    trained = []
    monkeypatch.setattr(few_sequences, "_train_block", lambda pairs, _: trained.extend(small.key for _, small in pairs))
    batched.train_readers([subject(0), subject(1)], ["mse", "bits_eighth"])
    assert trained == ["index", "index", "vector", "vector"]
    trained.clear()
    batched.train_readers([subject(0), dataclasses.replace(subject(1), positions=None)], ["topology_gain"])
    assert trained[:4] == ["index", "index", "vector", "vector"]
    assert [kind for kind, _ in trained[4:]] == ["grid"] * 4


def test_readers_that_a_plug_in_declares_are_trained_in_the_batch(monkeypatch):
    batches = []
    reader = Reader(
        name="mine",
        budget="reader",
        train=lambda pairs: batches.append([(trained.seed, variant) for trained, variant in pairs]),
        variants=lambda trained: ("a", "b") if trained.seed else (),
    )
    metrics = {
        name: Metric(name, lambda trained: 1.0, "none", "mine", readers=(reader,)) for name in ("mine", "mine_too")
    }
    monkeypatch.setattr(batched, "METRICS", metrics)
    batched.train_readers([subject(0), subject(1), subject(2)], ["mine", "mine_too"])
    assert batches == [[(1, "a"), (1, "b"), (2, "a"), (2, "b")]]
    assert metrics["mine"].budgets == ("reader",)


def stand_in(added, gates, state):
    """PyTorch's fused cell, which has no CPU version: the new state, and a note that its backward gets again."""
    inputs = [item.detach().requires_grad_() for item in (added, gates, state)]
    with torch.enable_grad():
        (r, z, n), (hidden_r, hidden_z, hidden_n) = (item.chunk(3, dim=1) for item in inputs[:2])
        fresh = torch.tanh(n + torch.sigmoid(r + hidden_r) * hidden_n)
        fresh = fresh + torch.sigmoid(z + hidden_z) * (inputs[2] - fresh)
    return fresh.detach(), (fresh, inputs)


def stand_in_backward(gradient, note, has_bias):
    assert not has_bias
    return *torch.autograd.grad(note[0], note[1], gradient), None, None


@pytest.mark.parametrize("steps", [1, 6])
def test_the_gradient_through_fused_cells_is_that_of_the_plain_steps(steps, monkeypatch):
    monkeypatch.setattr(gru_gpu, "_fused_cell", stand_in)
    monkeypatch.setattr(gru_gpu, "_fused_cell_backward", stand_in_backward)
    shapes = [(steps, 2, 3, 12), (2, 12, 4), (2, 4)]
    inputs = [torch.randn(shape, generator=seeded(7), dtype=torch.float64).requires_grad_() for shape in shapes]
    asked = torch.randn(steps, 2, 3, 4, generator=seeded(8), dtype=torch.float64)
    plain, fused = plain_states(*inputs), gru_gpu._FusedStates.apply(*inputs)
    torch.testing.assert_close(fused, plain)
    for one, other in zip(*(torch.autograd.grad((item * asked).sum(), inputs) for item in (fused, plain)), strict=True):
        torch.testing.assert_close(one, other)


@needs_cuda
@pytest.mark.parametrize(("steps", "count", "batch"), [(1, 1, 1), (7, 3, 5), (64, 30, 16)])
def test_the_fused_cell_is_the_plain_one(steps, count, batch):
    hidden = 128
    generator = seeded(3)
    added = torch.randn(steps, count, batch, 3 * hidden, generator=generator)
    recurrent = torch.randn(count, 3 * hidden, hidden, generator=generator) / math.sqrt(hidden)
    bias = torch.randn(count, hidden, generator=generator)
    asked = torch.randn(steps, count, batch, hidden, generator=generator)
    results = []
    for device, function in (("cpu", plain_states), ("cuda", run_states)):
        inputs = [item.to(device).requires_grad_() for item in (added, recurrent, bias)]
        states = function(*inputs)
        gradients = torch.autograd.grad((states * asked.to(device)).sum(), inputs)
        results.append([states, *gradients])
    for plain, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused.cpu(), plain, rtol=1e-4, atol=1e-4 * float(plain.abs().max()))


@needs_cuda
def test_on_cuda_readers_reach_what_they_reach_on_the_cpu():
    kinds = ["table", "vector", "grid"]
    budget = ConvergedBudget(cap=40, check_every=10, patience=9, rate=5e-3, anneal=True, batch=16)
    results = []
    for device in ("cpu", "cuda"):
        actual, generators = readers_of(kinds)
        data = [[part.to(device) for part in splits(0)] for _ in kinds]
        results.append(train_until_converged(actual, *zip(*data, strict=True), generators, budget))
    for one, other in zip(*results, strict=True):
        assert one.perplexity == pytest.approx(other.perplexity, rel=1e-2)
