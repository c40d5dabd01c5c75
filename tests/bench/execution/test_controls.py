"""Controls on tokenizers made by hand: what they leave alone and what they destroy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bench.execution.controls import PERMUTATIONS, null_values, with_shuffled_tokens, with_sorted_codes
from bench.metrics import METRICS, Metric, Trained, topographic_error
from datasets.sequences import Sequences
from quantizers.grids import grid_positions, grid_sides


def tokenizer(num_codes=64, width=8, positions=None, seed=0, frames_a_split=1_200):
    """Frames on a smooth two-dimensional sheet in `width` dimensions, and codes at random ones of them."""
    generator = np.random.default_rng(seed)
    bend = generator.normal(size=(5, width))

    def sheet(u):
        x, y = u[..., 0], u[..., 1]
        return np.stack([2 * x, 2 * y, 0.5 * x**2, 0.5 * x * y, 0.3 * np.sin(3 * y)], axis=-1) @ bend

    frames = {
        split: sheet(generator.uniform(-1, 1, (4, frames_a_split // 4, 2))).astype(np.float32)
        for split in ("train", "val", "test")
    }
    ones = np.ones(width, dtype=np.float32)
    data = Sequences.build(
        "sheet", real=False, standardised=frames, mean=0 * ones, scale=ones, width=width, points=np.array([[0, 1]])
    )
    splits = {split: torch.from_numpy(value) for split, value in data.frames.items()}
    vectors = splits["train"].reshape(-1, width)[:num_codes].clone()
    tokens = {split: torch.cdist(value, vectors[None]).argmin(dim=2) for split, value in splits.items()}
    return Trained(
        data=data,
        num_codes=num_codes,
        tokens=tokens,
        prototypes=vectors,
        decoded=vectors[tokens["test"]],
        latents=splits["test"].reshape(-1, width),
        latent_codebook=vectors,
        codebook=vectors,
        positions=positions,
        sample=torch.arange(frames_a_split),
        seed=seed,
    )


def validation(trained):
    return torch.from_numpy(trained.data.frames["val"]).reshape(-1, trained.data.width)


def is_grid(positions, num_codes):
    return sorted(positions.tolist()) == grid_positions(grid_sides(num_codes)).tolist()


def test_sorted_codes_lie_near_their_neighbours():
    trained = tokenizer()
    actual = with_sorted_codes(trained, validation(trained))
    assert is_grid(actual.positions, 64)
    used = trained.used

    def error(positions):
        return topographic_error(trained.latents, trained.latent_codebook, positions, used)

    generator = torch.Generator().manual_seed(0)
    cells = grid_positions(grid_sides(64))
    at_random = min(error(cells[torch.randperm(64, generator=generator)]) for _ in range(20))
    assert error(actual.positions) < 0.5 * at_random


def test_sorting_changes_positions_alone_and_repeats_itself():
    trained = tokenizer(positions=grid_positions(grid_sides(64)))
    actual, again = (with_sorted_codes(trained, validation(trained)) for _ in range(2))
    assert torch.equal(actual.positions, again.positions)
    assert not torch.equal(actual.positions, trained.positions)
    for name in ("tokens", "codebook", "latent_codebook", "decoded", "prototypes"):
        assert getattr(actual, name) is getattr(trained, name)
    assert torch.equal(trained.positions, grid_positions(grid_sides(64)))


@pytest.mark.parametrize("num_codes", [2, 3, 12, 17, 64])
@pytest.mark.parametrize("used", [1, 2, "most", "all"])
def test_every_code_gets_one_cell(num_codes, used):
    """Also a prime number of codes, whose grid is a line, and codes that nothing uses."""
    trained = tokenizer(num_codes=num_codes)
    if used != "all":
        count = max(1, num_codes - 3) if used == "most" else used
        tokens = {
            split: torch.arange(value.numel()).reshape(value.shape) % count for split, value in trained.tokens.items()
        }
        trained = replace(trained, tokens=tokens)
    assert is_grid(with_sorted_codes(trained, validation(trained)).positions, num_codes)


def test_sorting_copes_with_codes_that_coincide_and_with_one_dimension():
    same = tokenizer(num_codes=16)
    same = replace(same, latent_codebook=torch.ones(16, 8), codebook=torch.ones(16, 8))
    assert is_grid(with_sorted_codes(same, validation(same)).positions, 16)
    line = tokenizer(num_codes=16, width=1)
    assert is_grid(with_sorted_codes(line, validation(line)).positions, 16)


def test_shuffling_keeps_the_tokens_of_each_split_and_destroys_their_order():
    trained = tokenizer()
    actual, again = with_shuffled_tokens(trained), with_shuffled_tokens(trained)
    for split, tokens in trained.tokens.items():
        assert actual.tokens[split].shape == tokens.shape
        assert torch.equal(actual.tokens[split].flatten().sort().values, tokens.flatten().sort().values)
        assert (actual.tokens[split] != tokens).float().mean() > 0.8
        assert torch.equal(actual.tokens[split], again.tokens[split])
    assert not torch.equal(with_shuffled_tokens(replace(trained, seed=1)).tokens["test"], actual.tokens["test"])
    assert METRICS["unigram_ppl"].measure(actual).value == pytest.approx(METRICS["unigram_ppl"].measure(trained).value)


def test_shuffling_does_not_inherit_what_readers_of_the_original_learned():
    trained = tokenizer()
    trained.shared("reader", lambda: "of the true order")
    assert with_shuffled_tokens(trained).shared("reader", lambda: "its own") == "its own"


def test_null_values_are_draws_that_the_seed_decides():
    trained = tokenizer()
    trained = with_sorted_codes(trained, validation(trained))
    metric = METRICS["topographic_error"]
    draws = null_values(trained, metric)
    assert len(draws) == PERMUTATIONS
    assert draws == null_values(trained, metric)
    assert draws != null_values(replace(trained, seed=1), metric)
    assert metric.measure(trained).value < min(draws)


def test_null_values_leave_the_cells_in_use_the_same():
    trained = tokenizer(positions=grid_positions(grid_sides(64)))
    tokens = {split: value % 40 for split, value in trained.tokens.items()}
    trained = replace(trained, tokens=tokens)
    before = sorted(trained.positions[trained.used].tolist())
    seen = []

    def metric(permuted):
        assert sorted(permuted.positions[permuted.used].tolist()) == before
        assert torch.equal(permuted.positions[40:], trained.positions[40:])
        seen.append(permuted.positions)
        return float(len(seen))

    assert null_values(trained, Metric("counted", metric, "none", "calls so far")) == [
        float(n) for n in range(1, PERMUTATIONS + 1)
    ]
    assert len({str(value.tolist()) for value in seen}) == PERMUTATIONS


def test_null_values_are_of_metrics_that_apply():
    assert null_values(tokenizer(), METRICS["topographic_error"]) == []
    trained = tokenizer(positions=grid_positions(grid_sides(64)))
    assert null_values(trained, Metric("blank", lambda permuted: None, "none", "blank")) == []
