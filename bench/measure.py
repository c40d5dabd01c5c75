"""A trained autoencoder -> what the metrics may look at; and the check that a quantizer keeps its contract."""

import copy

import torch
from torch import Tensor

from bench.metrics.base import Trained
from bench.model import Autoencoder, reconstruct, tokenize
from bench.protocol import Protocol
from bench.train import History
from datasets.base import Sequences
from quantizers.base import lattice_positions

SAMPLE = 2_000


class DivergedError(RuntimeError):
    """A number that should be finite is not."""


class ContractError(RuntimeError):
    """A quantizer returns what no quantizer may."""


def flat_frames(data: Sequences, split: str, device: str) -> Tensor:
    """(N, width) frames of a split, in order."""
    return torch.from_numpy(data.frames[split].reshape(-1, data.width)).to(device)


def trained(
    model: Autoencoder,
    data: Sequences,
    device: str,
    *,
    data_seed: int,
    train_seed: int,
    protocol: Protocol,
    history: History,
) -> Trained:
    """Tokenize every split and decode the test split.

    Raises:
        ContractError: A code is out of range.
        DivergedError: The codebook or what it decodes to is not finite.
    """
    quantizer = model.quantizer
    tokens, latents = {}, torch.empty(0)
    for split, frames in data.frames.items():
        latents, codes = tokenize(model, flat_frames(data, split, device))
        check_codes(codes, len(codes), quantizer.num_codes)
        tokens[split] = codes.reshape(frames.shape[:2])
    prototypes = reconstruct(model, torch.arange(quantizer.num_codes, device=device))
    decoded = prototypes[tokens["test"]]
    codebook = _precise(quantizer.codebook)
    if not (codebook.isfinite().all() and decoded.isfinite().all()):
        raise DivergedError("the codebook or what it decodes to is not finite")
    train_frames = data.frames["train"]
    order = torch.randperm(len(latents), generator=torch.Generator().manual_seed(data_seed))
    return Trained(
        data=data,
        num_codes=quantizer.num_codes,
        tokens=tokens,
        prototypes=prototypes,
        decoded=decoded,
        latents=_precise(latents),
        latent_codebook=_precise(quantizer.latent_codebook),
        codebook=codebook,
        positions=quantizer.positions,
        sample=order[:SAMPLE].sort().values.to(device),
        seed=train_seed,
        budget=protocol.reader,
        small_budget=protocol.small_reader,
        curve=tuple(history.validation),
        checks=protocol.schedule.checks(len(train_frames) * train_frames.shape[1]),
    )


def _precise(values: Tensor) -> Tensor:
    """In float32 at least: squares of half precision overflow at 256."""
    return values.detach().to(torch.promote_types(values.dtype, torch.float32))


def unquantized(model: Autoencoder, data: Sequences, device: str) -> Trained:
    """The plain autoencoder as a tokenizer of one code: only what looks at the decoded frames means anything."""
    frames = flat_frames(data, "test", device)
    with torch.inference_mode():
        decoded = model.decoder(model.encoder(frames))
    if not decoded.isfinite().all():
        raise DivergedError("what the autoencoder decodes to is not finite")
    one = decoded.new_zeros(1, data.width)
    return Trained(
        data=data,
        num_codes=1,
        tokens={
            split: torch.zeros(each.shape[:2], dtype=torch.int64, device=device) for split, each in data.frames.items()
        },
        prototypes=one,
        decoded=decoded.reshape(data.frames["test"].shape),
        latents=frames,
        latent_codebook=one,
        codebook=one,
        positions=None,
        sample=torch.arange(0, device=device),
        seed=0,
    )


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
        check_codes(codes, len(z), quantizer.num_codes)
        check_codes(quantizer.eval().encode(z), len(z), quantizer.num_codes)
        latents = quantizer.latents(z)
        shapes = {
            "quantized": (quantized.shape, z.shape),
            "loss": (loss.shape, ()),
            "codebook": (quantizer.codebook.shape, (quantizer.num_codes, quantizer.code_dim)),
            "latents": (latents.shape, (len(z), quantizer.latent_codebook.shape[-1])),
            "latent_codebook": (quantizer.latent_codebook.shape, (quantizer.num_codes, latents.shape[-1])),
        }
    for name, (found, expected) in shapes.items():
        if tuple(found) != tuple(expected):
            raise ContractError(f"expected {name} of shape {tuple(expected)}, got {tuple(found)}")
    if quantizer.positions is not None:
        try:
            lattice_positions(quantizer.positions, quantizer.num_codes)  # a family may set them after __init__
        except ValueError as error:
            raise ContractError(str(error)) from None


def check_codes(codes: Tensor, count: int, num_codes: int) -> None:
    """Raise ContractError unless codes are (count,) int64 in 0..K-1."""
    if codes.shape != (count,):
        raise ContractError(f"expected codes of shape {(count,)}, got {tuple(codes.shape)}")
    if codes.dtype != torch.int64:
        raise ContractError(f"expected int64 codes, got {codes.dtype}")
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= num_codes:
        raise ContractError(f"expected codes in 0..{num_codes - 1}, got {low}..{high}")
