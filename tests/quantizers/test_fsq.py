import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import quantizers
from quantizers.fsq import levels_for

LEVEL_SETS = [(8, 8), (8, 6, 5), (8, 5, 5, 5), (7, 5, 5, 5, 5), (3,), (16, 16)]


def identity(levels: tuple[int, ...]) -> quantizers.FSQ:
    """A lattice whose projections change nothing: D = channels."""
    quantizer = quantizers.create("fsq", num_codes=math.prod(levels), code_dim=len(levels), levels=levels)
    assert isinstance(quantizer, quantizers.FSQ)
    with torch.no_grad():
        for projection in (quantizer.project_in, quantizer.project_out):
            projection.weight.copy_(torch.eye(len(levels)))
            projection.bias.zero_()
    return quantizer.eval()


def preimage(step: int, level: int) -> float:
    """Where the bound of research 3.1 lands on a step of a channel exactly."""
    half = (level - 1) * (1 + 1e-3) / 2
    offset = 0.0 if level % 2 else 0.5
    return math.atanh((step + offset) / half) - math.atanh(offset / half)


def cells(levels: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Steps from the centre of every cell, in the order of the index: the first channel is the least significant."""
    ranges = [range(-(level // 2), level - level // 2) for level in reversed(levels)]
    return [cell[::-1] for cell in itertools.product(*ranges)]


@pytest.mark.parametrize("levels", LEVEL_SETS)
def test_every_cell_has_its_index_and_comes_back(levels: tuple[int, ...]) -> None:
    quantizer = identity(levels)
    every = cells(levels)
    z = torch.tensor([[preimage(step, level) for step, level in zip(cell, levels, strict=True)] for cell in every])
    assert torch.equal(quantizer.encode(z), torch.arange(math.prod(levels)))
    expected = torch.tensor([[s / (level // 2) for s, level in zip(cell, levels, strict=True)] for cell in every])
    torch.testing.assert_close(quantizer.decode(torch.arange(math.prod(levels))), expected)
    torch.testing.assert_close(quantizer(z).quantized, expected)
    torch.testing.assert_close(quantizer.latents(z), torch.tensor(every, dtype=torch.float32), rtol=0, atol=2e-4)
    torch.testing.assert_close(quantizer.latent_codebook, torch.tensor(every, dtype=torch.float32))
    positions = [tuple(step + level // 2 for step, level in zip(cell, levels, strict=True)) for cell in every]
    assert quantizer.positions is not None
    assert [tuple(place) for place in quantizer.positions.tolist()] == positions


@pytest.mark.parametrize("levels", LEVEL_SETS)
def test_zero_is_the_centre_and_the_ends_are_reached(levels: tuple[int, ...]) -> None:
    quantizer = identity(levels)
    torch.testing.assert_close(
        quantizer.latents(torch.zeros(1, len(levels))), torch.zeros(1, len(levels)), atol=1e-6, rtol=0
    )
    far = torch.full((1, len(levels)), 50.0)
    assert quantizer.encode(far).item() == math.prod(levels) - 1
    assert quantizer.encode(-far).item() == 0


@pytest.mark.parametrize("levels", LEVEL_SETS)
def test_codes_agree_with_vector_quantize_pytorch(levels: tuple[int, ...]) -> None:
    library = pytest.importorskip("vector_quantize_pytorch", reason="the independent implementation is not installed")
    other = library.FSQ(list(levels))
    ours = identity(levels)
    z = 1.5 * torch.randn(10_000, len(levels), generator=torch.Generator().manual_seed(0))
    expected, expected_codes = other(z[None])
    half = torch.tensor([(level - 1) * 1.001 / 2 for level in levels], dtype=torch.float64)
    offset = torch.tensor([0.0 if level % 2 else 0.5 for level in levels], dtype=torch.float64)
    bounded = torch.tanh(z.double() + torch.atanh(offset / half)) * half - offset
    clear = ((bounded - bounded.floor() - 0.5).abs() > 1e-5).all(1)  # no rounding can decide these otherwise
    assert clear.float().mean() > 0.995
    codes = ours.encode(z)
    assert torch.equal(codes[clear], expected_codes[0].long()[clear])
    torch.testing.assert_close(ours(z).quantized[clear], expected[0][clear])
    assert codes.unique().numel() > 0.8 * math.prod(levels)


@pytest.mark.parametrize("levels", LEVEL_SETS)
def test_codes_behind_projections_agree_with_vector_quantize_pytorch(levels: tuple[int, ...]) -> None:
    library = pytest.importorskip("vector_quantize_pytorch", reason="the independent implementation is not installed")
    width = 9  # above the channels of every set, so that both project
    generator = torch.Generator().manual_seed(1)
    ours = quantizers.create("fsq", num_codes=math.prod(levels), code_dim=width, levels=levels).eval()
    assert isinstance(ours, quantizers.FSQ)
    other = library.FSQ(list(levels), dim=width).eval()
    z = torch.randn(10_000, width, generator=generator) @ torch.randn(width, width, generator=generator)
    ours.initialise(z)
    other.load_state_dict(
        {name: value for name, value in ours.state_dict().items() if name.startswith("project_")}, strict=True
    )
    steps = ours.latents(z).detach()
    clear = ((steps - steps.floor() - 0.5).abs() > 1e-4).all(1)  # no rounding can decide these otherwise
    assert clear.float().mean() > 0.99
    with torch.no_grad():
        expected, expected_codes = other(z[None])
        actual = ours(z)
    assert torch.equal(actual.codes[clear], expected_codes[0].long()[clear])
    torch.testing.assert_close(actual.quantized[clear], expected[0][clear])
    assert actual.codes.unique().numel() > 0.1 * math.prod(levels)
    every = torch.arange(math.prod(levels))
    with torch.no_grad():
        torch.testing.assert_close(ours.decode(every), other.indices_to_codes(every))


def test_the_gradient_of_the_rounding_is_that_of_the_bound() -> None:
    quantizer = identity((8, 5)).train()
    z = torch.tensor([[0.3, -0.8]], requires_grad=True)
    quantizer(z).quantized.sum().backward()
    # d/dz of half * tanh(z + shift) / floor(L / 2)
    expected = []
    for value, level in zip((0.3, -0.8), (8, 5), strict=True):
        half, offset = (level - 1) * 1.001 / 2, 0.0 if level % 2 else 0.5
        slope = 1 - math.tanh(value + math.atanh(offset / half)) ** 2
        expected.append(half * slope / (level // 2))
    assert z.grad is not None
    assert z.grad.flatten().tolist() == pytest.approx(expected, rel=1e-5)


def test_levels_are_the_papers_where_it_names_the_size() -> None:
    published = {
        64: (8, 8),
        256: (8, 6, 5),
        1024: (8, 5, 5, 5),
        2304: (8, 8, 6, 6),
        4096: (7, 5, 5, 5, 5),
        16384: (8, 8, 8, 6, 5),
        65536: (8, 8, 8, 5, 5, 5),
    }
    assert {codes: levels_for(codes) for codes in published} == published
    products = {256: 240, 1024: 1000, 4096: 4375}
    assert {codes: math.prod(levels_for(codes)) for codes in products} == products


def brute_force(num_codes: int) -> tuple[int, ...]:
    """Nearest product of two or more levels of 5 to 8; the one with more channels among equals."""
    best: tuple[tuple[int, int], tuple[int, ...]] | None = None
    for channels in range(2, 7):
        for levels in itertools.combinations_with_replacement((8, 7, 6, 5), channels):
            rank = (abs(math.prod(levels) - num_codes), -channels)
            if best is None or rank < best[0]:
                best = (rank, levels)
    assert best is not None
    return best[1]


@pytest.mark.parametrize(
    "num_codes", [25, 26, 31, 48, 100, 128, 200, 213, 300, 512, 777, 1023, 2048, 3000, 3667, 3923, 9000]
)
def test_other_sizes_take_the_nearest_product(num_codes: int) -> None:
    levels, expected = levels_for(num_codes), brute_force(num_codes)
    assert abs(math.prod(levels) - num_codes) == abs(math.prod(expected) - num_codes)
    assert len(levels) == len(expected)
    assert levels == tuple(sorted(levels, reverse=True))
    assert all(5 <= level <= 8 for level in levels)


@pytest.mark.parametrize("num_codes", [3, 4, 16, 24])
def test_few_codes_take_one_channel(num_codes: int) -> None:
    assert levels_for(num_codes) == (num_codes,)
    assert quantizers.create("fsq", num_codes=num_codes, code_dim=4).num_codes == num_codes


@settings(deadline=None, max_examples=200, derandomize=True)
@given(num_codes=st.integers(3, 1 << 20), width=st.integers(1, 9))
def test_there_are_no_more_channels_than_dimensions(num_codes: int, width: int) -> None:
    """The nearest product of levels that are equal or one apart, by counting all of them."""
    usual = levels_for(num_codes)
    if 1000**width < 0.9 * num_codes:
        with pytest.raises(ValueError, match=rf"at most {1000**width} codes in {width} channels"):
            levels_for(num_codes, width)
    elif len(usual) <= width:
        assert levels_for(num_codes, width) == usual
    else:
        levels = levels_for(num_codes, width)
        assert len(levels) == width
        assert 3 <= min(levels) <= max(levels) <= min(1000, min(levels) + 1)
        distances = [
            abs(low ** (width - more) * (low + 1) ** more - num_codes)
            for low in range(3, 1000)
            for more in range(width + 1)
            if low ** (width - more) * (low + 1) ** more <= 1 << 20
        ]
        assert abs(math.prod(levels) - num_codes) == min(distances)


@pytest.mark.parametrize("width", [1, 2, 8])
def test_two_codes_make_no_lattice(width: int) -> None:
    with pytest.raises(ValueError, match=r"at least 3 codes, got 2: .* --codebook-size 3 or more"):
        quantizers.create("fsq", num_codes=2, code_dim=width)


@pytest.mark.parametrize(("num_codes", "side"), [(64, 8), (100, 10), (256, 16), (1024, 32), (1000, 32), (4096, 64)])
def test_two_channels_make_a_square(num_codes: int, side: int) -> None:
    quantizer = quantizers.create("fsq:2d", num_codes=num_codes, code_dim=8)
    assert isinstance(quantizer, quantizers.FSQ)
    assert quantizer.levels == (side, side)
    assert quantizer.num_codes == side**2
    assert quantizer.describe() == {"levels": [side, side]}
    assert quantizer.positions is not None
    assert quantizer.positions.max() == side - 1


def test_the_nearest_number_of_equal_levels_is_taken() -> None:
    # 425 lies between 7^3 = 343 (82 away) and 8^3 = 512 (87 away).
    quantizer = quantizers.create("fsq", num_codes=425, code_dim=8, channels=3)
    assert quantizer.num_codes == 343


@pytest.mark.parametrize(("levels", "code_dim"), [((8, 8), 4), ((7, 5, 5, 5, 5), 8)])
def test_the_network_and_not_the_codebook_holds_its_numbers(levels: tuple[int, ...], code_dim: int) -> None:
    quantizer = quantizers.create("fsq", num_codes=64, code_dim=code_dim, levels=levels)
    channels = len(levels)
    assert quantizer.codebook_values == 0
    assert quantizer.network_parameters == (code_dim * channels + channels) + (channels * code_dim + code_dim)
    assert quantizer.network_parameters == sum(value.numel() for value in quantizer.parameters())


def test_it_starts_on_the_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([5.0, 0.1, 2.0, 0.1])
    z = torch.randn(4000, 4, generator=generator) * scales + torch.tensor([1.0, -2.0, 3.0, 0.0])
    quantizer = quantizers.create("fsq", num_codes=64, code_dim=4)
    assert isinstance(quantizer, quantizers.FSQ)
    quantizer.initialise(z)
    projected = quantizer.project_in(z).detach()
    torch.testing.assert_close(projected.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(projected.std(0, unbiased=False), torch.ones(2), atol=1e-4, rtol=0)
    leading = quantizer.project_in.weight.detach().abs().argmax(1)
    assert leading.tolist() == [0, 2]
    error = (quantizer.eval()(z).quantized - z).square().mean(0)
    # Eight unit-variance levels a channel keep most of the two large axes and nothing of the small ones.
    assert error[0] < 0.1 * 25
    assert error[2] < 0.1 * 4
    torch.testing.assert_close(error[[1, 3]], torch.full((2,), 0.01), rtol=0.1, atol=0)


def test_lattices_that_cannot_be_are_refused() -> None:
    for parameters, message in [
        ({"levels": (8, 2)}, "at least 3"),
        ({"channels": 5}, "0 <= channels <= 4"),
        ({"channels": -1}, "0 <= channels <= 4"),
        ({"levels": (5, 5, 5, 5, 5)}, r"at most 4 \(D\) levels"),
        ({"levels": (1000, 1000, 1000)}, "1048576 codes"),
    ]:
        with pytest.raises(ValueError, match=message):
            quantizers.create("fsq", num_codes=64, code_dim=4, **parameters)
