"""Information about labels of the sequences that the tokens keep, where a dataset has labels."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bench.metrics.arguments import indices
from bench.metrics.base import Effect, Trained
from bench.metrics.registry import register

_MOST = 1 << 31
_LONGEST_FIT = 10_000


def label_information(codes: ArrayLike | Tensor, labels: ArrayLike | Tensor) -> float | None:
    """Mutual information of codes and labels / entropy of the labels, in [0, 1].

    The phone-normalised mutual information of Hsu et al. (2021, HuBERT, section 4.5) with any labels. More codes give
    more, so read it beside `active`.

    The labels have 1 bit. The code 0 leaves none of it open, the code 1 leaves log2 3 - 2 / 3 = .918 bits in 3 of 4
    frames, so .311 bits are known:

    >>> round(label_information([0, 1, 1, 1], [0, 0, 1, 1]), 3)
    0.311

    Args:
        codes: (N,) codes of the frames.
        labels: (N,) numbers of the classes of the frames.

    Returns:
        The share, or None where all frames have one label.

    Raises:
        ValueError: The codes or labels are not whole, or their shapes differ.
    """
    code, label = indices("codes", codes, _MOST), indices("labels", labels, _MOST)
    if code.ndim != 1 or code.shape != label.shape:
        raise ValueError(f"expected codes (N,) and labels (N,), got {code.shape} and {label.shape}")
    entropy = _entropy(label[:, None])
    if entropy == 0.0:
        return None
    joint = _entropy(np.stack([code, label], axis=1))
    return (_entropy(code[:, None]) + entropy - joint) / entropy


def _entropy(rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> float:
    shares = np.unique(rows, axis=0, return_counts=True)[1] / len(rows)
    return float(-(shares * np.log2(shares)).sum())


def label_probe(
    train: ArrayLike | Tensor,
    train_labels: ArrayLike | Tensor,
    test: ArrayLike | Tensor,
    test_labels: ArrayLike | Tensor,
    num_codes: int,
) -> float | None:
    """Share of test sequences whose label a linear probe tells from the histogram of their tokens, in [0, 1].

    The probe is scikit-learn's logistic regression (penalty 1) on square roots of the shares of the codes.

    >>> label_probe([[0, 0], [0, 1], [2, 2], [2, 1]], [0, 0, 1, 1], [[0, 0], [2, 2]], [0, 1], num_codes=3)
    1.0

    Args:
        train: (n, time) codes of the training sequences.
        train_labels: (n,) numbers of their classes.
        test: (m, time) codes of the test sequences.
        test_labels: (m,) numbers of their classes.
        num_codes: Number K of codes.

    Returns:
        The share, or None where the training sequences have one label.

    Raises:
        ValueError: A code is out of range, or shapes do not fit.
    """
    from sklearn.linear_model import LogisticRegression

    classes = [indices(name, values, _MOST) for name, values in (("labels", train_labels), ("labels", test_labels))]
    histograms = [_histograms(name, tokens, num_codes) for name, tokens in (("train", train), ("test", test))]
    for rows, labels in zip(histograms, classes, strict=True):
        if labels.shape != (len(rows),):
            raise ValueError(f"expected a label per sequence ({len(rows)},), got {labels.shape}")
    if len(np.unique(classes[0])) < 2:
        return None
    probe = LogisticRegression(max_iter=_LONGEST_FIT).fit(histograms[0], classes[0])
    return float((probe.predict(histograms[1]) == classes[1]).mean())


def _histograms(
    name: str, tokens: ArrayLike | Tensor, num_codes: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    codes = indices(name, tokens, num_codes)
    if codes.ndim != 2:
        raise ValueError(f"expected {name} (n, time), got {codes.shape}")
    counts = np.zeros((len(codes), num_codes))
    np.add.at(counts, (np.arange(len(codes))[:, None], codes), 1.0)
    shares: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.sqrt(counts / codes.shape[1])
    return shares


@register(
    "label_information",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.01),
    summary="mutual information of codes and sequence labels / entropy of the labels, on test frames (PNMI); [0, 1], "
    "blank where the data have no labels",
)
def _label_information(trained: Trained) -> float | None:
    labels = trained.data.labels.get("test")
    if labels is None:
        return None
    tokens = trained.tokens["test"]
    return label_information(tokens.flatten(), np.repeat(labels, tokens.shape[1]))


@register(
    "label_probe",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.02),
    summary="share of test sequences whose label logistic regression on token histograms tells; [0, 1], blank where "
    "the data have no labels",
)
def _label_probe(trained: Trained) -> float | None:
    labels = trained.data.labels
    if not labels:
        return None
    tokens, size = dict(trained.tokens), trained.num_codes
    if trained.combinations is not None:
        # A histogram of every index, one beside the other: few of the combinations occur in both splits.
        starts = np.cumsum((0, *trained.code_sizes))
        places = trained.combinations + torch.as_tensor(starts[:-1], device=trained.combinations.device)
        tokens = {split: places[codes].flatten(1) for split, codes in tokens.items()}
        size = int(starts[-1])
    return label_probe(tokens["train"], labels["train"], tokens["test"], labels["test"], size)
