"""Networks applied in float64, where their output decides a code."""

import torch
from torch import Tensor, nn


def apply_precisely(network: nn.Module, x: Tensor) -> Tensor:
    """Apply a network in float64 and round once to the type of x.

    In float32 the last digits of a row depend on the number of rows multiplied with it, and on the machine's kernels.
    A frame near the border of two codes would then get another code alone than among others.

    Args:
        network: Linear layers with element-wise functions between them.
        x: (B, inputs) rows of floating-point numbers.

    Returns:
        (B, outputs) rows of the type of x.
    """
    wide = {name: value.detach().double() for name, value in network.named_parameters()}
    output: Tensor = torch.func.functional_call(network, wide, (x.double(),))
    return output.to(x.dtype)
