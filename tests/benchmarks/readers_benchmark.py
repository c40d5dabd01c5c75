"""Training a reader of tokens, against nn.GRU, cross_entropy and torch.optim.Adam in a plain loop."""

import time

import pytest
import torch

from bench.kernels.adam import Adam
from bench.metrics.readers.gru import HIDDEN, GRUReader
from bench.metrics.readers.on_cpu import losses

NUM_CODES = 256


def tokens(sequences, time):
    """Walks on a ring: (sequences, time) tokens and those that follow them."""
    generator = torch.Generator().manual_seed(0)
    walk = torch.randint(-2, 3, (sequences, time + 1), generator=generator).cumsum(1) % NUM_CODES
    return walk[:, :-1], walk[:, 1:]


def peak_flops():
    """Of one core, by the largest of some square products."""
    a, b = torch.randn(1_024, 1_024), torch.randn(1_024, 1_024)
    best = 0.0
    for _ in range(10):
        begun = time.process_time()
        a @ b
        best = max(best, 2 * 1_024**3 / (time.process_time() - begun))
    return best


def flops(batch, length):
    """Of an update: the matrix products of recurrence and logits, forward and twice as much backward."""
    return 3 * 2 * batch * length * HIDDEN * (3 * HIDDEN + NUM_CODES)


@pytest.mark.parametrize(
    ("what", "sequences", "length", "readers", "updates"),
    [
        ("`seq_ppl`: 56 whole sequences of 296", 56, 296, 1, 2),
        ("converged: 64 chunks of 64", 64, 64, 1, 5),
        ("an eighth: 16 chunks of 64, index and code vectors", 16, 64, 2, 8),
        ("an eighth: 16 chunks of 64, the grid and three shuffles", 16, 64, 4, 8),
    ],
)
def test_update(against, what, sequences, length, readers, updates):
    inputs, targets = tokens(sequences, length)
    ours = [GRUReader(NUM_CODES, torch.Generator().manual_seed(seed)) for seed in range(readers)]
    theirs = [GRUReader(NUM_CODES, torch.Generator().manual_seed(seed)) for seed in range(readers)]
    many = [part.expand(readers, -1, -1) for part in (inputs, targets)]
    own_adams = [Adam(reader.parameters(), 1e-3) for reader in ours]
    adams = [torch.optim.Adam(reader.parameters(), 1e-3) for reader in theirs]

    def run():
        for _ in range(updates):
            for adam in own_adams:
                adam.clear()
            losses(ours, *many).sum().backward()
            for adam in own_adams:
                adam.step()

    def plain():
        for _ in range(updates):
            for reader, adam in zip(theirs, adams, strict=True):
                adam.zero_grad()
                reader.plain_loss(inputs, targets).backward()
                adam.step()

    run()
    plain()
    actual, expected = ([reader.plain_loss(inputs, targets).item() for reader in item] for item in (ours, theirs))
    assert actual == pytest.approx(expected, rel=1e-4)
    against(
        run,
        plain,
        work=f"update of readers, K = {NUM_CODES}, {what}",
        peer="nn.GRU, cross_entropy, torch.optim.Adam",
        goal=1.2,
        rounds=8,
        steps=updates,
        flops=readers * flops(sequences, length),
        peak_flops=peak_flops(),
    )
