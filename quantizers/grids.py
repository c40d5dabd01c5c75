"""Grids of codes and the smoothing of per-code totals by a neighbourhood, one axis at a time."""

import math
from functools import cache

import torch
from torch import Tensor

from quantizers._ema import NOTHING


def grid_sides(num_codes: int, dimensions: int = 2) -> tuple[int, ...]:
    """Sides of the grid of K codes, the most nearly square or cubic one.

    >>> grid_sides(1024), grid_sides(512), grid_sides(64, 1), grid_sides(1024, 3)
    ((32, 32), (16, 32), (64,), (8, 8, 16))
    """
    if num_codes < 1:
        raise ValueError(f"Expected num_codes >= 1, got {num_codes}.")
    if dimensions not in (1, 2, 3):
        raise ValueError(f"Expected a grid of 1 to 3 dimensions, got {dimensions}.")
    if dimensions == 1:
        return (num_codes,)
    divisors = [side for side in range(1, num_codes + 1) if num_codes % side == 0]
    shortest = max(side for side in divisors if side**dimensions <= num_codes)
    return tuple(sorted((shortest, *grid_sides(num_codes // shortest, dimensions - 1))))


def grid_positions(sides: tuple[int, ...]) -> Tensor:
    """(K, g) int64 coordinates, the last one varying fastest."""
    return torch.cartesian_prod(*(torch.arange(side) for side in sides)).reshape(-1, len(sides))


def gaussian_kernel(side: int, sigma: Tensor) -> Tensor:
    """Gaussian kernel (side, side) along one axis, exp(-d^2 / (2 sigma^2)) (SOM-VQ, Eq. 4)."""
    return torch.exp(_squared_steps(side, sigma.device) * (-0.5 / sigma.square()))


@cache
def _squared_steps(side: int, device: torch.device) -> Tensor:
    """(side, side) squared distances along an axis, cached because every training step needs them."""
    line = torch.arange(side, dtype=torch.float32, device=device)
    return (line[:, None] - line).square()


def smooth(values: Tensor, kernels: list[Tensor]) -> Tensor:
    """Multiply per-code values (K, M) by the product of one kernel per axis.

    Equal to the K x K neighbourhood matrix times `values`, at K * side instead of K * K multiplications: a Gaussian of
    the Euclidean grid distance is the product of Gaussians along the axes, and so is a box.

    Args:
        values: (K, M) values, M per code.
        kernels: Symmetric (side, side) kernel of each axis.

    Returns:
        (K, M) smoothed values.
    """
    grid = values.reshape(*map(len, kernels), values.shape[1])
    for kernel in kernels:
        # Always along the first axis, which then goes behind the others: in the end the order is restored.
        grid = (kernel @ grid.reshape(len(kernel), -1)).view(grid.shape).movedim(0, -2)
    return grid.reshape(values.shape)


def gaussian_smooth(values: Tensor, sides: tuple[int, ...], sigma: Tensor) -> Tensor:
    """Smooth per-code values (K, M) by a Gaussian neighbourhood of bandwidth sigma ()."""
    kernels = {side: gaussian_kernel(side, sigma) for side in set(sides)}
    return smooth(values, [kernels[side] for side in sides])


def hard_smooth(values: Tensor, sides: tuple[int, ...], weight: Tensor) -> Tensor:
    """Add `weight` () times the values of the adjacent codes, diagonals included (KSOM's hard neighbourhood)."""
    lines = [torch.arange(side, device=values.device) for side in sides]
    boxes = [((line[:, None] - line).abs() <= 1).to(values.dtype) for line in lines]
    return values + weight * (smooth(values, boxes) - values)


def exponential_smooth(values: Tensor, sides: tuple[int, ...], length: Tensor) -> Tensor:
    """Smooth by exp(-d / length), d the un-squared Euclidean grid distance (the KSOM code's "gaussian").

    This kernel is no product over axes, so it is applied as a convolution through the Fourier transform. The transform
    is in float64: its error is relative to the largest value and would exceed the values of far codes in float32.

    Args:
        values: (K, M) values, M per code, the last column not negative (hits).
        sides: Sides of the grid.
        length: () length scale in grid steps.

    Returns:
        (K, M) smoothed values.
    """
    padded = [2 * side for side in sides]
    axes = [torch.arange(width, dtype=torch.float64, device=values.device) for width in padded]
    wrapped = [torch.minimum(axis, width - axis) for axis, width in zip(axes, padded, strict=True)]
    squared = sum(
        line.square().reshape([-1 if i == axis else 1 for i in range(len(sides))]) for axis, line in enumerate(wrapped)
    )
    kernel = torch.exp(-torch.as_tensor(squared).sqrt() / length)
    grid = values.double().T.reshape(-1, *sides)
    dims = tuple(range(1, len(sides) + 1))
    spectrum = torch.fft.rfftn(grid, s=padded, dim=dims) * torch.fft.rfftn(kernel)
    full: Tensor = torch.fft.irfftn(spectrum, s=padded, dim=dims)
    for axis, side in enumerate(sides):
        full = full.narrow(axis + 1, 0, side)
    smoothed = full.reshape(values.shape[1], -1).T
    hits = smoothed[:, -1:].clamp_min(0)  # rounding may leave them below
    return torch.cat([smoothed[:, :-1], hits], dim=1).to(values.dtype)


def geometric(start: float, end: float, progress: Tensor) -> Tensor:
    """Interpolate geometrically: `start` at progress 0, `end` at progress 1."""
    return start * (end / start) ** progress.clamp(0, 1)


def som_step(vectors: Tensor, totals: Tensor, rate: float | Tensor) -> Tensor:
    """Move codes by one batch of Kohonen's rule.

    e <- e + (1 - (1 - rate)^n) (S / n - e), without a change where n is 0. To first order this equals the per-sample
    updates e <- e + rate h (z - e) (SOM-VQ, Eq. 3), and it is stable for any batch size.

    Args:
        vectors: (K, D) codes e.
        totals: (K, D + 1) smoothed sums S and, in the last column, smoothed hits n.
        rate: Learning rate of a sample, below 1.

    Returns:
        (K, D) moved codes.
    """
    sums, hits = totals[:, :-1], totals[:, -1:]
    log_kept = torch.log1p(-rate) if isinstance(rate, Tensor) else math.log1p(-rate)
    share = -torch.expm1(hits * log_kept)  # 0 where n is 0, so that nothing moves there
    return torch.lerp(vectors, sums / hits.clamp_min(NOTHING), share)
