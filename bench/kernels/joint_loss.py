"""The loss of autoencoder and codebook with its gradients written out, for a CPU.

On networks this small autograd's own bookkeeping takes a tenth of a training step.
"""

from typing import Any, cast

import torch
from torch import Tensor

from bench.kernels.perceptron import Weights, back, through, to_input
from quantizers.base import nearest


def joint_loss(
    x: Tensor, vectors: Tensor, commitment: float, codebook_weight: float, encoder: Weights, decoder: Weights
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Losses that `Autoencoder.joint` returns where the quantizer is a plain `LearnedCodebook`; differentiable once.

    loss = mean (x' - x)^2 + commitment mean (z - sg[e])^2 + codebook_weight mean (sg[z] - e)^2, with z the encoder's
    output, e its nearest code, x' the decoder's output for e, and the decoder's gradient passed on from e to z.

    Args:
        x: Frames (B, D) of a batch.
        vectors: Code vectors (K, D).
        commitment: Weight of the second term.
        codebook_weight: Weight of the third.
        encoder: Weights and biases of the encoder.
        decoder: Weights and biases of the decoder.
    """
    losses = _JointLoss.apply(x, vectors, commitment, codebook_weight, *encoder, *decoder)  # type: ignore[no-untyped-call]
    return cast("tuple[Tensor, Tensor, Tensor, Tensor]", losses)


class _JointLoss(torch.autograd.Function):
    """The loss and all gradients in the forward pass: nothing that they share is computed twice."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, vectors: Tensor, commitment: float, codebook_weight: float, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        encoder, decoder = cast("Weights", weights[:4]), cast("Weights", weights[4:])
        hidden, z = through(x, encoder)
        codes = nearest(z, vectors)
        e = vectors[codes]
        inner, decoded = through(e, decoder)
        difference, gap = decoded - x, z - e
        error, distance = difference.square().mean(), gap.square().mean()
        to_decoder, to_inner = back(difference * (2.0 / x.numel()), e, inner, decoder)
        to_z = torch.add(to_input(to_inner, decoder), gap, alpha=2.0 * commitment / x.numel())
        to_encoder, _ = back(to_z, x, hidden, encoder)
        to_vectors = None
        if ctx.needs_input_grad[1]:
            to_vectors = torch.zeros_like(vectors).index_add_(0, codes, gap, alpha=-2.0 * codebook_weight / x.numel())
        ctx.gradients = None, to_vectors, None, None, *to_encoder, *to_decoder
        ctx.mark_non_differentiable(error, z, codes)
        ctx.set_materialize_grads(False)
        return torch.add(error, distance, alpha=commitment + codebook_weight), error, z, codes

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(None if gradient is None else gradient * grad_outputs[0] for gradient in ctx.gradients)
