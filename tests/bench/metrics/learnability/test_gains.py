import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.metrics import METRICS, ConvergedBudget, Trained
from bench.metrics.learnability.few_sequences import eighth, grid, small_bits
from bench.metrics.learnability.gains import placements
from bench.metrics.readers.embeddings import (
    GridEmbedding,
    VectorEmbedding,
    standardised,
    table_embedding,
)
from bench.metrics.readers.gru import GRUReader
from bench.metrics.readers.training import Reading, train_until_converged

SIDE = 8


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noisy_walks(sequences, time, generator):
    """Each step moves to one of the 9 cells around, cut off at the border: (sequences, time) codes."""
    place, codes = torch.randint(SIDE, (sequences, 2), generator=generator), []
    for _ in range(time):
        codes.append(SIDE * place[:, 0] + place[:, 1])
        place = (place + torch.randint(-1, 2, place.shape, generator=generator)).clamp(0, SIDE - 1)
    return torch.stack(codes, dim=1)


def tokenizer(tokens, codebook, positions, **changes):
    nothing = torch.empty(0)
    return Trained(
        data=None,  # no reader looks at the data
        num_codes=len(codebook),
        tokens=tokens,
        prototypes=nothing,
        decoded=nothing,
        latents=nothing,
        latent_codebook=codebook,
        codebook=codebook,
        positions=positions,
        sample=nothing,
        seed=0,
        **changes,
    )


def value(name, trained):
    return METRICS[name].measure(trained).value


@pytest.fixture(scope="module")
def planted():
    """A noisy walk on a grid whose code vectors are random: the grid helps, the vectors say nothing."""
    generator = seeded(0)
    tokens = {split: noisy_walks(n, 65, generator) for split, n in (("train", 64), ("val", 16), ("test", 32))}
    positions = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE))
    return tokenizer(tokens, torch.randn(SIDE**2, 16, generator=generator), positions)


def test_a_planted_grid_pays_and_random_vectors_do_not(planted):
    assert value("topology_gain", planted) > 0.25
    assert value("vector_gain", planted) < 0.1


@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled_positions_do_not_pay(planted, seed):
    shuffled = planted.positions[torch.randperm(SIDE**2, generator=seeded(seed))]
    assert value("topology_gain", planted.at(shuffled)) <= 0.0


def test_planted_vectors_pay(planted):
    run = replace(planted, codebook=torch.cat([planted.positions, planted.positions**2], dim=1).float(), _shared={})
    assert value("vector_gain", run) > 0.1


def quick(**changes):
    """Twenty short sequences of eleven codes, a budget of a few updates."""
    generator = seeded(3)
    tokens = {split: torch.randint(11, (n, 20), generator=generator) for split, n in (("train", 20), ("val", 3))}
    tokens["test"] = tokens["val"].flip(0)
    positions = torch.arange(11)[:, None]
    budget = ConvergedBudget(cap=6, check_every=2, patience=2, batch=3)
    codebook = torch.randn(11, 4, generator=generator)
    return tokenizer(tokens, codebook, positions, **({"small_budget": budget} | changes))


def test_an_eighth_of_the_sequences_but_at_least_eight():
    train = torch.arange(280)[:, None].expand(-1, 3)
    actual = eighth(train, seeded())[:, 0]
    assert len(actual) == len(actual.unique()) == 35
    assert torch.equal(actual, actual.sort().values)
    assert torch.equal(actual, eighth(train, seeded())[:, 0])
    assert not torch.equal(actual, eighth(train, seeded(1))[:, 0])
    assert [len(eighth(train[:n], seeded())) for n in (5, 8, 56, 71, 72)] == [5, 8, 8, 8, 9]


def read_alone(run, embedding):
    generator = run.generator(4)
    reader = GRUReader(11, generator, embedding)
    splits = eighth(run.tokens["train"], run.generator(3)), run.tokens["val"], run.tokens["test"]
    (actual,) = train_until_converged([reader], *([part] for part in splits), [generator], run.small_budget)
    return math.log2(actual.perplexity)


def test_bits_are_those_of_readers_of_the_drawn_sequences_each_alone():
    run = quick()
    index = read_alone(run, table_embedding(11, run.generator(5)))
    features = standardised(run.codebook, torch.unique(run.tokens["train"]))
    vector = read_alone(run, VectorEmbedding(features, run.generator(5)))
    assert value("bits_eighth", run) == pytest.approx(index, abs=1e-5)
    assert value("vector_gain", run) == pytest.approx(index - vector, abs=1e-5)
    placements = [run.positions, run.positions.flip(0), run.positions // 2]
    grids = [read_alone(run, GridEmbedding(places, run.generator(5))) for places in placements]
    assert small_bits(run, [grid(places) for places in placements]) == pytest.approx(grids, abs=1e-5)


def test_large_codebooks_are_read_one_after_the_other(monkeypatch):
    places = quick().positions
    wanted = [grid(item) for item in (places, places.flip(0), places // 2)]
    together = small_bits(quick(), wanted)
    monkeypatch.setattr("bench.metrics.learnability.few_sequences._TABLES", 22)
    assert small_bits(quick(), wanted) == pytest.approx(together, abs=1e-5)


def test_topology_gain_is_its_formula(monkeypatch):
    run = quick()
    shown = placements(run)
    assert shown[0].key == grid(run.positions).key
    assert len({small.key for small in shown}) == 4
    for small in shown:
        rows = np.frombuffer(small.key[1], dtype=np.int64)
        assert sorted(rows) == run.positions.flatten().tolist()
    monkeypatch.setattr("bench.metrics.learnability.gains.small_bits", lambda trained, wanted: [2.5, 3.0, 4.0, 5.0])
    for index, expected in ((3.5, 3.5 - 2.5), (9.0, 4.0 - 2.5)):
        reading = Reading(perplexity=2.0**index, updates=1)
        monkeypatch.setattr("bench.metrics.learnability.gains.index_reading", lambda trained, reading=reading: reading)
        assert value("topology_gain", run) == expected


def test_trainings_are_shared_blank_and_repeatable(monkeypatch):
    run = quick()
    first = [value(name, run) for name in ("bits_eighth", "vector_gain", "topology_gain")]
    assert [value(name, quick()) for name in ("bits_eighth", "vector_gain", "topology_gain")] == first
    monkeypatch.setattr("bench.metrics.learnability.few_sequences.new_reader", None)  # neither reader is trained again
    assert value("vector_gain", run) == first[1]
    assert value("topology_gain", replace(run, positions=None)) is None


def test_a_line_of_positions_gives_the_index_reader_again():
    # One axis: each coordinate has a vector of its own, the very values of the free table.
    run = quick()
    table, grid = table_embedding(11, seeded(5)), GridEmbedding(run.positions, seeded(5))
    assert torch.equal(table(torch.arange(11)), grid(torch.arange(11)))


def test_embeddings_start_at_unit_variance():
    positions = torch.cartesian_prod(*(torch.arange(9),) * 3) + 4
    features = standardised(torch.randn(900, 20, generator=seeded()) * torch.arange(1, 21) + 7, torch.arange(900))
    for embedding, codes in ((GridEmbedding(positions, seeded()), 729), (VectorEmbedding(features, seeded()), 900)):
        actual = embedding(torch.arange(codes).view(3, -1))
        assert actual.shape == (3, codes // 3, 64)
        assert actual.std().item() == pytest.approx(1.0, abs=0.1)


def test_grid_embedding_is_a_sum_of_one_vector_for_each_coordinate():
    positions = torch.tensor([[-1, 2], [-1, 3], [0, 2], [0, 3]])
    actual = GridEmbedding(positions, seeded())(torch.arange(4))
    assert torch.allclose(actual[0] + actual[3], actual[1] + actual[2], atol=1e-6)
    assert len(GridEmbedding(positions, seeded()).weight) == 4


def test_vectors_that_do_not_vary_say_nothing():
    actual = standardised(torch.full((5, 3), 0.1), torch.arange(5))
    assert torch.equal(actual, torch.zeros(5, 3))
    assert math.isfinite(value("vector_gain", replace(quick(), codebook=torch.zeros(11, 4), _shared={})))
