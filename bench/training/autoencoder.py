"""The autoencoder around a quantizer."""

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
    """Encoder and decoder with one hidden layer each, the same for every family (papers' 2-layer MLPs, ReLU).

    Args:
        quantizer: The quantizer; its `code_dim` is the width of a frame.
        hidden: Hidden width of both networks.
    """

    def __init__(self, quantizer: Quantizer, hidden: int) -> None:
        super().__init__()
        width = quantizer.code_dim
        self.encoder: nn.Sequential = Perceptron(width, hidden, width)
        self.quantizer = quantizer
        self.decoder: nn.Sequential = Perceptron(width, hidden, width)

    def forward(self, operation: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the operation of that name: `torch.func.functional_call` can call a module but no method of it."""
        outputs: tuple[Tensor, ...] = getattr(self, operation)(*inputs)
        return outputs

    def unquantized(self, x: Tensor) -> tuple[Tensor, ...]:
        """X (B, width) -> loss () of the plain autoencoder."""
        return (F.mse_loss(self.decoder(self.encoder(x)), x),)

    def joint(self, x: Tensor) -> tuple[Tensor, ...]:
        """X (B, width) -> loss (), its reconstruction part (), z (B, width), codes (B,)."""
        quantizer = self.quantizer
        one_on_a_cpu = x.device.type == "cpu" and not torch._C._are_functorch_transforms_active()
        if isinstance(quantizer, LearnedCodebook) and quantizer.is_plain and self.training and one_on_a_cpu:
            encoder, decoder = cast("Perceptron", self.encoder), cast("Perceptron", self.decoder)
            scales = quantizer.commitment, quantizer.codebook_weight
            return joint_loss(x, quantizer.vectors, *scales, encoder.weights, decoder.weights)
        return self.plain_joint(x)

    def plain_joint(self, x: Tensor) -> tuple[Tensor, ...]:
        """`joint` by the modules themselves: the formula that the fast one must equal."""
        z = self.encoder(x)
        quantized, codes, loss = self.quantizer(z)
        error = F.mse_loss(self.decoder(quantized), x)
        return error + loss, error, z, codes

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """X (B, width) -> z (B, width), codes (B,)."""
        z = self.encoder(x)
        return z, self.quantizer.encode(z)

    def error(self, x: Tensor) -> tuple[Tensor, ...]:
        """X (B, width) -> mean squared error () of the tokenizer as it is used, from codes alone."""
        _, codes = self.encode(x)
        return (F.mse_loss(self.decoder(self.quantizer.decode(codes)), x),)

    def update(self, z: Tensor, codes: Tensor, progress: Tensor) -> tuple[Tensor, ...]:
        """Move the codebook."""
        self.quantizer.update(z, codes, progress)
        return ()


def parameter_count(width: int, hidden: int) -> int:
    """Parameters of encoder and decoder together."""
    return 2 * (width * hidden + hidden + hidden * width + width)


@torch.inference_mode()
def tokenize(model: Autoencoder, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Frames (N, width) -> latents (N, D) where the nearest code is decided, and codes (N,), in blocks.

    The codes are those that the exported tokenizer gives: neither here nor there do they depend on the other frames.
    """
    latents, codes = [], []
    for part in torch.split(frames, rows_at_once(model.quantizer.num_codes)):
        z = apply_precisely(model.encoder, part)
        latents.append(model.quantizer.latents(z))
        codes.append(model.quantizer.encode(z))
    return torch.cat(latents), torch.cat(codes)


@torch.inference_mode()
def reconstruct(model: Autoencoder, codes: Tensor) -> Tensor:
    """Codes (N,) -> frames (N, width): each code is decoded once."""
    everything = torch.arange(model.quantizer.num_codes, device=codes.device)
    prototypes: Tensor = model.decoder(model.quantizer.decode(everything))
    return prototypes[codes]


def build(label: str, parameters: dict[str, Any], *, num_codes: int, width: int, hidden: int, seed: int) -> Autoencoder:
    """An untrained autoencoder around a quantizer.

    The networks draw from the seed itself, the quantizer from a stream of its own: families with networks of one width
    start from the same weights, whatever else they hold. Both draw from the global generator, as modules do; the fork
    keeps that to itself.
    """
    with usual_defaults():
        torch.manual_seed(seed + QUANTIZER_STREAM)
        quantizer = create(label, num_codes=num_codes, code_dim=width, **parameters)
        torch.manual_seed(seed)
        return Autoencoder(quantizer, hidden)
