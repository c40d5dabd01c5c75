"""Readers trained as one batch: on a GPU a small GRU is bound by kernel launches.

Their weights are stacked, and an update of all of them is replayed as a CUDA graph.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from bench.kernels.adam import Adam
from bench.kernels.cuda_graphs import Captured
from bench.kernels.gru_gpu import output_loss, run_states
from bench.metrics.readers.group import Group
from bench.metrics.readers.gru import BATCH, GRUReader

_LOGITS = 2**26  # held at once
_WEIGHTS = ("gru.weight_ih_l0", "gru.weight_hh_l0", "gru.bias_ih_l0", "gru.bias_hh_l0", "output.weight", "output.bias")


@dataclass(frozen=True)
class _Stack:
    """Modules of one shape: their stacked parameters, and which of all readers they belong to."""

    modules: Sequence[nn.Module]
    place: slice
    parameters: dict[str, Tensor]


class Stacked(Group):
    """On a GPU: R readers as one; what is not asked for is computed all the same, and left out.

    Args:
        readers: On a CPU. Embeddings may be of several kinds; those of a kind in a row are called as one.
        device: Device that they are trained on.
    """

    def __init__(self, readers: Sequence[GRUReader], device: torch.device) -> None:
        self.codes = torch.arange(readers[0].num_codes, device=device)
        self.count = len(readers)
        self.weights = {
            name: torch.stack([reader.get_parameter(name).detach() for reader in readers]).to(device).requires_grad_()
            for name in _WEIGHTS
        }
        self._stacks = [_Stack(readers, slice(0, len(readers)), self.weights)]
        self._embed: list[Callable[[], Tensor]] = []
        for _, group in itertools.groupby(range(len(readers)), lambda index: _kind(readers[index].embedding)):
            indices = list(group)
            modules = [readers[index].embedding.to(device) for index in indices]
            parameters, buffers = stack_module_state(modules)
            self._stacks.append(_Stack(modules, slice(indices[0], indices[-1] + 1), parameters))
            self._embed.append(partial(_embedded, modules[0], parameters, buffers, self.codes))

        self.rate = torch.zeros((), device=device)
        self.optimiser = Adam(self.parameters, self.rate)
        self.updates: dict[torch.Size, tuple[Tensor, Captured]] = {}  # for each size of batch its place and its graph
        self.kept = [parameter.detach().clone() for parameter in self.parameters]

    @property
    def parameters(self) -> list[Tensor]:
        """Parameters that the optimiser moves."""
        return [value for stack in self._stacks for value in stack.parameters.values()]

    def losses(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """(R,) mean cross-entropy in nats of `targets` (R, B, T) after `tokens` (R, B, T)."""
        states = self._states(tokens).permute(1, 2, 0, 3).flatten(1, 2)
        rows = max(1, _LOGITS // (len(self.codes) * self.count))
        weight, bias = self.weights["output.weight"], self.weights["output.bias"]
        return output_loss(states, weight, bias, targets.flatten(1), rows) / targets[0].numel()

    def update(self, pairs: Tensor, rate: float, which: Sequence[int]) -> None:
        """One step for all: those that have stopped are not looked at again."""
        if pairs.shape not in self.updates:
            place = torch.empty_like(pairs, device=self.codes.device)
            self.updates[pairs.shape] = place, Captured(partial(self._step, place), place.device)
        place, step = self.updates[pairs.shape]
        # Without pinned memory the host would wait for the device here.
        place.copy_(pairs.pin_memory() if place.is_cuda else pairs, non_blocking=True)
        self.rate.fill_(rate)
        step()

    def _step(self, pairs: Tensor) -> None:
        self.optimiser.clear()
        self.losses(pairs[:, 0], pairs[:, 1]).sum().backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    @torch.no_grad()
    def cross_entropies(self, sequences: Tensor, which: Sequence[int]) -> list[float]:
        """By blocks of sequences."""
        total = torch.zeros(self.count, dtype=torch.float64, device=sequences.device)
        for block in torch.split(sequences, BATCH, dim=1):
            total += self.losses(block[..., :-1], block[..., 1:]).double() * block.shape[1]
        means: list[float] = (total / sequences.shape[1]).tolist()
        return [means[index] for index in which]

    @torch.no_grad()
    def keep(self, which: Sequence[int]) -> None:
        """Overwrite those readers in the copy of all parameters."""
        chosen = torch.zeros(self.count, dtype=torch.bool)
        chosen[list(which)] = True
        chosen = chosen.to(self.codes.device)
        places = (stack.place for stack in self._stacks for _ in stack.parameters)
        for kept, present, place in zip(self.kept, self.parameters, places, strict=True):
            is_kept = chosen[place].view(-1, *[1] * (present.ndim - 1))
            kept.copy_(torch.where(is_kept, present, kept))

    @torch.no_grad()
    def restore(self) -> None:
        """From the copy; the single readers get their weights, on the device."""
        for present, kept in zip(self.parameters, self.kept, strict=True):
            present.copy_(kept)
        for stack in self._stacks:
            for index, module in enumerate(stack.modules):
                module.to(self.codes.device)
                for name, values in stack.parameters.items():
                    module.get_parameter(name).copy_(values[index])

    def _states(self, tokens: Tensor) -> Tensor:
        """(R, B, T) tokens -> (T, R, B, H) states that have seen them."""
        weight, recurrent, bias, recurrent_bias = (self.weights[name] for name in _WEIGHTS[:4])
        gated = 2 * recurrent.shape[2]
        outside = torch.cat([bias[:, :gated] + recurrent_bias[:, :gated], bias[:, gated:]], dim=1)
        embedded = torch.cat([embed() for embed in self._embed])
        table = torch.baddbmm(outside[:, None], embedded, weight.transpose(1, 2))  # (R, K, 3H)
        first = torch.arange(self.count, device=tokens.device)[:, None, None] * len(self.codes)
        rows = (tokens + first).permute(2, 0, 1)
        added = table.flatten(0, 1).index_select(0, rows.flatten()).view(*rows.shape, -1)
        return run_states(added, recurrent, recurrent_bias[:, gated:])


def _kind(embedding: nn.Module) -> tuple[object, ...]:
    return type(embedding), *((name, value.shape) for name, value in embedding.state_dict().items())


def _embedded(module: nn.Module, parameters: dict[str, Tensor], buffers: dict[str, Tensor], codes: Tensor) -> Tensor:
    """(n, K, 64) every code as each of n modules of one kind embeds it."""

    def one(stacked: dict[str, Tensor], fixed: dict[str, Tensor]) -> Tensor:
        output: Tensor = functional_call(module, (stacked, fixed), (codes,))
        return output

    embedded: Tensor = torch.vmap(one)(parameters, buffers)
    return embedded
