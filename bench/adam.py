"""Adam without `torch.optim.Adam`, whose constructor imports PyTorch's compiler: 0.9 s in every child process."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """Adam (Kingma and Ba 2015) at PyTorch's defaults, on PyTorch's own fused kernel.

    A parameter without a gradient is left alone, as by `torch.optim.Adam`.

    Args:
        parameters: What it moves, in place.
        learning_rate: Step size.
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.first = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.steps = [torch.zeros((), device=parameter.device) for parameter in self.parameters]

    def clear(self) -> None:
        """Drop the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        moved = [index for index, parameter in enumerate(self.parameters) if parameter.grad is not None]
        adam(
            [self.parameters[index] for index in moved],
            [gradient for index in moved if (gradient := self.parameters[index].grad) is not None],
            [self.first[index] for index in moved],
            [self.second[index] for index in moved],
            [],
            [self.steps[index] for index in moved],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
