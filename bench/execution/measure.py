"""A trained autoencoder -> the `Trained` that metrics see."""

from typing import NamedTuple

import torch
from torch import Tensor

from bench.errors import DivergedError
from bench.metrics.base import Trained
from bench.planning.protocol import Protocol
from bench.training.autoencoder import Autoencoder, reconstruct, tokenize
from bench.training.contract import check_codes
from bench.training.schedule import History
from datasets.sequences import Sequences
from quantizers.base import Quantizer

SAMPLE = 2_000


def flat_frames(data: Sequences, split: str, device: str) -> Tensor:
    """Frames (N, width) of a split, in order."""
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
        DivergedError: The codebook or a decoded frame is not finite.
    """
    quantizer = model.quantizer
    codes, latents = {}, torch.empty(0)
    for split in data.frames:
        latents, codes[split] = tokenize(model, flat_frames(data, split, device))
        check_codes(codes[split], len(latents), quantizer.code_sizes)
    table = _table(quantizer, codes, device)
    tokens = {split: table.tokens[split].reshape(frames.shape[:2]) for split, frames in data.frames.items()}
    prototypes = reconstruct(model, table.codes)
    decoded = prototypes[tokens["test"]]
    codebook = _precise(table.codebook)
    if not (codebook.isfinite().all() and decoded.isfinite().all()):
        raise DivergedError("the codebook or what it decodes to is not finite")
    train_frames = data.frames["train"]
    order = torch.randperm(len(latents), generator=torch.Generator().manual_seed(data_seed))
    return Trained(
        data=data,
        num_codes=len(table.codes),
        tokens=tokens,
        prototypes=prototypes,
        decoded=decoded,
        latents=_precise(latents),
        latent_codebook=_precise(table.latent_codebook),
        codebook=codebook,
        positions=quantizer.positions,
        sample=order[:SAMPLE].sort().values.to(device),
        seed=train_seed,
        budget=protocol.reader,
        small_budget=protocol.small_reader,
        curve=tuple(history.validation),
        checks=protocol.schedule.checks(len(train_frames) * train_frames.shape[1]),
        encode=lambda frames: tokenize(model, frames)[1],
        combinations=table.combinations,
        code_sizes=() if table.combinations is None else quantizer.code_sizes,
        decode=None if table.combinations is None else lambda codes: reconstruct(model, codes),
    )


class _Table(NamedTuple):
    """Codes that are listed: all of them, or the combinations of indices that occur.

    Attributes:
        codes: (K,) codes, or (K, M) indices.
        tokens: Split -> (N,) rows of `codes`.
        codebook: (K, D) vectors that these codes decode to, the inputs of the decoder.
        latent_codebook: (K, D) vectors of these codes in the space where the nearest code is searched.
        combinations: (K, M) indices; None where a code is one index.
    """

    codes: Tensor
    tokens: dict[str, Tensor]
    codebook: Tensor
    latent_codebook: Tensor
    combinations: Tensor | None


@torch.no_grad()  # readers keep the combinations, and copy into what they keep
def _table(quantizer: Quantizer, codes: dict[str, Tensor], device: str) -> _Table:
    """List the codes of a quantizer, and number those of every split."""
    if len(quantizer.code_sizes) == 1:
        everything = torch.arange(quantizer.num_codes, device=device)
        return _Table(everything, codes, quantizer.codebook, quantizer.latent_codebook, None)
    combinations, numbers = torch.unique(torch.cat(list(codes.values())), dim=0, return_inverse=True)
    parts = torch.split(numbers, [len(part) for part in codes.values()])
    vectors, latents = quantizer.decode(combinations), quantizer.latent_vectors(combinations)
    return _Table(combinations, dict(zip(codes, parts, strict=True)), vectors, latents, combinations)


def _precise(values: Tensor) -> Tensor:
    """Values in float32 at least: squares of half precision overflow at 256."""
    return values.detach().to(torch.promote_types(values.dtype, torch.float32))


def unquantized(model: Autoencoder, data: Sequences, device: str) -> Trained:
    """The plain autoencoder as a tokenizer of one code, of which only metrics of the decoded frames mean anything."""
    frames = flat_frames(data, "test", device)
    with torch.inference_mode():
        decoded = model.decoder(model.encoder(frames))
    if not decoded.isfinite().all():
        raise DivergedError("what the autoencoder decodes to is not finite")
    one = decoded.new_zeros(1, data.width)
    tokens = {}
    for split, split_frames in data.frames.items():
        tokens[split] = torch.zeros(split_frames.shape[:2], dtype=torch.int64, device=device)
    return Trained(
        data=data,
        num_codes=1,
        tokens=tokens,
        prototypes=one,
        decoded=decoded.reshape(data.frames["test"].shape),
        latents=frames,
        latent_codebook=one,
        codebook=one,
        positions=None,
        sample=torch.arange(0, device=device),
        seed=0,
    )
