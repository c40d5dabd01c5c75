"""Networks applied in float64, where what they give decides a code."""

import torch
from torch import Tensor, nn


def apply_precisely(network: nn.Module, x: Tensor) -> Tensor:
    """A network's output, computed in float64 and rounded once to the type of x.

    In float32 the last digits of a row depend on how many rows are multiplied with it, and on the machine's kernels:
    a frame near the border of two codes would get another code alone than among others.

    Args:
        network: Linear layers and what works number by number between them.
        x: (B, inputs).

    Returns:
        (B, outputs).
    """
    wide = {name: value.detach().double() for name, value in network.named_parameters()}
    output: Tensor = torch.func.functional_call(network, wide, (x.double(),))
    return output.to(x.dtype)
