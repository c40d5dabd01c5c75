"""Observations of a codebook during training, from which a collapse can be explained afterwards."""

from collections.abc import Sequence

import torch
from torch import Tensor


def observe(
    latents: Tensor, codes: Tensor, vectors: Tensor, former: Tensor | None, code_sizes: Sequence[int]
) -> dict[str, float | None]:
    """Describe a codebook by the frames that it encodes.

    Two codes at -1 and 1, of which only the second is used by latents around 1:

    >>> state = observe(torch.tensor([[0.5], [1.5]]), torch.tensor([1, 1]), torch.tensor([[-1.0], [1.0]]), None, (2,))
    >>> [state[name] for name in ("usage", "perplexity", "latent_scale", "offset")]
    [0.5, 1.0, 0.5, 1.0]

    Args:
        latents: (N, D) latents in which the nearest code is found.
        codes: (N,) codes of these latents, or (N, M) of M indices.
        vectors: (K, D) codes in the space of the latents; for M indices the (N, D) vectors of these codes, of which
            each counts once.
        former: (N,) or (N, M) codes of the same frames at the observation before; None at the first.
        code_sizes: Number of codes of every index, (K,) for one.

    Returns:
        usage: Share of min(K, N) codes that are used; the mean over the indices.
        perplexity: Exponential of the entropy of the codes.
        churn: Share of the frames whose code has changed, the mean over the indices; None at the first observation.
        latent_scale: Root mean square distance of the latents from their mean.
        code_scale: Root mean square distance of all codes from their mean; of the codes in use for M indices.
        offset: Distance of the two means.
    """
    indices = codes.reshape(len(codes), -1).unbind(1)
    used = torch.tensor([len(torch.unique(index)) for index in indices])
    usage = used / torch.tensor([min(size, len(codes)) for size in code_sizes])
    churn = None if former is None else float((codes != former).double().mean())
    if codes.dim() == 2:
        combinations, codes = torch.unique(codes, dim=0, return_inverse=True)
        vectors = vectors.new_empty(len(combinations), vectors.shape[1]).index_copy_(0, codes, vectors)
    counts = torch.bincount(codes, minlength=len(vectors)).double()
    shares = counts[counts > 0] / len(codes)
    latent_mean, code_mean = latents.double().mean(dim=0), vectors.double().mean(dim=0)
    values = {
        "usage": usage.mean(),
        "perplexity": torch.exp(-(shares * shares.log()).sum()),
        "latent_scale": _scale(latents.double() - latent_mean),
        "code_scale": _scale(vectors.double() - code_mean),
        "offset": torch.linalg.vector_norm(latent_mean - code_mean),
    }
    observed: dict[str, float | None] = {name: float(value) for name, value in values.items()}
    observed["churn"] = churn
    return observed


def _scale(centred: Tensor) -> Tensor:
    return centred.square().sum(dim=1).mean().sqrt()
