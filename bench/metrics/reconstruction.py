"""Distance of the decoded frames from the data, in standardised features (PCA's loss included) and in data units."""

import numpy as np
from numpy.typing import ArrayLike

from bench.metrics.arguments import Floats, indices, numbers
from bench.metrics.base import Effect, Trained, as_array
from bench.metrics.registry import register


def mean_squared_error(actual: ArrayLike, decoded: ArrayLike) -> float:
    """Mean of (x - x')^2 over frames and features, in [0, inf).

    >>> mean_squared_error(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([[0.0, 1.0], [2.0, 1.0]]))
    1.0
    """
    true, reconstructed = _alike(actual, decoded)
    return float(np.mean((true - reconstructed) ** 2))


def explained_share(actual: ArrayLike, decoded: ArrayLike) -> float | None:
    """1 - SS_res / SS_tot around the mean of `actual` (..., F), in (-inf, 1]; None where `actual` does not vary.

    >>> explained_share(np.array([[0.0], [2.0]]), np.array([[0.0], [1.0]]))  # residual 1 of 1 + 1
    0.5
    """
    true, reconstructed = _alike(actual, decoded)
    total = float(((true - true.mean(axis=tuple(range(true.ndim - 1)))) ** 2).sum())
    return 1.0 - float(((true - reconstructed) ** 2).sum()) / total if total > 0.0 else None


def mean_point_error(actual: ArrayLike, decoded: ArrayLike, points: ArrayLike) -> float:
    """Mean Euclidean distance over frames and spatial points, in the units of the data, in [0, inf).

    Args:
        actual: (..., F) features in data units.
        decoded: (..., F) their reconstruction.
        points: (P, c) indices of the features that form one point each.

    One point is off by the vector (3, 4), the other is right:

    >>> mean_point_error(np.zeros((1, 4)), np.array([[3.0, 4.0, 0.0, 0.0]]), np.array([[0, 1], [2, 3]]))
    2.5
    """
    true, reconstructed = _alike(actual, decoded)
    places = indices("points", points, true.shape[-1])
    return float(np.linalg.norm((true - reconstructed)[..., places], axis=-1).mean())


def _alike(actual: ArrayLike, decoded: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64; NumPy would repeat one of another shape."""
    true, reconstructed = numbers("actual", actual), numbers("decoded", decoded)
    if true.shape != reconstructed.shape or not true.ndim:
        raise ValueError(
            f"expected actual and decoded (..., F) of one shape, got {true.shape} and {reconstructed.shape}"
        )
    return true, reconstructed


def _decoded(trained: Trained) -> Floats:
    """(n_sequences, time, width) reconstruction in float64, so that expanding it loses nothing."""
    decoded: Floats = as_array(trained.decoded).astype(np.float64)
    return decoded


def _standardised(trained: Trained) -> tuple[Floats, Floats]:
    """Test frames and their reconstruction (n_sequences, time, F) as z-scores."""
    actual = trained.data.standardised["test"].astype(np.float64)
    decoded = _decoded(trained)
    transform = trained.data.transform
    if decoded.shape[:2] != actual.shape[:2] or decoded.shape[2] != len(transform.components):
        expected = (*actual.shape[:2], len(transform.components))
        raise ValueError(f"expected decoded frames {expected}, got {decoded.shape}")
    return actual, transform.expand(decoded)


@register(
    "mse",
    direction="lower",
    scale="log",
    effect=Effect(0.03, relative=True),
    primary=True,
    summary="mean squared error per standardised feature, PCA's loss included; [0, inf)",
)
def _mse(trained: Trained) -> float:
    return mean_squared_error(*_standardised(trained))


@register(
    "explained",
    direction="higher",
    scale="log complement",
    effect=Effect(0.03, relative=True, complement=True),
    summary="1 - sum (x - x')^2 / sum (x - mean x)^2, same features; (-inf, 1]",
)
def _explained(trained: Trained) -> float | None:
    return explained_share(*_standardised(trained))


@register(
    "error_units",
    direction="lower",
    scale="log",
    effect=Effect(0.02, relative=True),
    summary="mean Euclidean error of a spatial point in data units; [0, inf)",
)
def _error_units(trained: Trained) -> float:
    # Without the mean, beside which a difference might be lost.
    actual, decoded = (part * trained.data.transform.scale for part in _standardised(trained))
    return mean_point_error(actual, decoded, trained.data.points)
