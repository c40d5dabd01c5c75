"""The quantizer that is tested: built, started and trained as the harness does."""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

import quantizers
from bench.testing.checks import expect
from quantizers import Quantizer

BATCH, ROWS = 96, 300


class Subject:
    """The quantizer under test, and the way to make one.

    Attributes:
        label: Name or name:preset that it is registered under.
        parameters: Values that replace its defaults.
        num_codes: Codebook size K to ask for.
        code_dim: Number D of latent dimensions.
    """

    label: str = ""
    parameters: ClassVar[dict[str, Any]] = {}
    num_codes: int = 64
    code_dim: int = 6

    def build(self, seed: int = 0, rows: int = 500, **sizes: int) -> Quantizer:
        """A quantizer, drawn from a seed and started from `rows` vectors."""
        expect(bool(self.label), f"Expected {type(self).__name__} to name its quantizer, got none; set label = 'name'.")
        quantizer = self.create(seed, **sizes)
        with torch.no_grad():
            quantizer.initialise(self.points(rows, 0, quantizer.code_dim))
        return quantizer

    def create(self, seed: int = 0, **sizes: int) -> Quantizer:
        """A quantizer that has seen no data."""
        asked = {"num_codes": self.num_codes, "code_dim": self.code_dim} | sizes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return quantizers.create(self.label, **asked, **self.parameters)

    def points(self, count: int, seed: int, width: int | None = None) -> Tensor:
        """(count, D) normal vectors."""
        return torch.randn(count, width or self.code_dim, generator=torch.Generator().manual_seed(seed))

    def learn(self, quantizer: Quantizer, steps: int = 6, seed: int = 1) -> None:
        """Train as the harness does: forward, descent on what has gradients, then `update`."""
        parameters = list(quantizer.parameters())
        optimiser = torch.optim.SGD(parameters, 0.01) if parameters else None
        quantizer.train()
        for step in range(steps):
            z = self.points(BATCH, seed + step).requires_grad_()
            quantized, codes, loss = quantizer(z)
            if optimiser:
                optimiser.zero_grad()
                (F.mse_loss(quantized, z.detach()) + loss).backward()
                optimiser.step()
            with torch.no_grad():
                quantizer.update(z.detach(), codes, torch.tensor(step / steps))
