"""Controls: a trained tokenizer with its grid or the order of its tokens replaced, measured like the original."""

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

from bench.metrics.base import Metric, Trained
from bench.metrics.topology.topographic_error import topographic_error
from quantizers.grids import grid_positions, grid_sides

Floats = NDArray[np.float64]

PERMUTATIONS = 19  # the smallest number with which p = .05 when no permutation is as good
_PERMUTING, _SHUFFLING = 7, 8  # streams of `Trained.generator`
_SOM_ROUNDS = 40


def with_sorted_codes(trained: Trained, validation: Tensor) -> Trained:
    """Lay the codes of a tokenizer on the most nearly square grid of K cells, whatever positions they had.

    Of two arrangements of the codes that the training split uses, the one with the lower topographic error on the
    validation split is taken:

    - their first two principal components, each axis taken by ranks;
    - a small self-organising map of the code vectors.

    Either is brought onto distinct cells by linear assignment. Unused codes get the cells that are left over.

    Args:
        trained: Tokenizer whose codes are laid out.
        validation: (N, D) latents of the validation split.
    """
    used = torch.unique(trained.tokens["train"])
    if len(used) < 2:
        return trained.at(grid_positions(grid_sides(trained.num_codes, 2)).to(used.device))
    vectors = trained.latent_codebook[used].double().cpu().numpy()
    cells = grid_positions(grid_sides(trained.num_codes, 2))
    places = cells.double().numpy()
    arrangements = [_assigned(_by_projection(vectors, places), places), _assigned_to_map(vectors, places)]
    options = [_positions(trained.num_codes, used.cpu(), chosen, cells).to(used.device) for chosen in arrangements]
    errors = [topographic_error(validation, trained.latent_codebook, positions, used) for positions in options]
    return trained.at(options[int(np.argmin(errors))])


def with_shuffled_tokens(trained: Trained) -> Trained:
    """Deal the tokens of every split at random to all places of that split."""
    generator = trained.generator(_SHUFFLING)

    def shuffled(tokens: Tensor) -> Tensor:
        order = torch.randperm(tokens.numel(), generator=generator).to(tokens.device)
        return tokens.flatten()[order].reshape(tokens.shape)

    tokens = {split: shuffled(codes) for split, codes in trained.tokens.items()}
    return dataclasses.replace(trained, tokens=tokens, encode=None, _shared={})


def null_values(trained: Trained, metric: Metric) -> list[float]:
    """Values of a grid metric under random permutations of the positions; empty where it does not apply.

    Positions are permuted among the used codes, so that the cells in use stay the same and only their order is lost.
    """
    if trained.positions is None:
        return []
    generator = trained.generator(_PERMUTING)
    used = trained.used.cpu()
    values = []
    for _ in range(PERMUTATIONS):
        positions = trained.positions.clone()
        dealt = used[torch.randperm(len(used), generator=generator)]
        positions[used] = trained.positions[dealt.to(positions.device)]
        value = metric.measure(trained.at(positions)).value
        if value is not None:
            values.append(value)
    return values


def _by_projection(vectors: Floats, places: Floats) -> Floats:
    """Ranks (U, 2) of the first two principal components, stretched over the grid."""
    centred = vectors - vectors.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[: places.shape[1]].T
    if plane.shape[1] < places.shape[1]:
        plane = np.pad(plane, ((0, 0), (0, places.shape[1] - plane.shape[1])))
    ranks = plane.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    wanted: Floats = ranks / max(1, len(vectors) - 1) * places.max(0)
    return wanted


def _assigned(wanted: Floats, places: Floats) -> NDArray[np.int64]:
    """Distinct cell (U,) for every code, with the least sum of squared distances to the wanted places (U, g)."""
    cells: NDArray[np.int64] = linear_sum_assignment(cdist(wanted, places, "sqeuclidean"))[1]
    return cells


def _assigned_to_map(vectors: Floats, places: Floats) -> NDArray[np.int64]:
    """Distinct cell (U,) for every code: batch self-organising map of the codes, then assignment to its units.

    Kohonen's batch map: started on the plane of the two first principal components, Gaussian neighbourhood whose
    width falls geometrically from half the longer side to half a cell.
    """
    mean = vectors.mean(0)
    _, scales, axes = np.linalg.svd(vectors - mean, full_matrices=False)
    extent = places.max(0)
    spread = (places - extent / 2) / np.maximum(extent, 1) * 2
    count = min(places.shape[1], len(axes))
    deviations = scales[:count] / np.sqrt(len(vectors))
    units = mean + (spread[:, :count] * deviations) @ axes[:count]
    between = cdist(places, places, "sqeuclidean")
    first = max(extent.max() / 2, 1.0)
    for width in np.geomspace(first, 0.5, _SOM_ROUNDS):
        best = cdist(vectors, units, "sqeuclidean").argmin(1)
        weight = np.exp(-between[:, best] / (2 * width**2))
        total = weight.sum(1, keepdims=True)
        units = np.where(total > 0, weight @ vectors / np.maximum(total, 1e-300), units)
    cells: NDArray[np.int64] = linear_sum_assignment(cdist(vectors, units, "sqeuclidean"))[1]
    return cells


def _positions(num_codes: int, used: Tensor, chosen: NDArray[np.int64], cells: Tensor) -> Tensor:
    """Cells (K, g) of all codes: the used codes at their places, the others on the cells left over, in order."""
    positions = torch.empty_like(cells)
    positions[used] = cells[torch.from_numpy(chosen)]
    unused = torch.ones(num_codes, dtype=torch.bool)
    unused[used] = False
    free = torch.ones(len(cells), dtype=torch.bool)
    free[torch.from_numpy(chosen)] = False
    positions[unused] = cells[free]
    return positions
