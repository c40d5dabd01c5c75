"""The check that a quantizer keeps its contract."""

import copy

import torch
from torch import Tensor

from bench.errors import ContractError
from bench.training.autoencoder import Autoencoder
from quantizers.base import lattice_positions


def check_contract(model: Autoencoder, frames: Tensor) -> None:
    """Try a copy of an untrained quantizer on a few frames (B, width): cheaper than to find out after training.

    Raises:
        ContractError: A shape, a type or a code is not what `Quantizer` promises.
    """
    quantizer = copy.deepcopy(model.quantizer)
    with torch.no_grad():
        z = model.encoder(frames)
        quantizer.initialise(z)
        quantized, codes, loss = quantizer.train()(z)
        check_codes(codes, len(z), quantizer.code_sizes)
        check_codes(quantizer.eval().encode(z), len(z), quantizer.code_sizes)
        latents = quantizer.latents(z)
        shapes = {
            "quantized": (quantized.shape, z.shape),
            "loss": (loss.shape, ()),
        }
        if len(quantizer.code_sizes) == 1:
            shapes |= {
                "codebook": (quantizer.codebook.shape, (quantizer.num_codes, quantizer.code_dim)),
                "latents": (latents.shape, (len(z), quantizer.latent_codebook.shape[-1])),
                "latent_codebook": (quantizer.latent_codebook.shape, (quantizer.num_codes, latents.shape[-1])),
            }
        else:
            shapes |= {
                "decode(codes)": (quantizer.decode(codes).shape, (len(z), quantizer.code_dim)),
                "latent_vectors(codes)": (quantizer.latent_vectors(codes).shape, latents.shape),
            }
    for name, (shape, expected) in shapes.items():
        if tuple(shape) != tuple(expected):
            raise ContractError(f"expected {name} of shape {tuple(expected)}, got {tuple(shape)}")
    if quantizer.positions is not None:
        if len(quantizer.code_sizes) > 1:
            raise ContractError("expected no positions for codes of several indices; leave them None")
        try:
            lattice_positions(quantizer.positions, quantizer.num_codes)  # a family may set them after __init__
        except ValueError as error:
            raise ContractError(str(error)) from None


def check_codes(codes: Tensor, count: int, code_sizes: tuple[int, ...]) -> None:
    """Raise ContractError unless codes are int64, (count,) for one index or (count, M), every index below its size."""
    shape = (count,) if len(code_sizes) == 1 else (count, len(code_sizes))
    if codes.shape != shape:
        raise ContractError(f"expected codes of shape {shape}, got {tuple(codes.shape)}")
    if codes.dtype != torch.int64:
        raise ContractError(f"expected int64 codes, got {codes.dtype}")
    for index, size in zip(codes.reshape(count, -1).unbind(1), code_sizes, strict=True):
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= size:
            raise ContractError(f"expected codes in 0..{size - 1}, got {low}..{high}")
