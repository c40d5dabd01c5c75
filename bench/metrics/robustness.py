"""Robustness of the tokens: share that survives noise, and the decoded distance of those that do not.

Maps and lattices change more tokens under noise than plain vector quantizers, and land closer. These metrics price
both sides of the trade.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from bench.metrics.base import Effect, Trained
from bench.metrics.registry import register

_NOISE = 9  # stream of `Trained.generator`
_LOUDEST = 20


def stability(tokens: Tensor, noisy: Tensor) -> float:
    """Share of tokens that stay the same, in [0, 1].

    >>> stability(torch.tensor([1, 2, 3, 3]), torch.tensor([1, 2, 0, 3]))
    0.75
    """
    return float((tokens == noisy).double().mean())


def flip_cost(tokens: Tensor, noisy: Tensor, prototypes: Tensor) -> float | None:
    """Mean decoded jump of the tokens that changed / mean decoded jump from these to the token of a random frame.

    A jump is the Euclidean distance of the frames that two codes decode to. The random jump is the exact expectation
    over the histogram of the tokens.

    With codes at 0, 1 and 5, the token 0 becomes 1: a jump of 1. The other frames have the codes 1 and 5: the random
    jump is (0 + 1 + 5) / 3.

    >>> round(flip_cost(torch.tensor([0, 1, 2]), torch.tensor([1, 1, 2]), torch.tensor([[0.0], [1.0], [5.0]])), 6)
    0.5

    Args:
        tokens: (N,) codes of the frames.
        noisy: (N,) codes of the same frames with noise.
        prototypes: (K, width) frames that the codes decode to.

    Returns:
        The ratio in [0, inf); None where no token changed, or all tokens decode to one frame.
    """
    changed = tokens != noisy
    used, counts = torch.unique(tokens, return_counts=True)
    before, after = prototypes[tokens[changed]].double(), prototypes[noisy[changed]].double()
    if not len(before):
        return None
    shares = counts.double() / counts.sum()
    random = torch.cdist(before, prototypes[used].double()) @ shares
    expected = float(random.mean())
    return float(torch.linalg.vector_norm(before - after, dim=1).mean()) / expected if expected else None


def _noisy(trained: Trained, decibels: int) -> tuple[Tensor, Tensor] | None:
    """Codes of the test frames with white noise at a signal-to-noise ratio, and prototypes; None without an encoder."""
    encode = trained.encode
    if encode is None:
        return None

    def compute() -> tuple[Tensor, Tensor]:
        frames = torch.from_numpy(trained.data.frames["test"].reshape(-1, trained.data.width))
        power = float((frames - frames.mean(dim=0)).square().mean())
        noise = torch.randn(frames.shape, generator=trained.generator(_NOISE))
        codes = encode((frames + noise * (power * 10 ** (-decibels / 10)) ** 0.5).to(trained.codes.device))
        return trained.numbered(codes, trained.codes)

    return trained.shared((_noisy, decibels), compute)


def _stability(decibels: int) -> Callable[[Trained], float | None]:
    def measure(trained: Trained) -> float | None:
        noisy = _noisy(trained, decibels)
        return None if noisy is None else stability(trained.codes, noisy[0])

    return measure


def _definition(decibels: int) -> str:
    return f"share of test tokens unchanged by white noise {decibels} dB below the frames; [0, 1]"


for _decibels in (40, 30, _LOUDEST):
    register(
        f"stability_{_decibels}",
        direction="higher",
        scale="arcsine",
        effect=Effect(0.01),
        summary=_definition(_decibels),
    )(_stability(_decibels))


@register(
    "flip_cost",
    direction="lower",
    scale="log",
    summary=f"decoded jump of tokens changed by noise of {_LOUDEST} dB / jump to the token of a random frame; [0, inf)",
)
def _flip_cost(trained: Trained) -> float | None:
    noisy = _noisy(trained, _LOUDEST)
    return None if noisy is None else flip_cost(trained.codes, *noisy)


@register(
    "reencode",
    direction="higher",
    scale="arcsine",
    effect=Effect(0.01),
    summary="share of test tokens that decoding and encoding again leaves as they are; [0, 1]",
)
def _reencode(trained: Trained) -> float | None:
    if trained.encode is None:
        return None
    again = trained.encode(trained.prototypes)[trained.codes]
    return stability(trained.codes, trained.numbered(again, trained.codes)[0])
