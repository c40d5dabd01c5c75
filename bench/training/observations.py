"""Observations of a codebook during training, from which a collapse can be explained afterwards."""

import torch
from torch import Tensor


def observe(latents: Tensor, codes: Tensor, vectors: Tensor, former: Tensor | None) -> dict[str, float | None]:
    """Describe a codebook by the frames that it encodes.

    Two codes at -1 and 1, of which only the second is used by latents around 1:

    >>> state = observe(torch.tensor([[0.5], [1.5]]), torch.tensor([1, 1]), torch.tensor([[-1.0], [1.0]]), None)
    >>> [state[name] for name in ("usage", "perplexity", "latent_scale", "offset")]
    [0.5, 1.0, 0.5, 1.0]

    Args:
        latents: (N, D) latents in which the nearest code is found.
        codes: (N,) codes of these latents.
        vectors: (K, D) codes in the space of the latents.
        former: (N,) codes of the same frames at the observation before; None at the first.

    Returns:
        usage: Share of min(K, N) codes that are used.
        perplexity: Exponential of the entropy of the codes.
        churn: Share of the frames whose code has changed; None at the first observation.
        latent_scale: Root mean square distance of the latents from their mean.
        code_scale: Root mean square distance of all codes from their mean.
        offset: Distance of the two means.
    """
    counts = torch.bincount(codes, minlength=len(vectors)).double()
    shares = counts[counts > 0] / len(codes)
    latent_mean, code_mean = latents.double().mean(dim=0), vectors.double().mean(dim=0)
    values = {
        "usage": (counts > 0).sum() / min(len(vectors), len(codes)),
        "perplexity": torch.exp(-(shares * shares.log()).sum()),
        "latent_scale": _scale(latents.double() - latent_mean),
        "code_scale": _scale(vectors.double() - code_mean),
        "offset": torch.linalg.vector_norm(latent_mean - code_mean),
    }
    observed: dict[str, float | None] = {name: float(value) for name, value in values.items()}
    observed["churn"] = None if former is None else float((codes != former).double().mean())
    return observed


def _scale(centred: Tensor) -> Tensor:
    return centred.square().sum(dim=1).mean().sqrt()
