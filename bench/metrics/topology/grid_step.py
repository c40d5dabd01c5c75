"""Lattice distance of the steps that tokens take."""

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from bench.metrics.arguments import indices, lattice
from bench.metrics.base import Effect, Trained
from bench.metrics.registry import register
from bench.metrics.topology.pairs import mean_distance


def grid_step(tokens: ArrayLike | Tensor, positions: ArrayLike | Tensor) -> float | None:
    """Mean Euclidean lattice distance of steps to another code / that of all pairs of used positions, in [0, inf).

    1 where tokens jump as if their order did not matter; the smaller, the more they walk connected paths (the claim of
    SOM-VQ, arXiv 2602.21133). Steps that stay on a code do not count.

    Args:
        tokens: Codes (n, time) of sequences.
        positions: (K, g) lattice positions.

    Returns:
        The ratio, or None where no sequence ever leaves its first code, or all used codes share one position.

    Raises:
        ValueError: Shapes do not fit, a code is out of range or positions are not whole.

    Codes at 0, 1 and 3 on a line: the steps 0 to 1 and 1 to 3 are 1 and 2 long, the three pairs 1, 3 and 2:

    >>> grid_step([[0, 1, 1, 2]], [[0], [1], [3]])
    0.75
    """
    places = lattice("positions", positions).astype(np.float64)
    codes = indices("tokens", tokens, len(places) if places.ndim else 0)
    if codes.ndim != 2 or places.ndim != 2:
        raise ValueError(f"expected tokens (n, time) and positions (K, g), got {codes.shape} and {places.shape}")
    here, following = codes[:, :-1].ravel(), codes[:, 1:].ravel()
    moved = here != following
    if not moved.any():
        return None
    steps = np.linalg.norm(places[here[moved]] - places[following[moved]], axis=1)
    usual = mean_distance(places[np.unique(codes)])
    return float(steps.mean()) / usual if usual > 0.0 else None


@register(
    "grid_step",
    direction="lower",
    scale="log",
    effect=Effect(0.05),
    summary="mean lattice distance of steps to another code / that of all pairs of used positions; [0, inf)",
    needs=("positions",),
)
def _grid_step(trained: Trained) -> float | None:
    return None if trained.positions is None else grid_step(trained.tokens["test"], trained.positions)
