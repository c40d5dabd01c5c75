import math

import numpy as np
import pytest
import torch

import quantizers


def test_one_step_by_hand() -> None:
    # A 2 x 2 grid, sigma 1 throughout: h = e^-1/2 for the two beside the winner, e^-1 across the diagonal.
    # One vector, 8, is nearest to code 3 (at 6); a share 1 - (1 - rate)^h of the way is gone.
    quantizer = quantizers.create(
        "som-hard", num_codes=4, code_dim=1, rate=0.5, sigma_start=1.0, sigma_end=1.0, warm_up_share=0.0
    )
    quantizer.codebook = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    z = torch.tensor([[8.0]])
    codes = quantizer.encode(z)
    assert codes.tolist() == [3]
    quantizer.update(z, codes, torch.tensor(0.0))
    beside, across = 1 - 0.5 ** math.exp(-0.5), 1 - 0.5 ** math.exp(-1)
    expected = [8 * across, 2 + 6 * beside, 4 + 4 * beside, 7.0]
    torch.testing.assert_close(quantizer.codebook.flatten(), torch.tensor(expected))


def test_two_vectors_on_different_codes_by_hand() -> None:
    # A line would be 1 x 3; sigma 1: h(1) = e^-1/2, h(2) = e^-2. Vectors 0 on code 0 and 20 on code 2.
    quantizer = quantizers.create("som-hard", num_codes=3, code_dim=1, rate=0.1, sigma_start=1.0, sigma_end=1.0)
    quantizer.codebook = torch.tensor([[1.0], [9.0], [19.0]])
    z = torch.tensor([[0.0], [20.0]])
    quantizer.update(z, quantizer.encode(z), torch.tensor(0.7))
    near, far = math.exp(-0.5), math.exp(-2)
    weights = [(1.0, far), (near, near), (far, 1.0)]
    expected = []
    for code, (first, second) in zip([1.0, 9.0, 19.0], weights, strict=True):
        mean = (0 * first + 20 * second) / (first + second)
        expected.append(code + (1 - 0.9 ** (first + second)) * (mean - code))
    torch.testing.assert_close(quantizer.codebook.flatten(), torch.tensor(expected))


@pytest.mark.parametrize("label", ["som-hard", "som-vq"])
def test_a_step_on_a_cube_by_hand(label: str) -> None:
    # 2 x 2 x 2 codes at 0 and one vector, 1, on code 0: a code that differs in d of its three coordinates goes a share
    # 1 - (1 - rate)^(e^(-d / 2)) of the way. The binary digits of the codes are their coordinates.
    rates = {"som-hard": "rate", "som-vq": "warm_up_rate"}
    parameters = {rates[label]: 0.5, "sigma_start": 1.0, "sigma_end": 1.0, "warm_up_share": 0.5}
    quantizer = quantizers.create(label, num_codes=8, code_dim=1, dimensions=3, **parameters)
    assert quantizer.positions is not None
    assert quantizer.positions.tolist() == [[code >> 2, code >> 1 & 1, code & 1] for code in range(8)]
    quantizer.codebook = torch.zeros(8, 1)
    quantizer.update(torch.ones(1, 1), torch.tensor([0]), torch.tensor(0.1))
    expected = [1 - 0.5 ** math.exp(-code.bit_count() / 2) for code in range(8)]
    torch.testing.assert_close(quantizer.codebook.flatten(), torch.tensor(expected))


@pytest.mark.parametrize(("progress", "sigma"), [(0.0, 3.0), (0.5, math.sqrt(3.0 * 0.5)), (1.0, 0.5)])
def test_the_bandwidth_narrows_from_half_the_side_to_a_half(progress: float, sigma: float) -> None:
    quantizer = quantizers.create("som-hard", num_codes=36, code_dim=1, rate=0.5)
    quantizer.codebook = torch.zeros(36, 1)
    quantizer.update(torch.ones(1, 1), torch.tensor([0]), torch.tensor(progress))
    neighbour = 1 - 0.5 ** math.exp(-1 / (2 * sigma**2))
    assert quantizer.codebook[1].item() == pytest.approx(neighbour, rel=1e-5)


def errors(codebook: np.ndarray, data: np.ndarray) -> tuple[float, float]:
    """Mean distance to the nearest of 6 x 6 codes, and the share of points whose two nearest are not adjacent."""
    apart = np.linalg.norm(data[:, None] - codebook.reshape(36, 2)[None], axis=2)
    order = apart.argsort(1)
    first, second = np.divmod(order[:, 0], 6), np.divmod(order[:, 1], 6)
    grid = np.maximum(np.abs(first[0] - second[0]), np.abs(first[1] - second[1]))
    return float(apart.min(1).mean()), float((grid > 1).mean())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_map_of_a_square_is_no_worse_than_minisom(seed: int) -> None:
    library = pytest.importorskip("minisom", reason="the independent self-organising map is not installed")
    samples, batch = 8_192, 128
    data = np.random.default_rng(seed).uniform(-1, 1, size=(samples, 2))
    other = library.MiniSom(
        6,
        6,
        2,
        sigma=3.0,
        learning_rate=0.1,
        random_seed=seed,
        decay_function=lambda rate, step, steps: rate,
        sigma_decay_function="linear_decay_to_one",
    )
    other.random_weights_init(data)
    other.train(data, samples)
    z = torch.tensor(data, dtype=torch.float32)
    ours = quantizers.create("som-hard", num_codes=36, code_dim=2, sigma_start=3.0, sigma_end=1.0, rate=0.1)
    ours.initialise(z)
    steps = samples // batch
    for step, rows in enumerate(z.reshape(steps, batch, 2)):
        ours.update(rows, ours.encode(rows), torch.tensor(step / steps))
    distance, topographic = errors(ours.codebook.numpy(), data)
    other_distance, other_topographic = errors(other.get_weights(), data)
    assert distance < 1.05 * other_distance
    assert topographic <= other_topographic + 0.01
    assert topographic < 0.01  # an untrained map is at 0.6


def test_a_narrow_end_reaches_the_distance_of_the_best_possible_map() -> None:
    data = np.random.default_rng(0).uniform(-1, 1, size=(8_192, 2))
    z = torch.tensor(data, dtype=torch.float32)
    quantizer = quantizers.create("som-hard", num_codes=36, code_dim=2)
    quantizer.initialise(z)
    assert errors(quantizer.codebook.numpy(), data)[1] > 0.5
    for step, rows in enumerate(z.reshape(64, 128, 2)):
        quantizer.update(rows, quantizer.encode(rows), torch.tensor(step / 64))
    # 6 x 6 squares of side 1/3: mean distance to the centre (sqrt 2 + asinh 1) / 6 of the side, 0.1275.
    centred = (math.sqrt(2) + math.asinh(1)) / 18
    assert 0.98 * centred < errors(quantizer.codebook.numpy(), data)[0] < 1.1 * centred
