"""Observations of a codebook during training, from which a collapse can be explained afterwards."""

import torch
from torch import Tensor


def observe(
    latents: Tensor, codes: Tensor, vectors: Tensor, former: Tensor | None, num_codes: int
) -> dict[str, float | None]:
    """Describe a codebook by the frames that it encodes.

    Two codes at -1 and 1, of which only the second is used by latents around 1:

    >>> state = observe(torch.tensor([[0.5], [1.5]]), torch.tensor([1, 1]), torch.tensor([[-1.0], [1.0]]), None, 2)
    >>> [state[name] for name in ("usage", "perplexity", "latent_scale", "offset")]
    [0.5, 1.0, 0.5, 1.0]

    Args:
        latents: (N, D) latents in which the nearest code is found.
        codes: (N,) codes of these latents, or (N, M) of M indices.
        vectors: (K, D) codes in the space of the latents; for M indices the (N, D) vectors of these codes, of which
            each counts once.
        former: (N,) or (N, M) codes of the same frames at the observation before; None at the first.
        num_codes: Number K of codes.

    Returns:
        usage: Share of min(K, N) codes that are used.
        perplexity: Exponential of the entropy of the codes.
        churn: Share of the frames whose code has changed; None at the first observation.
        latent_scale: Root mean square distance of the latents from their mean.
        code_scale: Root mean square distance of all codes from their mean; of the codes in use for M indices.
        offset: Distance of the two means.
    """
    changed = None if former is None else (codes != former).reshape(len(codes), -1).any(dim=1)
    if codes.dim() == 2:
        combinations, codes = torch.unique(codes, dim=0, return_inverse=True)
        vectors = vectors.new_empty(len(combinations), vectors.shape[1]).index_copy_(0, codes, vectors)
    counts = torch.bincount(codes, minlength=len(vectors)).double()
    shares = counts[counts > 0] / len(codes)
    latent_mean, code_mean = latents.double().mean(dim=0), vectors.double().mean(dim=0)
    values = {
        "usage": (counts > 0).sum() / min(num_codes, len(codes)),
        "perplexity": torch.exp(-(shares * shares.log()).sum()),
        "latent_scale": _scale(latents.double() - latent_mean),
        "code_scale": _scale(vectors.double() - code_mean),
        "offset": torch.linalg.vector_norm(latent_mean - code_mean),
    }
    observed: dict[str, float | None] = {name: float(value) for name, value in values.items()}
    observed["churn"] = None if changed is None else float(changed.double().mean())
    return observed


def _scale(centred: Tensor) -> Tensor:
    return centred.square().sum(dim=1).mean().sqrt()
