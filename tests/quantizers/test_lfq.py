import itertools
import math

import pytest
import torch

import quantizers
from quantizers.lfq import LFQ


def plain(bits: int, **parameters: object) -> LFQ:
    """Signs of vectors whose projections change nothing: D = bits."""
    quantizer = quantizers.create("lfq", num_codes=2**bits, code_dim=bits, **parameters)
    assert isinstance(quantizer, LFQ)
    with torch.no_grad():
        for projection in (quantizer.project_in, quantizer.project_out):
            projection.weight.copy_(torch.eye(bits))
            projection.bias.zero_()
    return quantizer


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("wanted", "bits"), [(2, 1), (256, 8), (300, 8), (1_000, 10)])
def test_the_number_of_codes_is_the_nearest_power_of_two(wanted: int, bits: int) -> None:
    quantizer = quantizers.create("lfq", num_codes=wanted, code_dim=4)
    assert (quantizer.num_codes, quantizer.describe()) == (2**bits, {"bits": bits})


@pytest.mark.parametrize("spherical", [False, True])
def test_every_corner_has_its_number_and_comes_back(spherical: bool) -> None:
    quantizer = plain(3, spherical=spherical).eval()
    size = 1 / math.sqrt(3) if spherical else 1.0
    corners = torch.tensor([corner[::-1] for corner in itertools.product((-size, size), repeat=3)])
    torch.testing.assert_close(quantizer.decode(torch.arange(8)), corners)
    codes = torch.tensor([1, 3, 5, 6])  # corners whose coordinates do not all agree survive the normalisation
    assert torch.equal(quantizer.encode(corners[codes]), codes)
    assert quantizer.positions is not None
    assert torch.equal(quantizer.positions, (corners > 0).long())


def test_z_is_normalised_before_the_sign() -> None:
    quantizer = plain(4).eval()
    z = normal(50, 4)
    channels = quantizer.latents(z)
    torch.testing.assert_close(channels.mean(1), torch.zeros(50), atol=1e-6, rtol=0)
    torch.testing.assert_close(channels.square().mean(1), torch.ones(50), atol=1e-3, rtol=0)
    assert torch.equal(quantizer.encode(z), quantizer.encode(5 * z + 3))


def test_spherical_channels_have_length_one() -> None:
    quantizer = plain(4, spherical=True).eval()
    torch.testing.assert_close(quantizer.latents(normal(50, 4)).norm(dim=1), torch.ones(50))
    torch.testing.assert_close(quantizer.latent_codebook.norm(dim=1), torch.ones(16))


def test_a_step_by_hand() -> None:
    """Channels (-1, 1) by normalisation: the signs are the channels, so that only the entropy is left."""
    quantizer = plain(2, entropy=0.5, diversity=2.0, commitment=1.0, temperature=4.0).train()
    result = quantizer(torch.tensor([[1.0, 3.0], [7.0, 5.0]]))
    assert result.codes.tolist() == [2, 1]
    torch.testing.assert_close(result.quantized, torch.tensor([[-1.0, 1.0], [1.0, -1.0]]), atol=1e-4, rtol=0)
    # exp(-|u - c|^2 / 4) has the logits 4 u / 4 = u of a bit: p = sigmoid(1) for the sign that it has.
    p = 1 / (1 + math.exp(-1))
    of_bit = -p * math.log(p) - (1 - p) * math.log(1 - p)
    both = [p * p, p * (1 - p), p * (1 - p), (1 - p) ** 2]  # of the frame's own corner, two others, the opposite
    shares = [(both[0] + both[3]) / 2] * 2 + [both[1]] * 2
    everything = -sum(share * math.log(share) for share in shares)
    assert result.loss.item() == pytest.approx(0.5 * (2 * of_bit - 2.0 * everything), abs=1e-4)


def test_the_gradient_passes_straight_through() -> None:
    quantizer = plain(3, entropy=0.0, commitment=0.0).train()
    channels = normal(10, 3).requires_grad_()
    quantizer.latents = lambda z: z  # type: ignore[method-assign]
    quantizer(channels).quantized.sum().backward()
    assert channels.grad is not None
    torch.testing.assert_close(channels.grad, torch.ones(10, 3))


@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_codes_and_entropies_agree_with_vector_quantize_pytorch(temperature: float) -> None:
    library = pytest.importorskip("vector_quantize_pytorch", reason="the independent implementation is not installed")
    bits = 5
    other = library.LFQ(dim=bits, codebook_size=2**bits, entropy_loss_weight=1.0, diversity_gamma=1.0).train()
    ours = plain(bits, temperature=temperature)
    z = 0.3 * normal(500, bits)
    _, codes, _ = other(z[None])
    # The library numbers the corners with the first channel as the most significant bit.
    reversed_bits = torch.tensor([int(format(code, f"0{bits}b")[::-1], 2) for code in codes[0].tolist()])
    assert torch.equal(ours._index(z), reversed_bits)
    _, breakdown = other(z[None], inv_temperature=1 / temperature, return_loss_breakdown=True)
    expected = breakdown.per_sample_entropy - breakdown.batch_entropy
    assert ours.entropy_term(z).item() == pytest.approx(expected.item(), rel=1e-3, abs=1e-3)


def test_the_entropy_of_the_bits_bounds_that_of_the_codes() -> None:
    channels = normal(300, 4)
    channels[:, 1] = channels[:, 0]  # two bits that agree: the codes have less entropy than their bits
    joint, bitwise = plain(4, temperature=1.0), plain(4, temperature=1.0)
    bitwise.bits = 13
    assert bitwise.entropy_term(channels) < joint.entropy_term(channels) - 0.1


@pytest.mark.parametrize("label", ["lfq", "lfq:bsq"])
def test_channels_start_along_the_principal_components(label: str) -> None:
    quantizer = quantizers.create(label, num_codes=64, code_dim=4)
    z = normal(4_000, 4) * torch.tensor([4.0, 3.0, 2.0, 1.0])
    quantizer.initialise(z)
    codes = quantizer.eval().encode(z)
    shares = quantizer.positions[codes].double().mean(0)  # type: ignore[index]
    torch.testing.assert_close(shares, torch.full((6,), 0.5, dtype=torch.float64), atol=0.05, rtol=0)
    error = (quantizer.decode(codes) - z).square().sum()
    assert error < 0.6 * z.square().sum()


@pytest.mark.parametrize(("name", "value"), [("entropy", -1.0), ("temperature", 0.0), ("commitment", 1_000.0)])
def test_parameters_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"Expected .*{name}"):
        quantizers.create("lfq", num_codes=16, code_dim=4, **{name: value})
