"""Readers of one size that learn side by side: what each device does best."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from bench.kernels.gru_cpu import reading_losses, run_states
from bench.metrics.readers.group import Separate
from bench.metrics.readers.gru import BATCH, GRUReader, weights

_EVALUATED_LOGITS = 2**22  # held at once


class SideBySide(Separate[GRUReader]):
    """On a CPU: each reader with its own weights and optimiser, their time loops run as one.

    Args:
        readers: They are trained in place.
    """

    def update(self, pairs: Tensor, rate: float, which: Sequence[int]) -> None:
        """One step each: they share no parameter, so their losses may be added."""
        chosen = pairs[list(which)]
        for index in which:
            self.optimisers[index].learning_rate = rate
            self.optimisers[index].clear()
        losses([self.readers[index] for index in which], chosen[:, 0], chosen[:, 1]).sum().backward()  # type: ignore[no-untyped-call]
        for index in which:
            self.optimisers[index].step()

    @torch.inference_mode()
    def cross_entropies(self, sequences: Tensor, which: Sequence[int]) -> list[float]:
        """By blocks of sequences, and of logits."""
        chosen = [self.readers[index] for index in which]
        reader_weights, totals = weights(chosen), [0.0] * len(chosen)
        rows = max(1, _EVALUATED_LOGITS // chosen[0].num_codes)
        for block in torch.split(sequences[list(which)], BATCH, dim=1):
            states, targets = run_states(reader_weights, block[..., :-1]).flatten(1, 2), block[..., 1:].flatten(1)
            for place, reader in enumerate(chosen):
                parts = zip(torch.split(states[place], rows), torch.split(targets[place], rows), strict=True)
                for state, target in parts:
                    totals[place] += float(functional.cross_entropy(reader.output(state), target, reduction="sum"))
        count = sequences.shape[1] * (sequences.shape[2] - 1)
        return [total / count for total in totals]


def losses(readers: Sequence[GRUReader], tokens: Tensor, targets: Tensor) -> Tensor:
    """(R,) `plain_loss` of each reader for its own tokens (R, B, T) and next tokens (R, B, T), on a CPU."""
    return reading_losses(weights(readers), tokens, targets)
