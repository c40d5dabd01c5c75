"""What must not matter, for every metric that trains no reader: numbering, order, orientation and scale.

Coordinates are small integers, so that distances tie often and rounding never decides; rotations are signed
permutations and scales powers of two, which keep both exactly.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import METRICS, Trained
from bench.metrics.topology.distortion import distortion_ratio
from bench.metrics.topology.grid_correlation import grid_correlation
from bench.metrics.topology.topographic_product import topographic_product
from datasets.sequences import Sequences

SPACE = ("trust", "cont", "trust_latent", "cont_latent")
GRID = (
    *("distortion", "distortion_max", "distortion_ratio", "topographic_error", "topographic_product"),
    *("grid_correlation", "grid_step", "grid_trust", "grid_cont"),
)
USAGE = ("active", "usage_ppl", "unigram_ppl", "ngram_bits")
ERRORS = ("mse", "explained", "error_units")
DIMENSIONS = 3
SEEDS = st.integers(0, 10_000)
SIDES = st.sampled_from([(4, 8), (30,), (3, 4, 4), (6, 6)])
EXAMPLES = settings(deadline=None, max_examples=10, derandomize=True)


def lattice(sides):
    return np.stack(np.meshgrid(*(np.arange(side) for side in sides), indexing="ij"), axis=-1).reshape(-1, len(sides))


def tokenizer(seed, sides):
    """Integer frames on random codes with random integer vectors, some of them coincident and some codes unused."""
    generator = np.random.default_rng(seed)
    codes = int(np.prod(sides))
    frames = {split: generator.integers(-4, 5, size=(6, 12, DIMENSIONS)) for split in ("train", "val", "test")}
    tokens = {split: torch.from_numpy(generator.integers(codes - 2, size=(6, 12))) for split in frames}
    vectors = torch.from_numpy(generator.integers(-4, 5, size=(codes, DIMENSIONS))).float()
    ones = np.ones(DIMENSIONS, dtype=np.float32)
    data = Sequences.build(
        "integers",
        real=False,
        standardised={split: values.astype(np.float32) for split, values in frames.items()},
        mean=0 * ones,
        scale=ones,
        width=DIMENSIONS,
        points=np.arange(DIMENSIONS)[None],
    )
    data = replace(data, frames=data.standardised)  # integers again: the principal axes are not
    run = Trained(
        data=data,
        num_codes=codes,
        tokens=tokens,
        prototypes=vectors,
        decoded=vectors[tokens["test"]],
        latents=torch.from_numpy(data.frames["test"].reshape(-1, DIMENSIONS)),
        latent_codebook=vectors,
        codebook=vectors,
        positions=torch.from_numpy(lattice(sides)),
        sample=torch.arange(72),
        seed=0,
    )
    return run, generator


def values(run, names):
    fresh = replace(run, _shared={})
    return {name: METRICS[name].measure(fresh).value for name in names}


def alike(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), name


def moved(run, change):
    """The same tokenizer after `change` of every point in the spaces of frames and codes."""
    frames = {split: change(torch.from_numpy(value)).numpy() for split, value in run.data.frames.items()}
    return replace(
        run,
        data=replace(run.data, frames=frames, standardised=frames),
        latents=change(run.latents),
        latent_codebook=change(run.latent_codebook),
        codebook=change(run.codebook),
    )


def turned(generator):
    axes = torch.from_numpy(generator.permutation(DIMENSIONS))
    signs = torch.from_numpy(generator.choice([-1.0, 1.0], DIMENSIONS)).float()
    return lambda points: points[..., axes] * signs


@EXAMPLES
@given(seed=SEEDS, sides=SIDES)
def test_numbering_of_the_codes_does_not_matter(seed, sides):
    run, generator = tokenizer(seed, sides)
    order = torch.from_numpy(generator.permutation(run.num_codes))
    number = torch.argsort(order)  # code order[i] becomes i
    renumbered = replace(
        run,
        tokens={split: number[codes] for split, codes in run.tokens.items()},
        **{name: getattr(run, name)[order] for name in ("prototypes", "latent_codebook", "codebook", "positions")},
    )
    names = (*SPACE, *GRID, *USAGE, *ERRORS)
    alike(values(renumbered, names), values(run, names))


@EXAMPLES
@given(seed=SEEDS, sides=SIDES)
def test_order_of_the_sequences_does_not_matter(seed, sides):
    run, generator = tokenizer(seed, sides)
    rows = {split: generator.permutation(6) for split in run.tokens}
    frames = {split: run.data.frames[split][order] for split, order in rows.items()}
    reordered = replace(
        run,
        data=replace(run.data, frames=frames, standardised=frames),
        tokens={split: codes[rows[split]] for split, codes in run.tokens.items()},
        decoded=run.decoded[rows["test"]],
        latents=torch.from_numpy(frames["test"].reshape(-1, DIMENSIONS)),
        sample=torch.from_numpy(generator.permutation(72)),
    )
    names = (*SPACE, *GRID, *USAGE, *ERRORS)
    alike(values(reordered, names), values(run, names))


@EXAMPLES
@given(seed=SEEDS, sides=SIDES, power=st.integers(-6, 6))
def test_orientation_and_scale_of_the_space_do_not_matter(seed, sides, power):
    run, generator = tokenizer(seed, sides)
    turn = turned(generator)
    expected = values(run, (*SPACE, *GRID))
    alike(values(moved(run, lambda points: turn(points) * 2.0**power), expected), expected)
    alike(values(moved(run, lambda points: points + 3.0), expected), expected)


@EXAMPLES
@given(seed=SEEDS, sides=SIDES)
def test_frames_and_vectors_may_be_turned_apart_where_they_are_not_compared(seed, sides):
    run, generator = tokenizer(seed, sides)
    turn = turned(generator)
    apart = replace(run, codebook=4.0 * turn(run.codebook))
    names = [name for name in (*SPACE, *GRID) if name not in ("trust_latent", "cont_latent", "topographic_error")]
    alike(values(apart, names), values(run, names))


@EXAMPLES
@given(seed=SEEDS, sides=SIDES)
def test_symmetries_of_the_grid_do_not_matter(seed, sides):
    run, generator = tokenizer(seed, sides)
    axes = torch.from_numpy(generator.permutation(len(sides)))
    flips = torch.from_numpy(generator.choice([-1, 1], len(sides)))
    shift = torch.from_numpy(generator.integers(-5, 6, len(sides)))
    alike(values(replace(run, positions=run.positions[:, axes] * flips + shift), GRID), values(run, GRID))


@EXAMPLES
@given(seed=SEEDS, sides=SIDES)
def test_ranges(seed, sides):
    run, _ = tokenizer(seed, sides)
    actual = values(run, (*SPACE, *GRID))
    for name in (*SPACE, "grid_trust", "grid_cont", "topographic_error", "distortion_max"):
        assert actual[name] is None or -1e-12 <= actual[name] <= 1.0 + 1e-12, name
    assert -1.0 <= actual["grid_correlation"] <= 1.0


@EXAMPLES
@given(seed=SEEDS, sides=st.sampled_from([(30,), (5, 6), (8, 8), (3, 4, 3)]), power=st.integers(-3, 3))
def test_a_perfect_flat_grid_is_told_from_a_shuffled_one(seed, sides, power):
    generator = np.random.default_rng(seed)
    positions = lattice(sides)
    vectors = 2.0**power * np.pad(positions, ((0, 0), (0, 2))) + 1.0
    assert distortion_ratio(vectors, positions) == pytest.approx(1.0, abs=1e-12)
    assert topographic_product(vectors, positions) == pytest.approx(0.0, abs=1e-12)
    assert grid_correlation(vectors, positions) == pytest.approx(1.0, abs=1e-12)
    shuffled = generator.permutation(positions)
    assert distortion_ratio(vectors, shuffled) > 1.15
    assert grid_correlation(vectors, shuffled) < 0.5
    # The product tells dimensions, not order: it turns its sign where the spaces are swapped, so that a shuffled grid
    # lies about 0, too, and no bound tells the two apart.
    assert topographic_product(positions, shuffled) == pytest.approx(-topographic_product(shuffled, positions))


def test_a_shuffled_grid_has_a_topographic_product_of_about_zero():
    positions = lattice((8, 8))
    generator = np.random.default_rng(0)
    actual = [topographic_product(positions, generator.permutation(positions)) for _ in range(100)]
    assert abs(np.mean(actual)) < 4 * np.std(actual, ddof=1) / 10
    assert max(map(abs, actual)) < 0.02
