"""Trustworthiness and continuity between frames and the code vectors that stand for them, ties decided exactly.

Venna and Kaski (2006), "Local multidimensional scaling", Eqs. 1 and 2: with r the rank of j among the neighbours of i,

    T(k) = 1 - 2 / (N k (2N - 3k - 1)) * sum_i sum_{j in U_k(i)} (r(i, j) - k)

where U_k(i) holds the frames among the k nearest of i in code space but not in the data. Continuity swaps the spaces.

A quantizer maps many frames to one vector, so nearly every rank in code space is tied, and a tie rule such as row order
decides the number. Here both rankings break ties uniformly at random, independently, and the expected value is exact:
sum_j P(j among the k nearest in one space) * E[(r(i, j) - k)^+ in the other], both in closed form for a tie group.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from torch import Tensor

from bench.metrics.arguments import Floats, Integers, count, indices, numbers
from bench.metrics.base import Effect, Trained
from bench.metrics.registry import register

NEIGHBOURS = 10
_SAMPLE = f"k = {NEIGHBOURS}, ties at random in expectation, [0, 1]"
_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Preservation:
    """Preservation of neighbourhoods; both are 1 for neighbourhoods kept whole, and about 0.5 for random codes."""

    trustworthiness: float
    continuity: float


def trustworthiness(
    points: ArrayLike | Tensor, codes: ArrayLike | Tensor, vectors: ArrayLike | Tensor, k: int
) -> float:
    """Share of closeness between codes that is real: neighbours in code space that are far in the data cost.

    Args:
        points: (N, D) frames, an array or a tensor.
        codes: (N,) code of each frame.
        vectors: (K, M) vector of each code; frame i is embedded at vectors[codes[i]].
        k: Neighbours, 1 <= k < N / 2.

    Returns:
        The expected trustworthiness under random tie-breaking, in [0, 1].

    Raises:
        ValueError: Shapes do not fit, values are not finite, a code is outside 0 .. K - 1 or k is out of range.

    Three frames 0, 1, 10 on codes a, b, a. From frame 0 the nearest in code space is frame 10, its second in the data:
    one rank lost. Likewise from 10 (frame 0 is its second). From frame 1 both others tie; frame 0 is right, frame 10
    is one rank off, half a rank expected. T = 1 - 2 / (3 * 1 * 2) * 2.5:

    >>> round(trustworthiness([[0.0], [1.0], [10.0]], [0, 1, 0], [[0.0], [1.0]], k=1), 6)
    0.166667
    """
    return preservation(points, codes, vectors, k).trustworthiness


def continuity(points: ArrayLike | Tensor, codes: ArrayLike | Tensor, vectors: ArrayLike | Tensor, k: int) -> float:
    """Share of closeness in the data that the codes keep: neighbours in the data that are far in code space cost.

    Arguments, range and errors as `trustworthiness`. The same three frames: the nearest in the data are 1, 0 and 1;
    their ranks in code space are 2, one of two tied (half a rank expected) and 2:

    >>> round(continuity([[0.0], [1.0], [10.0]], [0, 1, 0], [[0.0], [1.0]], k=1), 6)
    0.166667
    """
    return preservation(points, codes, vectors, k).continuity


def preservation(
    points: ArrayLike | Tensor, codes: ArrayLike | Tensor, vectors: ArrayLike | Tensor, k: int
) -> Preservation:
    """Both measures from one pass over the distances; arguments and errors as `trustworthiness`.

    Time O(N^2 D); memory O(N + K) beside one block of rows. Distances are direct differences in float64, so that
    equal vectors lie at exactly equal distances, on any device the inputs come from.
    """
    k = count("k", k)
    frames, code_of, embedded = _checked(points, codes, vectors, k)
    used, code_of = np.unique(code_of, return_inverse=True)
    embedded = embedded[used]
    members = np.split(np.argsort(code_of, kind="stable"), np.cumsum(np.bincount(code_of))[:-1])
    counts = np.array([len(group) for group in members])
    lost_trust = lost_continuity = 0.0
    block = max(1, _BLOCK_BYTES // (8 * len(frames)))
    for code, group in enumerate(members):
        share, penalty = _code_space(embedded, counts, code, k)
        near = np.concatenate([members[other] for other in np.flatnonzero(share)])
        weight = share[code_of[near]]
        for start in range(0, len(group), block):
            rows = group[start : start + block]
            for row, distance in zip(rows, cdist(frames[rows], frames, "sqeuclidean"), strict=True):
                trust, continuous = _row_penalties(row, distance, near, weight, penalty, code_of, k)
                lost_trust += trust
                lost_continuity += continuous
    n = len(frames)
    scale = 2.0 / (n * k * (2 * n - 3 * k - 1))
    return Preservation(1.0 - scale * lost_trust, 1.0 - scale * lost_continuity)


def _code_space(vectors: Floats, counts: Integers, code: int, k: int) -> tuple[Floats, Floats]:
    """View of one frame of `code` on a frame of every code: P(among the k nearest) (U,), and E[(rank - k)^+] (U,)."""
    distance = cdist(vectors[code : code + 1], vectors, "sqeuclidean")[0]
    others = counts.copy()
    others[code] -= 1  # a frame is not its own neighbour
    order = np.argsort(distance, kind="stable")
    ordered = distance[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.add.reduceat(others[order], first)
    group = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(order))))
    end = np.cumsum(sizes)
    begin = end - sizes
    share, penalty = np.empty(len(order)), np.empty(len(order))
    share[order] = (np.clip((k - begin) / np.maximum(sizes, 1), 0.0, 1.0))[group]
    penalty[order] = _expected_excess(begin, end, k)[group]
    return share, penalty


def _row_penalties(
    row: int, distance: Floats, near: Integers, weight: Floats, penalty: Floats, code_of: Integers, k: int
) -> tuple[float, float]:
    """Expected ranks lost by frame `row`: (by its neighbours in code space, by its neighbours in the data).

    `distance` (N,) is overwritten. Only frames up to the farthest of `near` are sorted: they decide every rank asked
    for, and since at least k other frames are `near`, the k nearest in the data are among them.
    """
    distance[row] = -np.inf
    asked = distance[near]
    close = np.flatnonzero(distance <= asked.max())
    distance[row] = np.inf
    distances = distance[close]
    ranked = np.sort(distances)
    begin, end = np.searchsorted(ranked, asked, "left"), np.searchsorted(ranked, asked, "right")
    # The frame itself, where it is among `near`, was marked -inf and so begins and ends at rank 0: no penalty.
    trust = float(weight @ _expected_excess(begin, end, k))
    border = ranked[k - 1]
    nearest = distances <= border
    tied = distances[nearest] == border
    ties = int(tied.sum())
    inside = np.where(tied, (k - (int(nearest.sum()) - ties)) / ties, 1.0)
    return trust, float(inside @ penalty[code_of[close[nearest]]])


def _expected_excess(begin: Integers, end: Integers, k: int) -> Floats:
    """E[(rank - k)^+] for a rank uniform on begin + 1 .. end: (sum of 1 .. end - k less that of 1 .. begin - k) / size.

    >>> _expected_excess(np.array([1]), np.array([5]), 3)  # ranks 2, 3, 4, 5 exceed 3 by 0, 0, 1, 2
    array([0.75])
    """
    most, least = np.maximum(end - k, 0), np.maximum(begin - k, 0)
    excess: Floats = (most * (most + 1) - least * (least + 1)) / (2.0 * np.maximum(end - begin, 1))
    return excess


def _checked(
    points: ArrayLike | Tensor, codes: ArrayLike | Tensor, vectors: ArrayLike | Tensor, k: int
) -> tuple[Floats, Integers, Floats]:
    """Inputs as float64, int64 and float64 arrays that fit together."""
    frames, embedded = numbers("points", points), numbers("vectors", vectors)
    code_of = indices("codes", codes, len(embedded) if embedded.ndim else 0)
    if frames.ndim != 2 or code_of.shape != frames.shape[:1] or embedded.ndim != 2:
        raise ValueError(
            "expected points (N, D), codes (N,) and vectors (K, M), "
            f"got {frames.shape}, {code_of.shape} and {embedded.shape}"
        )
    if not 1 <= k < len(frames) / 2:
        raise ValueError(f"expected 1 <= k < N / 2 = {len(frames) / 2:g}, got k = {k}")
    return frames, code_of, embedded


def _of_data(trained: Trained) -> Preservation | None:
    """Between the data and the code vectors."""
    frames = trained.data.frames["test"]
    return _of_sample(trained, "data", torch.from_numpy(frames.reshape(-1, frames.shape[-1])), trained.codebook)


def _of_latents(trained: Trained) -> Preservation | None:
    """Between the quantizer's inputs and the codes in their space."""
    return _of_sample(trained, "latents", trained.latents, trained.latent_codebook)


def _of_sample(trained: Trained, space: str, points: torch.Tensor, vectors: torch.Tensor) -> Preservation | None:
    if len(trained.sample) <= 2 * NEIGHBOURS:
        return None

    def compute() -> Preservation:
        sample = trained.sample.to(points.device)
        codes = trained.codes[trained.sample.to(trained.codes.device)]
        return preservation(points[sample], codes, vectors, NEIGHBOURS)

    return trained.shared(("neighbourhood", space), compute)


@register(
    "trust",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.005),
    summary=f"trustworthiness of code vectors against the data; {_SAMPLE}",
)
def _trust(trained: Trained) -> float | None:
    preserved = _of_data(trained)
    return None if preserved is None else preserved.trustworthiness


@register(
    "cont",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.005),
    summary=f"continuity of code vectors against the data; {_SAMPLE}",
)
def _continuity(trained: Trained) -> float | None:
    preserved = _of_data(trained)
    return None if preserved is None else preserved.continuity


@register(
    "trust_latent",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.005),
    summary=f"trustworthiness against the quantizer's inputs; {_SAMPLE}",
)
def _trust_latent(trained: Trained) -> float | None:
    preserved = _of_latents(trained)
    return None if preserved is None else preserved.trustworthiness


@register(
    "cont_latent",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.005),
    summary=f"continuity against the quantizer's inputs; {_SAMPLE}",
)
def _continuity_latent(trained: Trained) -> float | None:
    preserved = _of_latents(trained)
    return None if preserved is None else preserved.continuity
