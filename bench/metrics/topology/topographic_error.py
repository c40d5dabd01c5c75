"""Topographic error: frames whose two nearest codes are no neighbours on the lattice."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bench.metrics.arguments import indices, lattice, numbers
from bench.metrics.base import Effect, Trained
from bench.metrics.registry import register

_BLOCK_BYTES = 64 * 2**20


@torch.no_grad()
def topographic_error(
    points: ArrayLike | Tensor,
    vectors: ArrayLike | Tensor,
    positions: ArrayLike | Tensor,
    used: ArrayLike | Tensor | None = None,
) -> float:
    """Share of frames whose two nearest codes are not lattice neighbours (Chebyshev distance > 1), in [0, 1].

    Kiviluoto (1996), with the 8-neighbourhood in 2-D. Codes at exactly equal distance are ordered at random; the
    expected value is exact. 0 by construction for frames inside a full lattice that is its own codebook (FSQ).

    Args:
        points: (N, D) frames where the quantizer picks the nearest code.
        vectors: (K, D) codes in that space.
        positions: (K, g) lattice positions.
        used: (U,) indices of the codes that may be nearest; all by default.

    Raises:
        ValueError: Shapes do not fit, values are not finite, positions are not whole, an index is out of range, or
            fewer than two codes may be nearest.

    Codes at 0, 1 and 2 sit at 0, 2 and 1 on a line. 0.4 has the codes 0 and 1 nearest, two cells apart; 1.6 the codes
    2 and 1, neighbours. For 1.0 the second nearest is either, half an error:

    >>> topographic_error([[0.4], [1.6], [1.0]], [[0.0], [1.0], [2.0]], [[0], [2], [1]])
    0.5
    """
    frames, embedded, places = numbers("points", points), numbers("vectors", vectors), lattice("positions", positions)
    if frames.ndim != 2 or embedded.ndim != 2 or frames.shape[1] != embedded.shape[1]:
        raise ValueError(f"expected points (N, D) and vectors (K, D), got {frames.shape} and {embedded.shape}")
    if places.ndim != 2 or len(places) != len(embedded):
        raise ValueError(f"expected positions ({len(embedded)}, g), got {places.shape}")
    if used is not None:
        chosen = indices("used", used, len(embedded))
        if chosen.ndim != 1:
            raise ValueError(f"expected used (U,), got {chosen.shape}")
        chosen = np.unique(chosen)  # a code is not its own neighbour
        embedded, places = embedded[chosen], places[chosen]
    if len(embedded) < 2:
        raise ValueError(f"expected at least two codes that may be nearest, got {len(embedded)}")
    device = points.device if isinstance(points, Tensor) else torch.device("cpu")
    near = two_nearest(torch.tensor(frames, device=device), torch.tensor(embedded, device=device))
    return _share_apart(near, torch.tensor(places, device=device))


@dataclass(frozen=True)
class TwoNearest:
    """The two nearest codes of some frames: pairs (P, 2) of codes, and the weight (P,) of each, which sum to 1."""

    pairs: Tensor
    weight: Tensor


def two_nearest(points: Tensor, vectors: Tensor) -> TwoNearest:
    """For points (N, D) and codes (K, D); where the second nearest is tied, all pairs that it may be, equally."""
    vectors = vectors.double()
    pairs, weights = [], []
    for block in torch.split(points, max(1, _BLOCK_BYTES // (8 * len(vectors)))):
        # Direct differences: the matrix-product form would break exact ties by rounding.
        distance = torch.cdist(block.double(), vectors, compute_mode="donot_use_mm_for_euclid_dist")
        near = distance.topk(min(3, len(vectors)), largest=False)
        tied = torch.zeros(len(block), dtype=torch.bool, device=points.device)
        if len(vectors) > 2:
            tied = near.values[:, 1] == near.values[:, 2]
        pairs.append(near.indices[~tied, :2])
        weights.append(torch.ones(len(pairs[-1]), dtype=torch.float64, device=points.device))
        for possible in map(_possible_pairs, distance[tied]):
            pairs.append(possible)
            weights.append(torch.full_like(possible[:, 0], 1 / len(possible), dtype=torch.float64))
    return TwoNearest(torch.cat(pairs), torch.cat(weights) / len(points))


def _possible_pairs(distance: Tensor) -> Tensor:
    """(P, 2) pairs that may be the two nearest, where the second nearest is tied with others."""
    nearest = (distance == distance.min()).nonzero()[:, 0]
    if len(nearest) > 1:
        return torch.combinations(nearest)
    others = distance.index_fill(0, nearest, torch.inf)
    second = (others == others.min()).nonzero()[:, 0]
    return torch.stack([nearest.expand_as(second), second], dim=1)


def _share_apart(near: TwoNearest, positions: Tensor) -> float:
    first, second = positions[near.pairs[:, 0]], positions[near.pairs[:, 1]]
    return float(near.weight @ _apart(first, second).double())


def _apart(first: Tensor, second: Tensor) -> Tensor:
    """(N,) whether two positions (N, g) are more than one step apart on some axis."""
    return (first - second).abs().amax(dim=1) > 1


@register(
    "topographic_error",
    direction="lower",
    scale="arcsine",
    effect=Effect(0.05),
    summary="share of frames whose two nearest used codes are not lattice neighbours (Chebyshev > 1); [0, 1]",
    needs=("positions",),
)
def _topographic_error(trained: Trained) -> float | None:
    if trained.positions is None or len(trained.used) < 2:
        return None
    near = trained.shared("two nearest", lambda: two_nearest(trained.latents, trained.latent_codebook[trained.used]))
    return _share_apart(near, trained.positions[trained.used])
