import pytest
import torch
from torch import Tensor

from bench.kernels.adam import Adam


def gradients(parameters: list[Tensor], step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(value.shape, generator=generator) * 10.0 ** (step % 5 - 2) for value in parameters]


def test_adam_is_adam() -> None:
    # The third parameter never has a gradient, the second none in every third step.
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in [(3, 4), (5,), (2, 2)]]
    ours, theirs = ([value.clone().requires_grad_() for value in start] for _ in range(2))
    optimiser, reference = Adam(ours, 1e-2), torch.optim.Adam(theirs, lr=1e-2)
    for step in range(20):
        optimiser.clear()
        reference.zero_grad()
        for group in (ours, theirs):
            fresh = gradients(group, step)
            group[0].grad = fresh[0]
            group[1].grad = None if step % 3 == 0 else fresh[1]
        optimiser.step()
        reference.step()
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
    assert torch.equal(ours[2], start[2])
    assert (ours[0] - start[0]).abs().max() > 0.05


def test_the_first_step_of_adam_is_the_learning_rate() -> None:
    weight = torch.zeros(3, requires_grad=True)
    optimiser = Adam([weight], 0.25)
    weight.grad = torch.tensor([4.0, -0.5, 1e3])
    optimiser.step()
    assert weight.tolist() == pytest.approx([-0.25, 0.25, -0.25], rel=1e-5)
    optimiser.clear()
    assert weight.grad is None
    optimiser.step()  # without any gradient nothing moves
    assert weight.tolist() == pytest.approx([-0.25, 0.25, -0.25], rel=1e-5)
