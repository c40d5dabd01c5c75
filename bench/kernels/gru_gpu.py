"""The GRU of several readers at once and its loss, for a GPU: few launches a time step, bounded memory for logits.

The cell is that of `bench.kernels.gru_cpu`, with the reader as a further dimension R of everything.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# What nn.GRUCell runs on a GPU: gates r, z, n of the input and of the state, and the state, all (N, ...).
_fused_cell = torch.ops.aten._thnn_fused_gru_cell
_fused_cell_backward = torch.ops.aten._thnn_fused_gru_cell_backward


def run_states(added: Tensor, recurrent: Tensor, recurrent_bias: Tensor) -> Tensor:
    """States after each step, from zeros on.

    Args:
        added: (T, R, B, 3H) what the tokens add to the gates r, z, n, biases included.
        recurrent: (R, 3H, H) weights of the state.
        recurrent_bias: (R, H) bias of n inside the reset gate.

    Returns:
        (T, R, B, H).
    """
    if not added.is_cuda:
        return plain_states(added, recurrent, recurrent_bias)
    states: Tensor = _FusedStates.apply(added, recurrent, recurrent_bias)  # type: ignore[no-untyped-call]
    return states


def plain_states(added: Tensor, recurrent: Tensor, recurrent_bias: Tensor) -> Tensor:
    """`run_states` step by step: the formula that the fast one must equal."""
    hidden = recurrent.shape[2]
    weight, bias = _transposed(recurrent, recurrent_bias)
    state = added.new_zeros(*added.shape[1:3], hidden)
    states = []
    for row in added.unbind():
        gates = torch.baddbmm(bias, state, weight)
        r, z = torch.sigmoid(row[..., : 2 * hidden] + gates[..., : 2 * hidden]).chunk(2, dim=-1)
        n = torch.tanh(row[..., 2 * hidden :] + r * gates[..., 2 * hidden :])
        state = n + z * (state - n)
        states.append(state)
    return torch.stack(states)


class _FusedStates(torch.autograd.Function):
    """A product and PyTorch's own GRU kernel a step; weight gradients are one product over all steps."""

    @staticmethod
    def forward(ctx: Any, added: Tensor, recurrent: Tensor, recurrent_bias: Tensor) -> Tensor:
        weight, bias = _transposed(recurrent, recurrent_bias)
        state = added.new_zeros(*added.shape[1:3], recurrent.shape[2])
        states, notes = [state], []
        for row in added.unbind():
            gates = torch.baddbmm(bias, state, weight)
            fresh, note = _fused_cell(row.flatten(0, 1), gates.flatten(0, 1), state.flatten(0, 1))
            state = fresh.view_as(state)
            states.append(state)
            notes.append(note)
        every = torch.stack(states)
        ctx.notes = notes  # what PyTorch's kernel wants to see again
        ctx.save_for_backward(recurrent, every)
        return every[1:]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, ...]:
        recurrent, states = ctx.saved_tensors
        to_states = grad_outputs[0].contiguous()
        shape = (*states.shape[1:3], recurrent.shape[1])
        to_state = to_states[-1]
        to_added, to_gates = [], []
        for step in reversed(range(len(to_states))):
            row, gates, before, _, _ = _fused_cell_backward(to_state.flatten(0, 1), ctx.notes[step], False)
            to_added.append(row.view(shape))
            to_gates.append(gates.view(shape))
            if step:
                to_state = torch.baddbmm(before.view_as(to_state), to_gates[-1], recurrent).add_(to_states[step - 1])
        gates = torch.stack(to_gates[::-1], dim=1).flatten(1, 2)  # (R, T * B, 3H)
        before = states[:-1].transpose(0, 1).flatten(1, 2)
        hidden = recurrent.shape[2]
        to_recurrent = gates.transpose(1, 2) @ before
        return torch.stack(to_added[::-1]), to_recurrent, gates[..., 2 * hidden :].sum(dim=1)


def _transposed(recurrent: Tensor, recurrent_bias: Tensor) -> tuple[Tensor, Tensor]:
    """(R, H, 3H) weights and (R, 1, 3H) bias, which only n has."""
    return recurrent.transpose(1, 2), functional.pad(recurrent_bias, (2 * recurrent_bias.shape[1], 0))[:, None]


def output_loss(states: Tensor, output: Tensor, output_bias: Tensor, targets: Tensor, rows: int) -> Tensor:
    """Cross-entropy in nats of every reader, summed over its rows.

    Args:
        states: States (R, N, H) of all readers.
        output: (R, K, H) weights of the logits.
        output_bias: (R, K) their bias.
        targets: (R, N) int64 tokens.
        rows: Number of rows of every reader's logits to hold at once.

    Returns:
        (R,) sums, differentiable once in everything but the targets.
    """
    if torch.is_grad_enabled():
        losses: Tensor = _OutputLoss.apply(states, output, output_bias, targets, rows)  # type: ignore[no-untyped-call]
        return losses
    blocks = zip(torch.split(states, rows, dim=1), torch.split(targets, rows, dim=1), strict=True)
    return torch.stack([_losses(block, output, output_bias, target) for block, target in blocks]).sum(dim=0)


class _OutputLoss(torch.autograd.Function):
    """Loss and gradients block by block in the forward pass: all logits at once would be K / H times the states."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, output: Tensor, output_bias: Tensor, targets: Tensor, rows: int) -> Tensor:
        total = states.new_zeros(len(states))
        to_states, to_output, to_output_bias = [], torch.zeros_like(output), torch.zeros_like(output_bias)
        for block, target in zip(torch.split(states, rows, dim=1), torch.split(targets, rows, dim=1), strict=True):
            inputs = [tensor.detach().requires_grad_() for tensor in (block, output, output_bias)]
            with torch.enable_grad():
                losses = _losses(inputs[0], inputs[1], inputs[2], target)
                gradients = torch.autograd.grad(losses.sum(), inputs)
            total += losses.detach()
            to_states.append(gradients[0])
            to_output += gradients[1]
            to_output_bias += gradients[2]
        ctx.save_for_backward(torch.cat(to_states, dim=1), to_output, to_output_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        to_states, to_output, to_output_bias = ctx.saved_tensors
        factor = grad_outputs[0][:, None]
        return to_states * factor[..., None], to_output * factor[..., None], to_output_bias * factor, None, None


def _losses(states: Tensor, output: Tensor, output_bias: Tensor, targets: Tensor) -> Tensor:
    """(R,) cross-entropies summed over rows; arguments as `output_loss`."""
    logits = torch.baddbmm(output_bias[:, None], states, output.transpose(1, 2))
    losses = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return losses.view(targets.shape).sum(dim=1)
