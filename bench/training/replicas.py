"""Replicas of one model, trained as one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state

from bench.training.autoencoder import Autoencoder


class Replicas:
    """Autoencoders of one shape, called as one: every input and output has the replica as its first dimension.

    One model is called as it is; several through `torch.func.vmap` over their stacked state, which turns R small
    matrix products into one batched product: on a GPU these models are bound by kernel launches.
    """

    def __init__(self, models: list[Autoencoder]) -> None:
        self.models = models
        self._stacked: tuple[dict[str, Any], dict[str, Any]] | None = None
        if len(models) > 1:
            self._stacked = stack_module_state(models)

    @property
    def parameters(self) -> list[Tensor]:
        """Parameters that the optimiser moves."""
        return list(self._stacked[0].values()) if self._stacked else list(self.models[0].parameters())

    def __call__(self, operation: str, *inputs: Tensor, shared: tuple[Tensor, ...] = ()) -> tuple[Tensor, ...]:
        """Run an operation of the autoencoder on inputs (R, ...), with `shared` inputs the same for all."""
        if self._stacked is None:
            outputs = self.models[0](operation, *(batches[0] for batches in inputs), *shared)
            return tuple(output[None] for output in outputs)

        def one(parameters: dict[str, Any], buffers: dict[str, Any], *batches: Tensor) -> tuple[Tensor, ...]:
            state = (parameters, buffers)
            result: tuple[Tensor, ...] = functional_call(self.models[0], state, (operation, *batches, *shared))
            return result

        batched: tuple[Tensor, ...] = torch.vmap(one)(*self._stacked, *inputs)
        return batched

    def map(self, change: Callable[[int, Autoencoder], None]) -> None:
        """Apply `change(index, model)` to each model on its own, its state read before and written back after."""
        with torch.no_grad():
            for index, model in enumerate(self.models):
                state = {name: tensor for part in self._stacked or () for name, tensor in part.items()}
                tensors = dict(model.named_parameters()) | dict(model.named_buffers())
                for name, tensor in state.items():
                    tensors[name].copy_(tensor[index])
                change(index, model)
                for name, tensor in state.items():
                    tensor[index].copy_(tensors[name])

    def train(self, training: bool) -> None:
        """Switch between training and eval."""
        for model in self.models:
            model.train(training)
