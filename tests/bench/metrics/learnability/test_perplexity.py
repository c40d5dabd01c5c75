import itertools
import math

import pytest
import torch

from bench.metrics import METRICS, ReaderBudget, Trained
from bench.metrics.readers.gru import GRUReader
from bench.metrics.readers.on_cpu import SideBySide
from bench.metrics.readers.training import _batches, barely_trained, converged, train_until_converged


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def cyclic(sequences, time, period, seed=0):
    """Every token determines the next: perplexity 1 in the limit."""
    starts = torch.randint(period, (sequences, 1), generator=seeded(seed))
    return (starts + torch.arange(time)) % period


def uniform(sequences, time, num_codes, seed=0):
    """No token says anything about the next: perplexity num_codes at best."""
    return torch.randint(num_codes, (sequences, time), generator=seeded(seed))


def test_cyclic_tokens_approach_perplexity_one():
    actual = converged(
        *(cyclic(n, 100, 7, seed=n) for n in (40, 8, 9)), 7, generator=seeded(), budget=ReaderBudget(cap=60)
    )
    assert 1.0 <= actual.perplexity < 1.02


def test_independent_uniform_tokens_give_about_the_number_of_codes():
    actual = converged(
        *(uniform(n, 200, 16, seed=n) for n in (60, 30, 31)), 16, generator=seeded(), budget=ReaderBudget(cap=75)
    )
    assert 15.9 < actual.perplexity < 16.6  # what a finite training split teaches wrongly costs a little


def test_independent_skewed_tokens_give_the_entropy():
    shares = torch.tensor([0.5, 0.25, 0.125, 0.125])
    splits = [torch.multinomial(shares, n * 200, True, generator=seeded(n)).view(n, 200) for n in (60, 30, 31)]
    actual = converged(*splits, 4, generator=seeded(), budget=ReaderBudget(cap=75))
    assert math.log2(actual.perplexity) == pytest.approx(1.75, abs=0.03)


def test_untrained_reader_is_about_uniform():
    actual = barely_trained(uniform(4, 50, 64), uniform(4, 50, 64, seed=1), 64, generator=seeded(), updates=0)
    assert actual.perplexity == pytest.approx(64, rel=0.1)
    assert actual.updates == 0


def test_fifty_updates_are_fifty(monkeypatch):
    steps = []
    update = SideBySide.update

    def counted(group, pairs, rate, which):
        steps.append(tuple(pairs[0, 0].shape))
        update(group, pairs, rate, which)

    monkeypatch.setattr(SideBySide, "update", counted)
    actual = barely_trained(uniform(70, 12, 5), uniform(3, 12, 5), 5, generator=seeded())
    assert actual.updates == 50
    assert steps == [(64, 11), (6, 11)] * 25
    steps.clear()
    budget = ReaderBudget(cap=37, check_every=10, patience=99)
    actual = converged(*[uniform(3, 12, 5)] * 3, 5, generator=seeded(), budget=budget)
    assert (actual.updates, len(steps), actual.stopped_early) == (37, 37, False)
    assert [update for update, _ in actual.curve] == [10, 20, 30, 37]


def walks(sequences, time, seed):
    """Each token is the last one, the one before it or the one after, of nine on a ring."""
    steps = torch.randint(-1, 2, (sequences, time), generator=seeded(seed))
    return steps.cumsum(dim=1) % 9


def tokenized(updates):
    """Seventy training sequences: a large and a small batch an epoch, so that their order counts."""
    nothing = torch.empty(0)
    fields = ("data", "prototypes", "decoded", "latents", "latent_codebook", "positions", "sample")
    return Trained(
        **dict.fromkeys(fields, nothing),
        num_codes=9,
        codebook=torch.eye(9),
        tokens={"train": walks(70, 12, 1), "val": walks(10, 12, 3), "test": walks(10, 12, 2)},
        seed=5,
        budget=ReaderBudget(updates=updates),
    )


def plainly_trained(run, updates):
    """Perplexity after so many updates by torch's own Adam, recurrence and loss, read once at the end."""
    generator = torch.Generator().manual_seed(5_001)
    reader = GRUReader(9, generator)
    optimiser = torch.optim.Adam(reader.parameters(), 1e-3)
    for tokens, targets in itertools.islice(_batches(run.tokens["train"], 11, generator, 64), updates):
        optimiser.zero_grad()
        reader.plain_loss(tokens, targets).backward()
        optimiser.step()
    with torch.no_grad():
        return reader.plain_loss(run.tokens["test"][:, :-1], run.tokens["test"][:, 1:]).exp().item()


@pytest.mark.parametrize("first", ["seq_ppl_17", "seq_ppl"])
def test_reading_at_seventeen_updates_is_stopping_there_and_changes_nothing_after(first):
    run = tokenized(50)
    METRICS[first].measure(run)
    for name, updates in (("seq_ppl_17", 17), ("seq_ppl", 50)):
        actual = METRICS[name].measure(run).value
        alone = barely_trained(
            run.tokens["train"], run.tokens["test"], 9, generator=run.generator(1), updates=updates
        ).perplexity
        assert actual == alone
        assert actual == pytest.approx(plainly_trained(run, updates), rel=1e-4)
    assert METRICS["seq_ppl_17"].measure(run).value > 1.05 * METRICS["seq_ppl"].measure(run).value


def test_a_curve_holds_the_validation_perplexity_at_each_check_and_moves_no_value():
    run = tokenized(50)
    measured = METRICS["seq_ppl"].measure(run)
    train, val, test = (run.tokens[split] for split in ("train", "val", "test"))
    assert measured.value == barely_trained(train, test, 9, generator=run.generator(1)).perplexity
    curve = dict(measured.curve)
    assert [*curve] == [5, 10, 15, 17, *range(20, 51, 5)]
    for updates in (5, 17, 50):  # a reader that never saw the validation split before it stopped there
        assert curve[updates] == barely_trained(train, val, 9, generator=run.generator(1), updates=updates).perplexity


def test_a_metric_returns_the_curve_of_its_reader():
    run = tokenized(2)
    curve = METRICS["bits_per_frame"].measure(run).curve
    splits = (run.tokens[split] for split in ("train", "val", "test"))
    assert curve == converged(*splits, 9, generator=run.generator(2), budget=run.budget).curve
    assert METRICS["seq_ppl_17"].measure(run).curve == ()
    checks = [update for update, _ in METRICS["bits_eighth"].measure(run).curve]
    assert checks == [*range(run.small_budget.check_every, checks[-1] + 1, run.small_budget.check_every)]


def test_a_budget_below_seventeen_updates_is_read_at_its_end():
    run = tokenized(4)
    actual = METRICS["seq_ppl"].measure(run).value
    assert METRICS["seq_ppl_17"].measure(run).value == actual == pytest.approx(plainly_trained(run, 4), rel=1e-5)


def test_same_generator_same_reading():
    splits = [cyclic(n, 80, 9, seed=n) for n in (10, 4, 5)]
    budget = ReaderBudget(cap=20, check_every=5)
    first, again = (converged(*splits, 9, generator=seeded(3), budget=budget) for _ in range(2))
    assert first == again
    assert first != converged(*splits, 9, generator=seeded(4), budget=budget)
    short = [barely_trained(splits[0], splits[1], 9, generator=seeded(3), updates=5) for _ in range(2)]
    assert short[0] == short[1]


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    barely_trained(uniform(4, 20, 5), uniform(4, 20, 5), 5, generator=seeded(), updates=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_values_follow_torch_defaults():
    reader = GRUReader(500, seeded())
    assert reader.embedding.weight.std().item() == pytest.approx(1.0, abs=0.02)
    for module in (reader.gru, reader.output):
        for parameter in module.parameters():
            assert parameter.abs().max() <= 128**-0.5
            assert parameter.std().item() == pytest.approx((128 * 3) ** -0.5, rel=0.1)


def read(readers, splits, budget):
    """Side by side, all of the same tokens and the same batches."""
    return train_until_converged(
        readers, *([part] * len(readers) for part in splits), [seeded(1) for _ in readers], budget
    )


def perplexity(reader, sequences):
    with torch.no_grad():
        return reader.plain_loss(sequences[:, :-1], sequences[:, 1:]).exp().item()


@pytest.mark.parametrize("anneal", [False, True])
def test_early_stopping_restores_the_best_state(anneal):
    # Three sequences of noise are learnt by heart: validation soon worsens.
    splits = uniform(3, 60, 8, 1), uniform(6, 60, 8, 2), uniform(6, 60, 8, 3)
    budget = ReaderBudget(cap=300, check_every=5, patience=3, anneal=anneal)
    reader = GRUReader(8, seeded())
    (actual,) = read([reader], splits, budget)
    assert actual.stopped_early
    perplexities = [value for _, value in actual.curve]
    assert actual.curve[-4][1] == min(perplexities) < perplexities[-1]
    assert actual.updates == 5 * len(actual.curve) < 300
    assert perplexity(reader, splits[1]) == pytest.approx(min(perplexities), rel=1e-5)
    assert perplexity(reader, splits[2]) == pytest.approx(actual.perplexity, rel=1e-5)
    # The very state of that update, reached again by a training that ends there.
    if not anneal:
        best = actual.curve[-4][0]
        capped = ReaderBudget(cap=best, check_every=best)
        (again,) = read([GRUReader(8, seeded())], splits, capped)
        assert again.perplexity == actual.perplexity


def test_readers_trained_side_by_side_stop_where_they_would_alone():
    splits = uniform(3, 60, 8, 1), uniform(6, 60, 8, 2), uniform(6, 60, 8, 3)
    budget = ReaderBudget(cap=300, check_every=5, patience=3)

    def embedded(scale):
        reader = GRUReader(8, seeded())
        with torch.no_grad():
            reader.embedding.weight.mul_(scale)  # the smaller, the later it has learnt by heart
        return reader

    together = [embedded(scale) for scale in (1.0, 0.01, 0.1)]
    actual = read(together, splits, budget)
    assert len({reading.updates for reading in actual}) > 1
    for scale, reader, reading in zip((1.0, 0.01, 0.1), together, actual, strict=True):
        single = embedded(scale)
        (alone,) = read([single], splits, budget)
        assert (reading.updates, reading.stopped_early) == (alone.updates, alone.stopped_early)
        assert reading.perplexity == pytest.approx(alone.perplexity, rel=1e-4)
        assert perplexity(reader, splits[1]) == pytest.approx(perplexity(single, splits[1]), rel=1e-4)


def test_batches_read_every_token_in_pairs_with_the_next():
    sequences = torch.arange(5 * 150).view(5, 150)
    seen = set()
    for tokens, targets in itertools.islice(_batches(sequences, 64, seeded(), 64), 60):
        assert tokens.shape == (10, 64)  # two chunks of each sequence: one batch an epoch
        assert torch.equal(targets, tokens + 1)
        seen.update(targets.flatten().tolist())
    assert seen == {token for token in range(5 * 150) if token % 150}
    short = next(_batches(sequences[:, :40], 39, seeded(), 64))
    assert short[0].shape == (5, 39)


def test_short_sequences_are_read_whole():
    splits = [cyclic(8, 30, 5, seed=n) for n in range(3)]
    assert converged(*splits, 5, generator=seeded(), budget=ReaderBudget(cap=40)).perplexity < 1.5


@pytest.mark.parametrize("shape", [(0, 10), (3, 1), (3,)])
def test_refuses_tokens_without_a_next(shape):
    tokens = torch.zeros(shape, dtype=torch.int64)
    with pytest.raises(ValueError, match="n >= 1 and time >= 2"):
        barely_trained(tokens, tokens, 4, generator=seeded())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_agrees_with_the_cpu():
    splits = [cyclic(n, 80, 9, seed=n) for n in (10, 4, 5)]
    budget = ReaderBudget(cap=20, check_every=5)
    here = converged(*splits, 9, generator=seeded(3), budget=budget)
    there = converged(*(split.cuda() for split in splits), 9, generator=seeded(3), budget=budget)
    assert there.perplexity == pytest.approx(here.perplexity, rel=1e-2)
