"""Autoencoders: an encoder, a quantizer and a decoder."""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.kernels.joint_loss import joint_loss
from bench.kernels.perceptron import Perceptron
from quantizers import create
from quantizers.base import Quantizer
from quantizers.defaults import usual_defaults
from quantizers.learned import LearnedCodebook, rows_at_once
from quantizers.precise import apply_precisely

QUANTIZER_STREAM = 1 << 32


class Autoencoder(nn.Module):
    """Encoder and decoder with one hidden layer each, the same for every family: MLPs with ReLU (SOM-VQ, Appendix A).

    Args:
        quantizer: Quantizer of the latents; its `code_dim` is the width of a frame.
        hidden: Hidden width of both networks.
    """

    def __init__(self, quantizer: Quantizer, hidden: int) -> None:
        super().__init__()
        width = quantizer.code_dim
        self.encoder: nn.Sequential = Perceptron(width, hidden, width)
        self.quantizer = quantizer
        self.decoder: nn.Sequential = Perceptron(width, hidden, width)

    def forward(self, operation: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Call the method of that name, because `torch.func.functional_call` can call only a module itself."""
        outputs: tuple[Tensor, ...] = getattr(self, operation)(*inputs)
        return outputs

    def unquantized(self, x: Tensor) -> tuple[Tensor, ...]:
        """Mean squared error () of the plain autoencoder on frames x (B, width)."""
        return (F.mse_loss(self.decoder(self.encoder(x)), x),)

    def joint(self, x: Tensor) -> tuple[Tensor, ...]:
        """Loss (), its reconstruction part (), latents (B, width) and codes of frames x (B, width).

        Codes are (B,) here and below, or (B, M) for a quantizer of M > 1 indices.
        """
        quantizer = self.quantizer
        one_on_a_cpu = x.device.type == "cpu" and not torch._C._are_functorch_transforms_active()
        if isinstance(quantizer, LearnedCodebook) and quantizer.is_plain and self.training and one_on_a_cpu:
            encoder, decoder = cast("Perceptron", self.encoder), cast("Perceptron", self.decoder)
            scales = quantizer.commitment, quantizer.codebook_weight
            return joint_loss(x, quantizer.vectors, *scales, encoder.weights, decoder.weights)
        return self.plain_joint(x)

    def plain_joint(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute `joint` with the modules themselves; the fast kernel must equal this."""
        z = self.encoder(x)
        quantized, codes, loss = self.quantizer(z)
        error = F.mse_loss(self.decoder(quantized), x)
        if self.quantizer.decodes_latents:
            loss = loss + F.mse_loss(self.decoder(z), x)
        return error + loss, error, z, codes

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """Latents (B, width) and codes (B,) of frames x (B, width)."""
        z = self.encoder(x)
        return z, self.quantizer.encode(z)

    def check(self, x: Tensor) -> tuple[Tensor, ...]:
        """Error () of frames x (B, width) decoded from their codes alone, latents (B, D) and codes (B,).

        The latents are those in which the nearest code is found.
        """
        z, codes = self.encode(x)
        return F.mse_loss(self.decoder(self.quantizer.decode(codes)), x), self.quantizer.latents(z), codes

    def latent_codebook(self) -> tuple[Tensor, ...]:
        """Codes (K, D) in the space of these latents."""
        return (self.quantizer.latent_codebook,)

    def latent_vectors(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Vectors (B, D) of codes in the space of these latents."""
        return (self.quantizer.latent_vectors(codes),)

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> tuple[Tensor, ...]:
        """Update the codebook after a step of the optimiser; see `Quantizer.update`."""
        self.quantizer.update(z, codes, progress)
        return ()


def parameter_count(width: int, hidden: int) -> int:
    """Number of parameters of encoder and decoder together."""
    return 2 * (width * hidden + hidden + hidden * width + width)


@torch.inference_mode()
def tokenize(model: Autoencoder, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Encode frames (N, width) in blocks, as the exported tokenizer does.

    The code of a frame does not depend on the other frames.

    Returns:
        Latents (N, D), in which the nearest code is found, and codes (N,) or (N, M).
    """
    latents, codes = [], []
    for part in torch.split(frames, rows_at_once(max(model.quantizer.code_sizes))):
        z = apply_precisely(model.encoder, part)
        latents.append(model.quantizer.latents(z))
        codes.append(model.quantizer.encode(z))
    return torch.cat(latents), torch.cat(codes)


@torch.inference_mode()
def reconstruct(model: Autoencoder, codes: Tensor) -> Tensor:
    """Decode codes (N,) or (N, M) to frames (N, width)."""
    frames: Tensor = model.decoder(model.quantizer.decode(codes))
    return frames


def build(label: str, parameters: dict[str, Any], *, num_codes: int, width: int, hidden: int, seed: int) -> Autoencoder:
    """Build an untrained autoencoder around a quantizer.

    The networks draw from the seed and the quantizer from a separate stream. So families with networks of one width
    start from the same weights. Modules draw from the global generator, whose state is restored afterwards.
    """
    with usual_defaults():
        torch.manual_seed(seed + QUANTIZER_STREAM)
        quantizer = create(label, num_codes=num_codes, code_dim=width, **parameters)
        torch.manual_seed(seed)
        return Autoencoder(quantizer, hidden)
