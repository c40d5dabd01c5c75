"""Two linear layers with a ReLU between them, their gradients written out."""

from typing import Any, cast

import torch
from torch import Tensor, nn

Weights = tuple[Tensor, Tensor, Tensor, Tensor]  # (H, D), (H,), (D', H), (D',)


class Perceptron(nn.Sequential):
    """Two linear layers with a ReLU between them.

    Args:
        inputs: Width of what comes in.
        hidden: Number of hidden units.
        outputs: Width of what goes out.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    @property
    def weights(self) -> Weights:
        """Weight and bias of the first layer, then of the last."""
        first, _, last = cast("tuple[nn.Linear, nn.ReLU, nn.Linear]", tuple(self))
        return first.weight, first.bias, last.weight, last.bias

    def forward(self, x: Tensor) -> Tensor:
        """X (B, inputs) -> (B, outputs)."""
        if torch._C._are_functorch_transforms_active():
            # Fewer kernels on a GPU: under vmap a linear layer multiplies by 1 as well, and where the weights do not
            # come first their gradients are copied into their layout.
            weight, bias, last_weight, last_bias = self.weights
            hidden = torch.relu((weight @ x.t()).t() + bias)
            return (last_weight @ hidden.t()).t() + last_bias
        if x.is_cuda:
            return self.plain(x)
        output: Tensor = _Perceptron.apply(x, *self.weights)  # type: ignore[no-untyped-call]
        return output

    def plain(self, x: Tensor) -> Tensor:
        """`forward` layer by layer: the formula that the fast one must equal."""
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


def through(x: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """X (B, D) -> hidden layer behind its ReLU (B, H) and output (B, D')."""
    weight, bias, last_weight, last_bias = weights
    hidden = torch.addmm(bias, x, weight.t()).relu_()
    return hidden, torch.addmm(last_bias, hidden, last_weight.t())


def back(to_output: Tensor, x: Tensor, hidden: Tensor, weights: Weights) -> tuple[Weights, Tensor]:
    """Gradients of the weights, and of what enters the ReLU (B, H).

    Narrow products are transposed: MKL needs four times as long for (B, D) as for the same numbers as (D, B).
    """
    to_hidden = torch.ops.aten.threshold_backward(to_output @ weights[2], hidden, 0)
    return ((x.t() @ to_hidden).t(), to_hidden.sum(0), to_output.t() @ hidden, to_output.sum(0)), to_hidden


def to_input(to_hidden: Tensor, weights: Weights) -> Tensor:
    """Gradient of the input (B, D) from that of what enters the ReLU."""
    return (weights[0].t() @ to_hidden.t()).t()


class _Perceptron(torch.autograd.Function):
    """The three layers as one node for a CPU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *weights: Tensor) -> Tensor:
        hidden, output = through(x, cast("Weights", weights))
        ctx.save_for_backward(x, hidden, *weights)
        return output

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, hidden, *weights = ctx.saved_tensors
        gradients, to_hidden = back(grad_outputs[0], x, hidden, weights)
        return to_input(to_hidden, weights) if ctx.needs_input_grad[0] else None, *gradients
