import math

import numpy as np
import pytest
import torch

import quantizers


def neighbourhood_matrix(
    kind: str, places: list[tuple[int, ...]], step: int, progress: float, options: dict[str, float | str]
) -> np.ndarray:
    """A(t) of research 1.2, entry by entry; under the sigma schedule the laws that the class names."""
    codes = len(places)
    longer = max(max(axis) + 1 for axis in zip(*places, strict=True))
    start = float(options.get("sigma_start", 0.0)) or max(longer / 4, 1.0)
    sigma = start * (0.1 / start) ** progress
    shrink = 1 / (1 + float(options["tau"]) * step)
    by_steps = options["schedule"] == "tau"
    matrix = np.eye(codes)
    for i in range(codes):
        for j in range(codes):
            if i == j or kind == "none":
                continue
            apart = math.dist(places[i], places[j])
            width = float(options["base"]) * shrink if by_steps else sigma
            if kind == "hard":
                coefficient = shrink if by_steps else math.exp(-1 / (2 * sigma**2))
                adjacent = max(abs(a - b) for a, b in zip(places[i], places[j], strict=True)) == 1
                matrix[i, j] = coefficient if adjacent else 0.0
            elif kind == "gaussian":
                matrix[i, j] = math.exp(-(apart**2) / (2 * width**2))
            else:
                matrix[i, j] = math.exp(-apart / width)
    return matrix


GRIDS = {
    (12, 2): [(row, column) for row in range(3) for column in range(4)],
    (10, 1): [(place,) for place in range(10)],
    (9, 2): [(row, column) for row in range(3) for column in range(3)],
    (12, 3): [(layer, row, column) for layer in range(2) for row in range(2) for column in range(3)],
}


@pytest.mark.parametrize("smoothing", ["none", "transient", "persistent"])
@pytest.mark.parametrize("schedule", ["tau", "sigma"])
@pytest.mark.parametrize("kind", ["hard", "gaussian", "exponential"])
@pytest.mark.parametrize(("codes", "dimensions"), GRIDS)
def test_steps_follow_the_dense_neighbourhood_matrix(
    codes: int, dimensions: int, kind: str, schedule: str, smoothing: str
) -> None:
    places = GRIDS[codes, dimensions]
    options: dict[str, float | str] = {"tau": 0.3, "base": 4.0, "schedule": schedule}
    random = np.random.default_rng(codes)
    vectors = random.normal(size=(codes, 3))
    sums, counts = vectors.copy(), np.ones(codes)
    start = vectors.copy()
    quantizer = quantizers.create(
        "ksom",
        num_codes=codes,
        code_dim=3,
        decay=0.9,
        neighbourhood=kind,
        dimensions=dimensions,
        smoothing=smoothing,
        **options,
    )
    quantizer.codebook = torch.tensor(vectors, dtype=torch.float32)
    steps = 15
    for step in range(steps):
        batch = random.normal(size=(8, 3))
        matrix = neighbourhood_matrix(kind, places, step, step / steps, options)
        hits, added = np.zeros(codes), np.zeros((codes, 3))
        winners = []
        for row in batch:
            winner = int(((row - vectors) ** 2).sum(1).argmin())
            winners.append(winner)
            for code in range(codes):
                hits[code] += matrix[winner, code]
                added[code] += matrix[winner, code] * row
        counts = 0.9 * counts + 0.1 * hits
        if smoothing == "persistent":
            counts = (counts + 1e-5) / (counts.sum() + codes * 1e-5) * counts.sum()
        sums = 0.9 * sums + 0.1 * added
        divisor = counts
        if smoothing == "transient":
            divisor = (counts + 1e-5) / (counts.sum() + codes * 1e-5) * counts.sum()
        vectors = sums / divisor[:, None]
        z = torch.tensor(batch, dtype=torch.float32)
        chosen = quantizer.encode(z)
        assert chosen.tolist() == winners
        quantizer.update(z, chosen, torch.tensor(step / steps))
        np.testing.assert_allclose(quantizer.codebook.numpy(), vectors, rtol=1e-5, atol=1e-5)
    assert np.abs(vectors - start).max() > 0.2


@pytest.mark.parametrize("update_zero", [True, False])
@pytest.mark.parametrize("initial_count", [0.0, 1.0])
@pytest.mark.parametrize("smoothing", ["none", "transient", "persistent"])
def test_without_a_neighbourhood_it_is_vq_exactly(smoothing: str, initial_count: float, update_zero: bool) -> None:
    switches = {"smoothing": smoothing, "initial_count": initial_count, "update_zero": update_zero}
    plain = quantizers.create("vq", num_codes=24, code_dim=3, decay=0.99, **switches)
    map_ = quantizers.create("ksom", num_codes=24, code_dim=3, neighbourhood="none", **switches)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(24, 3, generator=generator)
    plain.codebook = start
    map_.codebook = start
    for step in range(30):
        z = torch.randn(40, 3, generator=generator)
        codes = plain.encode(z)
        assert torch.equal(codes, map_.encode(z))
        plain.update(z, codes, torch.tensor(step / 30))
        map_.update(z, codes, torch.tensor(step / 30))
        assert torch.equal(plain.codebook, map_.codebook)
    assert not torch.equal(plain.codebook, start)


def test_update_zero_spares_only_codes_without_hits_nearby() -> None:
    # A line of five codes, one vector on code 0, hard neighbourhood: codes 0 and 1 share it, 2 to 4 get nothing.
    quantizer = quantizers.create(
        "ksom",
        num_codes=5,
        code_dim=1,
        dimensions=1,
        neighbourhood="hard",
        schedule="tau",
        decay=0.5,
        smoothing="none",
        update_zero=False,
    )
    assert isinstance(quantizer, quantizers.KSOM)
    quantizer.codebook = torch.tensor([[0.0], [10.0], [20.0], [30.0], [40.0]])
    z = torch.tensor([[2.0]])
    quantizer.update(z, quantizer.encode(z), torch.tensor(0.0))
    # (0 + 2) / 2 and (10 + 2) / 2 over N = (1 + 1) / 2, at t = 0 with coefficient 1.
    assert quantizer.codebook.flatten().tolist() == [1.0, 6.0, 20.0, 30.0, 40.0]
    assert quantizer.average.totals[:, 1].tolist() == [1.0, 1.0, 1.0, 1.0, 1.0]
    # The next step has coefficient 1 / 1.1: code 1 gets 2 / 1.1 of sum and 1 / 1.1 of hit.
    quantizer.update(z, quantizer.encode(z), torch.tensor(0.0))
    share = 1 / 1.1
    expected = (0.5 * 6 + 0.5 * 2 * share) / (0.5 + 0.5 * share)
    assert quantizer.codebook[1].item() == pytest.approx(expected)


def test_setting_the_codebook_restarts_the_steps() -> None:
    quantizer = quantizers.create("ksom:paper", num_codes=9, code_dim=2)
    assert isinstance(quantizer, quantizers.KSOM)
    quantizer.initialise(torch.randn(20, 2, generator=torch.Generator().manual_seed(0)))
    for _ in range(3):
        quantizer.update(torch.zeros(1, 2), torch.tensor([0]), torch.tensor(0.0))
    assert quantizer.steps.item() == 3
    quantizer.codebook = torch.zeros(9, 2)
    assert quantizer.steps.item() == 0


def test_the_grid_follows_the_dimensions() -> None:
    flat = quantizers.create("ksom", num_codes=12, code_dim=2, dimensions=1)
    square = quantizers.create("ksom", num_codes=12, code_dim=2)
    assert flat.positions is not None
    assert square.positions is not None
    assert flat.positions.tolist() == [[place] for place in range(12)]
    assert [tuple(place) for place in square.positions.tolist()] == GRIDS[12, 2]


def test_the_bandwidth_starts_at_a_quarter_of_the_longer_side() -> None:
    # 16 x 16 codes: sigma 4 at the start, so that a hit on code (0, 0) reaches (4, 0) with weight e^-1/2.
    quantizer = quantizers.create("ksom", num_codes=256, code_dim=1, decay=0.0, smoothing="none")
    assert isinstance(quantizer, quantizers.KSOM)
    quantizer.codebook = torch.arange(256.0)[:, None]
    quantizer.update(torch.zeros(1, 1), torch.tensor([0]), torch.tensor(0.0))
    assert quantizer.average.totals[4 * 16, 1].item() == pytest.approx(math.exp(-0.5))
    quantizer.update(torch.zeros(1, 1), torch.tensor([0]), torch.tensor(1.0))
    assert quantizer.average.totals[1, 1].item() == pytest.approx(math.exp(-50))
