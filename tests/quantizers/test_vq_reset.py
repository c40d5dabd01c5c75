import pytest
import torch

import quantizers
from quantizers._ema import DeadCodes


def fresh(codes: int, threshold: float, window: float) -> tuple[DeadCodes, torch.Tensor, torch.Tensor]:
    vectors = torch.arange(float(codes))[:, None]
    return DeadCodes(codes, threshold, window), vectors, torch.tensor([[100.0], [101.0], [102.0], [103.0]])


def test_nothing_is_replaced_before_the_window_is_full() -> None:
    # 4 codes and a window of 4 vectors a code: full at 16 vectors.
    dead_codes, vectors, z = fresh(4, 0.25, 4.0)
    before = vectors.clone()
    for _ in range(3):
        dead = dead_codes.replace(vectors, z, torch.tensor([[5.0], [0.0], [0.0], [0.0]]))
        assert not dead.any()
        assert torch.equal(vectors, before)
    assert dead_codes.hits.flatten().tolist() == [15, 0, 0, 0]
    dead = dead_codes.replace(vectors, z, torch.tensor([[0.0], [1.0], [0.0], [0.0]]))
    # 16 vectors, 4 a code, and a quarter of that is 1: one hit is enough to live.
    assert dead.flatten().tolist() == [False, False, True, True]
    assert vectors.flatten().tolist() == [0, 1, 100, 101]
    assert dead_codes.hits.flatten().tolist() == [0, 0, 0, 0]


def test_the_window_starts_anew() -> None:
    dead_codes, vectors, z = fresh(2, 0.5, 1.0)
    assert dead_codes.replace(vectors, z, torch.tensor([[2.0], [0.0]])).flatten().tolist() == [False, True]
    assert not dead_codes.replace(vectors, z, torch.tensor([[1.0], [0.0]])).any()
    assert dead_codes.replace(vectors, z, torch.tensor([[0.0], [1.0]])).flatten().tolist() == [False, False]


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_the_threshold_is_a_share_of_the_uniform_rate(scale: float) -> None:
    # Uniform rate 25: below a share of 0.2 means fewer than 5 hits, whatever the unit.
    dead_codes, vectors, z = fresh(4, 0.2, 25.0 * scale)
    hits = torch.tensor([[4.0], [5.0], [6.0], [85.0]]) * scale
    assert dead_codes.replace(vectors, z, hits).flatten().tolist() == [True, False, False, False]


def test_a_large_codebook_and_a_small_batch_kill_no_living_code() -> None:
    # 256 vectors a step on 1,024 codes are 0.25 hits a step: an absolute threshold of one would kill them all.
    dead_codes = DeadCodes(1024, 0.03, 2.0)
    vectors = torch.zeros(1024, 1)
    for step in range(8):
        hits = torch.zeros(1024, 1)
        hits[256 * (step % 4) : 256 * (step % 4 + 1)] = 1.0
        assert not dead_codes.replace(vectors, torch.ones(256, 1), hits).any()
    assert dead_codes.hits.sum() == 0  # the window was full once, and no code was dead


def test_dead_codes_get_distinct_rows_of_the_batch() -> None:
    quantizer = quantizers.create("vq-reset", num_codes=16, code_dim=2, reset_window=1.0, decay=0.5)
    codebook = torch.full((16, 2), 1000.0)
    codebook[3] = 0.0
    quantizer.codebook = codebook
    z = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    quantizer.update(z, quantizer.encode(z), torch.tensor(0.0))
    replaced = [code for code in range(16) if code != 3]
    assert torch.equal(quantizer.codebook[replaced], z[:15])
    # 0.5 * 0 + 0.5 * sum over 0.5 * 1 + 0.5 * 20 hits
    torch.testing.assert_close(quantizer.codebook[3], z.sum(0) / 21, rtol=1e-4, atol=1e-6)


def test_more_dead_codes_than_rows_take_the_rows_in_turn() -> None:
    dead_codes, vectors, _ = fresh(5, 0.5, 1.0)
    z = torch.tensor([[7.0], [8.0]])
    dead_codes.replace(vectors, z, torch.tensor([[5.0], [0.0], [0.0], [0.0], [0.0]]))
    assert vectors.flatten().tolist() == [0, 7, 8, 7, 8]


def test_a_replaced_code_starts_with_the_weight_of_the_uniform_rate() -> None:
    # 8 vectors on 4 codes: a new code counts as 2 hits, its sum is twice its vector.
    quantizer = quantizers.create(
        "vq-reset", num_codes=4, code_dim=1, reset_window=2.0, decay=0.5, smoothing="none", reset_threshold=0.5
    )
    assert isinstance(quantizer, quantizers.VQReset)
    quantizer.codebook = torch.tensor([[0.0], [3.0], [50.0], [60.0]])
    z = torch.tensor([[2.0], [0.0], [0.0], [0.0], [0.0], [3.0], [3.0], [3.0]])
    quantizer.update(z, quantizer.encode(z), torch.tensor(0.0))
    # Codes 0 and 1 got 4 hits each (2 is nearer to 3): N = 0.5 + 2, m = 0 and 1.5 + 5.5.
    totals = quantizer.average.totals
    assert totals[:, 1].tolist() == [2.5, 2.5, 2.0, 2.0]
    assert totals[:, 0].tolist() == [0.0, 7.0, 4.0, 0.0]
    torch.testing.assert_close(quantizer.codebook.flatten(), torch.tensor([0.0, 2.8, 2.0, 0.0]))


def test_until_the_first_reset_it_is_vq() -> None:
    averages = {"decay": 0.99, "smoothing": "transient"}
    plain = quantizers.create("vq", num_codes=8, code_dim=2, **averages)
    reset = quantizers.create("vq-reset", num_codes=8, code_dim=2, reset_window=40.0, **averages)
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(8, 2, generator=generator)
    start[7] = 50.0
    plain.codebook = start
    reset.codebook = start
    for step in range(1, 11):
        z = torch.randn(32, 2, generator=generator)
        plain.update(z, plain.encode(z), torch.tensor(0.0))
        reset.update(z, reset.encode(z), torch.tensor(0.0))
        if step < 10:
            assert torch.equal(plain.codebook, reset.codebook)
    # 320 vectors on 8 codes fill the window of 40; the far code has never been hit.
    assert torch.equal(reset.codebook[7], z[0])
    assert torch.equal(reset.codebook[:7], plain.codebook[:7])
