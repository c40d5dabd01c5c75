import itertools

import pytest
import torch

import quantizers
from bench.training.autoencoder import Autoencoder
from quantizers.grids import grid_positions
from quantizers.som_vae import SOMVAE, cross

CODES = torch.tensor([[0.0, 0.0], [0.0, 4.0], [4.0, 0.0], [4.0, 4.0]])
Z = torch.tensor([[1.0, 0.0], [4.0, 3.0]])
"""The first vector has the code 0, the second the code 3 of a grid of 2 x 2."""


def square(**parameters: object) -> SOMVAE:
    quantizer = quantizers.create("som-vae", num_codes=4, code_dim=2, **parameters)
    assert isinstance(quantizer, SOMVAE)
    quantizer.codebook = CODES
    return quantizer.train()


def test_the_loss_by_hand() -> None:
    result = square(commitment=3.0, neighbourhood=0.5)(Z)
    assert result.codes.tolist() == [0, 3]
    assert torch.equal(result.quantized, CODES[[0, 3]])
    # (z - e)^2 over two dimensions: 1, 0 and 0, 1; its mean is 1 / 2.
    commitment = 0.5
    # Of code 0: itself (1 + 0) / 2, below (9 + 0) / 2, right (1 + 16) / 2; of code 3 the mirror image. Two of five
    # units lie outside of the grid.
    neighbours = (0.5 + 4.5 + 8.5) / 5
    assert result.loss.item() == pytest.approx(3.0 * commitment + 0.5 * neighbours)


def test_gradients_by_hand() -> None:
    quantizer = square(commitment=1.0, neighbourhood=1.0)
    z = Z.clone().requires_grad_()
    result = quantizer(z)
    result.loss.backward()
    assert z.grad is not None
    assert quantizer.vectors.grad is not None
    # Commitment alone reaches z: 2 (z - e) / (B D).
    torch.testing.assert_close(z.grad, (Z - CODES[[0, 3]]) / 2)
    # Code 1 is the right neighbour of 0 and the upper one of 3: 2 (e - z) / (B 5 D) of both.
    expected = 2 * ((CODES[1] - Z[0]) + (CODES[1] - Z[1])) / 20
    torch.testing.assert_close(quantizer.vectors.grad[1], expected)
    # Code 0 has the commitment and its own neighbourhood term.
    torch.testing.assert_close(quantizer.vectors.grad[0], (CODES[0] - Z[0]) / 2 + 2 * (CODES[0] - Z[0]) / 20)


def test_nothing_passes_straight_through_and_z_is_decoded() -> None:
    """With both weights 0 the code gets dec(e)'s gradient, and the encoder that of dec(z)."""
    quantizer = square(commitment=0.0, neighbourhood=0.0)
    model = Autoencoder(quantizer, hidden=8).train()
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    loss, error, latents, codes = model("plain_joint", x)
    parameters = [*model.encoder.parameters(), quantizer.vectors]
    actual = torch.autograd.grad(loss, parameters)
    torch.testing.assert_close(latents, model.encoder(x))
    by_hand = [(model.decoder(vectors) - x).square().mean() for vectors in (quantizer.vectors[codes], model.encoder(x))]
    torch.testing.assert_close(error, by_hand[0])
    torch.testing.assert_close(loss, sum(by_hand))
    of_encoder = torch.autograd.grad(by_hand[1], [*model.encoder.parameters()])
    of_codes = torch.autograd.grad(by_hand[0], [quantizer.vectors])
    for one, other in zip(actual, (*of_encoder, *of_codes), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("sides", [(5,), (3, 4), (2, 3, 4)])
def test_neighbours_are_one_step_away_along_an_axis(sides: tuple[int, ...]) -> None:
    positions = grid_positions(sides)
    units, inside = cross(positions, sides)
    for code in range(len(positions)):
        steps = (positions - positions[code]).abs().sum(1)
        expected = {code, *(steps == 1).nonzero()[:, 0].tolist()}
        actual = [unit for unit, weight in zip(units[code].tolist(), inside[code].tolist(), strict=True) if weight]
        assert sorted(actual) == sorted(expected)
    assert units.shape == (len(positions), 2 * len(sides) + 1)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_map_is_ordered_by_its_neighbourhood(dimensions: int) -> None:
    """Codes that start at random on data of as many dimensions come to lie near their neighbours."""
    shape = {"num_codes": 27, "code_dim": dimensions, "dimensions": dimensions}
    quantizer = quantizers.create("som-vae", **shape, neighbourhood=5.0)
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(4_000, dimensions, generator=generator)
    quantizer.initialise(points)
    optimiser = torch.optim.Adam(quantizer.parameters(), 0.02)
    before = step_length(quantizer)
    for batch in itertools.islice(itertools.cycle(points.split(200)), 300):
        optimiser.zero_grad()
        quantizer.train()(batch).loss.backward()
        optimiser.step()
    assert step_length(quantizer) < 0.7 * before


def step_length(quantizer: quantizers.Quantizer) -> float:
    """Mean distance of neighbours / mean distance of all codes."""
    assert isinstance(quantizer, SOMVAE)
    vectors = quantizer.vectors.detach()
    distances = torch.cdist(vectors, vectors)
    neighbours = distances.gather(1, quantizer.units)[:, 1:]
    inside = quantizer.inside[:, 1:]
    return float((neighbours * inside).sum() / inside.sum() / distances.mean())
