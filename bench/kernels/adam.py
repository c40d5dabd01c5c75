"""Adam without `torch.optim.Adam`, whose constructor imports PyTorch's compiler: 0.9 s in every child process."""

from collections.abc import Iterable

import torch
from torch import Tensor


class Adam:
    """Adam (Kingma and Ba 2015) at PyTorch's defaults, on PyTorch's own fused kernel.

    A parameter without a gradient is left alone, as by `torch.optim.Adam`. A step may be captured as a CUDA graph; a
    rate that changes between replays must then be a tensor.

    Args:
        parameters: Parameters that it moves in place; at least one, all on one device.
        learning_rate: Step size, a number or a tensor ().
    """

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float | Tensor) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.first = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.second = [torch.zeros_like(parameter) for parameter in self.parameters]
        # One tensor and views of it: counting up 8 tensors one by one took longer than the arithmetic of a step.
        self._counts = torch.zeros(len(self.parameters), device=self.parameters[0].device)
        self.steps = list(self._counts.unbind())
        self._moved: list[bool] = []
        self._one_each = self._counts

    def clear(self) -> None:
        """Drop the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        moved = [parameter.grad is not None for parameter in self.parameters]
        if not any(moved):
            return
        if moved != self._moved:
            self._moved, self._one_each = moved, torch.tensor(moved, dtype=torch.float32, device=self._counts.device)
        self._counts.add_(self._one_each)
        chosen = [index for index, has_moved in enumerate(moved) if has_moved]
        torch._fused_adam_(
            [self.parameters[index] for index in chosen],
            [gradient for index in chosen if (gradient := self.parameters[index].grad) is not None],
            [self.first[index] for index in chosen],
            [self.second[index] for index in chosen],
            [],
            [self.steps[index] for index in chosen],
            lr=self.learning_rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
