import numpy as np
import pytest
import torch

import quantizers
from quantizers import _ema
from quantizers._ema import MovingAverage

# Codes 0, 2 and 10 at decay 0.5. Of the batch 0.5, 1.5, 2.5 the first hits code 0 and the others code 1:
# n = (1, 2, 0), S = (0.5, 4, 0). Sums m(0) = codes, so m = (0, 2, 10) / 2 + S / 2 = (0.25, 3, 5).
# N(0) = 1: N = (1, 1.5, 0.5), 3 in all; N(0) = 0: N = (0.5, 1, 0), 1.5 in all.
# Without update-0 code 2 keeps m = 10 and N = N(0): 3.5 or 1.5 in all.
# Smoothed with epsilon = 0.5 (so that it can be seen): N~ = (N + 0.5) / (total + 1.5) * total.
BY_HAND = {
    ("none", 1.0, True): ([0.25, 2.0, 10.0], [1.0, 1.5, 0.5]),
    ("none", 0.0, True): ([0.5, 3.0, 10.0], [0.5, 1.0, 0.0]),
    ("none", 1.0, False): ([0.25, 2.0, 10.0], [1.0, 1.5, 1.0]),
    ("none", 0.0, False): ([0.5, 3.0, 10.0], [0.5, 1.0, 0.0]),
    # N~ = (1.5, 2, 1) / 4.5 * 3 = (1, 4/3, 2/3)
    ("transient", 1.0, True): ([0.25, 2.25, 7.5], [1.0, 1.5, 0.5]),
    ("persistent", 1.0, True): ([0.25, 2.25, 7.5], [1.0, 4 / 3, 2 / 3]),
    # N~ = (1, 1.5, 0.5) / 3 * 1.5 = (0.5, 0.75, 0.25)
    ("transient", 0.0, True): ([0.5, 4.0, 20.0], [0.5, 1.0, 0.0]),
    ("persistent", 0.0, True): ([0.5, 4.0, 20.0], [0.5, 0.75, 0.25]),
    # N~ = (1.5, 2, 1.5) / 5 * 3.5 = (1.05, 1.4, 1.05)
    ("transient", 1.0, False): ([0.25 / 1.05, 3 / 1.4, 10.0], [1.0, 1.5, 1.0]),
    ("transient", 0.0, False): ([0.5, 4.0, 10.0], [0.5, 1.0, 0.0]),
}


@pytest.mark.parametrize(("smoothing", "initial_count", "update_zero"), BY_HAND)
def test_one_step_by_hand(
    smoothing: str, initial_count: float, update_zero: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ema, "EPSILON", 0.5)
    quantizer = quantizers.create(
        "vq",
        num_codes=3,
        code_dim=1,
        decay=0.5,
        smoothing=smoothing,
        initial_count=initial_count,
        update_zero=update_zero,
    )
    quantizer.codebook = torch.tensor([[0.0], [2.0], [10.0]])
    z = torch.tensor([[1.5], [0.5], [2.5]])
    codes = quantizer.encode(z)
    assert codes.tolist() == [1, 0, 1]
    quantizer.update(z, codes, torch.tensor(0.0))
    vectors, counts = BY_HAND[smoothing, initial_count, update_zero]
    torch.testing.assert_close(quantizer.codebook.flatten(), torch.tensor(vectors))
    assert isinstance(quantizer, quantizers.VQ)
    torch.testing.assert_close(quantizer.average.totals[:, 1], torch.tensor(counts))
    sums = [0.25, 3.0, 5.0 if update_zero else 10.0]
    torch.testing.assert_close(quantizer.average.totals[:, 0], torch.tensor(sums))


def test_a_code_that_returns_takes_up_its_decayed_sums() -> None:
    # m(0) = 4, N(0) = 0, decay 0.5, no smoothing. Two steps without a hit: m = 1, N = 0, the code waits at 4.
    # Then one hit by 2: m = 0.5 + 1 = 1.5, N = 0.5, code 3.
    average = MovingAverage(1, 1, 0.5, "none", 0.0, True)
    vectors = torch.tensor([[4.0]])
    average.restart(vectors)
    for _ in range(2):
        average.step(vectors, torch.zeros(1, 2))
        assert vectors.item() == 4.0
    average.step(vectors, torch.tensor([[2.0, 1.0]]))
    assert vectors.item() == 3.0


def scalar_averages(
    steps: int, smoothing: str, initial_count: float, codes: int = 512, hits: float = 32.0
) -> dict[int, float]:
    """Norm of a code that is never hit, by the KSOM code's recursion (research 1.1), in doubles.

    All other codes are alike, so one number stands for them; half of the codes get 2 * `hits` a step.
    """
    decay, epsilon = 0.99, 1e-5
    dead, alive, moved = initial_count, initial_count, 1.0
    norms = {}
    for step in range(1, steps + 1):
        dead, alive, moved = decay * dead, decay * alive + (1 - decay) * 2 * hits, decay * moved
        total = codes / 2 * (dead + alive)
        smoothed, other = ((n + epsilon) / (total + codes * epsilon) * total for n in (dead, alive))
        norms[step] = moved / (dead if smoothing == "none" else smoothed)
        if smoothing == "persistent":
            dead, alive = smoothed, other
    return norms


# research 1.4: norm of a never-hit code over its norm at the start, after so many steps; tolerance as printed.
PUBLISHED = {
    ("persistent", 0.0): {1: 99_000, 100: 577, 500: 6.6, 700: 0.88, 1000: 0.043, 1500: 2.8e-4, 3000: 8e-11},
    ("persistent", 1.0): {1: 1.0, 100: 0.998, 500: 0.869, 700: 0.468, 1000: 0.041, 1500: 2.8e-4, 3000: 8e-11},
    ("transient", 0.0): {1: 99_000, 100: 36_600, 500: 657, 700: 88, 1000: 4.3, 1500: 0.028, 3000: 8e-9},
    ("transient", 1.0): {1: 1.0, 100: 1.0, 500: 0.998, 700: 0.989, 1000: 0.81, 1500: 0.028, 3000: 8e-9},
}


def never_hit(smoothing: str, initial_count: float, update_zero: bool, steps: int) -> dict[int, float]:
    codes = 512
    average = MovingAverage(codes, 1, 0.99, smoothing, initial_count, update_zero)
    vectors = torch.ones(codes, 1)
    average.restart(vectors)
    batch = torch.zeros(codes, 2)
    batch[: codes // 2] = 64.0  # 16,384 vectors a step, all equal to 1, on half of the codes
    norms = {}
    for step in range(1, steps + 1):
        average.step(vectors, batch)
        norms[step] = abs(vectors[-1].item())
        assert step > 3 or vectors[0].item() == pytest.approx(1.0 if initial_count else 1 + 0.99**step / 0.64, rel=0.7)
    return norms


@pytest.mark.parametrize(("smoothing", "initial_count"), PUBLISHED)
def test_a_never_hit_code_is_thrown_away_and_then_falls_to_the_origin(smoothing: str, initial_count: float) -> None:
    norms = never_hit(smoothing, initial_count, update_zero=True, steps=3000)
    expected = scalar_averages(3000, smoothing, initial_count)
    for step, printed in PUBLISHED[smoothing, initial_count].items():
        assert norms[step] == pytest.approx(expected[step], rel=5e-3)
        assert norms[step] == pytest.approx(printed, rel=0.06)
    assert norms[1] == pytest.approx(0.99 / 1e-5 if initial_count == 0 else 1.0, rel=1e-3)
    assert norms[3000] < 1e-8


@pytest.mark.parametrize("initial_count", [0.0, 1.0])
@pytest.mark.parametrize("smoothing", ["none", "transient", "persistent"])
def test_without_update_zero_a_never_hit_code_stays(smoothing: str, initial_count: float) -> None:
    assert set(never_hit(smoothing, initial_count, update_zero=False, steps=300).values()) == {1.0}


@pytest.mark.parametrize("initial_count", [0.0, 1.0])
def test_without_smoothing_a_never_hit_code_stays(initial_count: float) -> None:
    norms = never_hit("none", initial_count, update_zero=True, steps=300)
    assert all(norm == pytest.approx(1.0, rel=1e-5) for norm in norms.values())


@pytest.mark.parametrize("update_zero", [True, False])
@pytest.mark.parametrize("initial_count", [0.0, 1.0])
@pytest.mark.parametrize("smoothing", ["none", "transient", "persistent"])
def test_many_steps_follow_the_recursion_in_plain_loops(
    smoothing: str, initial_count: float, update_zero: bool
) -> None:
    random = np.random.default_rng(0)
    codes, width, decay, epsilon = 7, 2, 0.9, 1e-5
    vectors = random.normal(size=(codes, width))
    sums, counts = vectors.copy(), np.full(codes, initial_count)
    quantizer = quantizers.create(
        "vq",
        num_codes=codes,
        code_dim=width,
        decay=decay,
        smoothing=smoothing,
        initial_count=initial_count,
        update_zero=update_zero,
    )
    quantizer.codebook = torch.tensor(vectors, dtype=torch.float32)
    for _ in range(15):
        batch = random.normal(size=(6, width))
        hits, added = np.zeros(codes), np.zeros((codes, width))
        winners = []
        for row in batch:
            winner = int(np.argmin([((row - vector) ** 2).sum() for vector in vectors]))
            winners.append(winner)
            hits[winner] += 1
            added[winner] += row
        for code in range(codes):
            if update_zero or hits[code]:
                counts[code] = decay * counts[code] + (1 - decay) * hits[code]
                sums[code] = decay * sums[code] + (1 - decay) * added[code]
        total = counts.sum()
        smoothed = counts if smoothing == "none" else (counts + epsilon) / (total + codes * epsilon) * total
        for code in range(codes):
            if smoothed[code] > 0 and (update_zero or hits[code]):
                vectors[code] = sums[code] / smoothed[code]
        if smoothing == "persistent":
            counts = smoothed.copy()
        z = torch.tensor(batch, dtype=torch.float32)
        chosen = quantizer.encode(z)
        assert chosen.tolist() == winners
        quantizer.update(z, chosen, torch.tensor(0.0))
        np.testing.assert_allclose(quantizer.codebook.numpy(), vectors, rtol=2e-4, atol=1e-5)


def test_a_hundred_steps_agree_with_vector_quantize_pytorch() -> None:
    library = pytest.importorskip("vector_quantize_pytorch", reason="the independent implementation is not installed")
    codes, width = 32, 4
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(codes, width, generator=generator)
    other = library.VectorQuantize(
        dim=width, codebook_size=codes, decay=0.99, eps=1e-5, rotation_trick=False, commitment_weight=0.25
    )
    other._codebook.embed.data.copy_(start[None])
    other._codebook.embed_avg.data.copy_(start[None])
    other.train()
    usual = {"decay": 0.99, "commitment": 0.25, "smoothing": "transient"}
    ours = quantizers.create("vq", num_codes=codes, code_dim=width, **usual).train()
    ours.codebook = start
    for _ in range(100):
        z = 1.5 * torch.randn(128, width, generator=generator)
        expected, expected_codes, expected_loss = other(z[None])
        quantized, chosen, loss = ours(z)
        ours.update(z, chosen, torch.tensor(0.0))
        assert torch.equal(chosen, expected_codes[0])
        torch.testing.assert_close(quantized, expected[0], rtol=0, atol=1e-5)
        torch.testing.assert_close(loss, expected_loss.squeeze(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours.codebook, other.codebook, rtol=0, atol=1e-5)
    assert (ours.codebook - start).abs().max() > 0.1


@pytest.mark.parametrize("smoothing", ["transient", "persistent"])
def test_a_hundred_steps_with_codes_that_nothing_hits_agree_with_vector_quantize_pytorch(smoothing: str) -> None:
    """Counts that fall to .99^100 are where smoothing shows; the library's is transient unless it is written back."""
    library = pytest.importorskip("vector_quantize_pytorch", reason="the independent implementation is not installed")
    codes, width = 32, 4
    generator = torch.Generator().manual_seed(0)
    start = 0.5 * torch.randn(codes, width, generator=generator)
    start[::2] += 2.5
    other = library.VectorQuantize(dim=width, codebook_size=codes, decay=0.99, eps=1e-5, rotation_trick=False)
    book = other._codebook
    book.embed.data.copy_(start[None])
    book.embed_avg.data.copy_(start[None])
    other.train()
    tried = {}
    for name in ("none", "transient", "persistent"):
        tried[name] = quantizers.create("vq", num_codes=codes, code_dim=width, decay=0.99, smoothing=name)
        tried[name].codebook = start
    chosen = set()
    for _ in range(100):
        z = 0.75 * torch.randn(128, width, generator=generator)
        other(z[None])
        if smoothing == "persistent":
            total = book.cluster_size.sum()
            smoothed = library.vector_quantize_pytorch.laplace_smoothing(book.cluster_size, codes, book.eps)
            book.cluster_size.copy_(smoothed * total)
        for quantizer in tried.values():
            actual = quantizer.encode(z)
            quantizer.update(z, actual, torch.tensor(0.0))
        chosen.update(actual.tolist())
        torch.testing.assert_close(tried[smoothing].codebook, other.codebook, rtol=0, atol=1e-5)
    assert 10 < len(chosen) < codes
    errors = {name: (quantizer.codebook - other.codebook).abs().max().item() for name, quantizer in tried.items()}
    assert all(error > 5e-5 for name, error in errors.items() if name != smoothing), errors


def test_persistent_smoothing_leaves_codes_alone_that_do_not_decay() -> None:
    average = MovingAverage(3, 1, 0.99, "persistent", 1.0, False)
    vectors = torch.tensor([[0.0], [1.0], [50.0]])
    average.restart(vectors)
    for _ in range(200):
        average.step(vectors, torch.tensor([[0.0, 128.0], [128.0, 128.0], [0.0, 0.0]]))
    assert average.totals[2].tolist() == [50.0, 1.0]


def test_a_vanishing_share_of_a_hit_moves_nothing() -> None:
    average = MovingAverage(2, 1, 0.99, "none", 0.0, True)
    vectors = torch.tensor([[1.0], [2.0]])
    average.restart(torch.zeros(2, 1))
    average.step(vectors, torch.tensor([[5.0, 1.0], [1e-38, 1e-40]]))
    assert vectors[1].item() == 2.0
    assert vectors[0].item() == pytest.approx(5.0)


@pytest.mark.parametrize("label", ["vq", "vq-vae:paper", "som-vq", "ksom"])
def test_an_update_keeps_no_gradient(label: str) -> None:
    quantizer = quantizers.create(label, num_codes=4, code_dim=2)
    z = torch.randn(20, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    quantizer.initialise(z.detach())
    quantizer.update(z, quantizer.encode(z), torch.tensor(0.5))
    assert not quantizer.codebook.requires_grad
