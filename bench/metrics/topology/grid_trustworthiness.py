"""Trustworthiness and continuity with each code's lattice position in place of its vector: these see the lattice."""

import math

import torch

from bench.metrics.base import ON_GRID, Effect, Trained
from bench.metrics.registry import register
from bench.metrics.topology.trustworthiness import Preservation, preservation

BLOCK_CELLS = 9

_NEIGHBOURHOOD = "k = ceil(9 N / K) < N / 2, ties at random in expectation, [0, 1]"


def grid_neighbours(frames: int, num_codes: int) -> int | None:
    """Frames on a block of 3 x 3 cells of an evenly used lattice: ceil(9 N / K), or None where N / 2 or more.

    With the k = 10 of `trust` all neighbours may lie in one cell, and a shuffled lattice reads about .98.

    >>> grid_neighbours(2_000, 256), grid_neighbours(2_000, 16)
    (71, None)
    """
    k = math.ceil(BLOCK_CELLS * frames / num_codes)
    return k if k < frames / 2 else None


def _of_grid(trained: Trained) -> Preservation | None:
    """Between the data and the lattice: Euclidean, so that ties are those of squared integer distances, exactly."""
    positions = trained.positions
    k = grid_neighbours(len(trained.sample), trained.num_codes)
    if positions is None or k is None:
        return None

    def compute() -> Preservation:
        frames = trained.data.frames["test"]
        points = torch.from_numpy(frames.reshape(-1, frames.shape[-1]))[trained.sample.cpu()]
        return preservation(points, trained.codes[trained.sample], positions, k)

    return trained.shared(("neighbourhood", ON_GRID), compute)


@register(
    "grid_trust",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.01),
    summary=f"trustworthiness of positions against the data; {_NEIGHBOURHOOD}",
    needs=("positions",),
)
def _grid_trust(trained: Trained) -> float | None:
    preserved = _of_grid(trained)
    return None if preserved is None else preserved.trustworthiness


@register(
    "grid_cont",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.01),
    summary=f"continuity of positions against the data; {_NEIGHBOURHOOD}",
    needs=("positions",),
)
def _grid_cont(trained: Trained) -> float | None:
    preserved = _of_grid(trained)
    return None if preserved is None else preserved.continuity
