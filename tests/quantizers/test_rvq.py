import itertools

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

import quantizers
from quantizers._vqt import start
from quantizers.rvq import RVQ, kmeans


def build(vectors: torch.Tensor, **parameters: object) -> RVQ:
    """Stages with these vectors (stages, k, D)."""
    stages, size, width = vectors.shape
    quantizer = quantizers.create(
        "rvq", num_codes=size**stages, code_dim=width, stages=stages, **({"one_index": True} | parameters)
    )
    assert isinstance(quantizer, RVQ)
    quantizer.vectors.copy_(vectors)
    quantizer.restart()
    return quantizer


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


COARSE_AND_FINE = torch.tensor([[[0.0], [10.0]], [[-1.0], [2.0]]])


def test_stages_quantize_what_is_left() -> None:
    quantizer = build(COARSE_AND_FINE)
    # 12.5: 10, then 2 of the residual 2.5. 4: 0, then 2 of 4. 9: 10, then -1.
    assert quantizer.encode(torch.tensor([[12.5], [4.0], [9.0]])).tolist() == [1 + 2, 0 + 2, 1 + 0]
    assert quantizer.codebook.tolist() == [[-1.0], [9.0], [2.0], [12.0]]


def test_the_greedy_search_is_not_the_nearest_of_all_sums() -> None:
    quantizer = build(torch.tensor([[[0.0], [10.0]], [[-4.0], [4.5]]]))
    # 5.4 is nearer to 10, which leaves -4.6 and so 6; the nearest sum, 4.5, begins with 0.
    assert quantizer.decode(quantizer.encode(torch.tensor([[5.1]]))).item() == 6.0
    assert (quantizer.codebook - 5.1).abs().min().item() == pytest.approx(0.6)


@pytest.mark.parametrize("stages", [2, 3])
def test_codes_agree_with_vector_quantize_pytorch(stages: int) -> None:
    pytest.importorskip("vector_quantize_pytorch", reason="the independent implementation is not installed")
    vectors = normal(stages, 6, 4) / torch.tensor([1.0, 2.0, 4.0])[:stages, None, None]
    ours = build(vectors).eval()
    other = quantizers.create("vqt-rvq", num_codes=6**stages, code_dim=4, stages=stages).eval()
    with torch.no_grad():
        for layer, of_stage in zip(other.peer.layers, vectors, strict=True):
            start(layer, of_stage)
    z = normal(2_000, 4, seed=1)
    agree = (ours.encode(z) == other.encode(z)).float().mean()
    assert agree > 0.998  # a distance that rounding decides may go either way
    torch.testing.assert_close(ours.codebook, other.codebook)


def test_two_steps_by_hand() -> None:
    quantizer = build(COARSE_AND_FINE, decay=0.5, smoothing="none")
    sums, counts = COARSE_AND_FINE[..., 0].double().numpy(), np.ones((2, 2))
    for batch in ([11.0, 8.0, 1.0], [12.0, -2.0]):
        vectors = sums / counts
        z = torch.tensor(batch)[:, None]
        codes = quantizer.encode(z)
        residual, digits = np.array(batch), []
        for stage in range(2):
            digits.append(np.abs(residual[:, None] - vectors[stage]).argmin(axis=1))
            for code in range(2):
                mine = digits[-1] == code
                sums[stage, code] = 0.5 * sums[stage, code] + 0.5 * residual[mine].sum()
                counts[stage, code] = 0.5 * counts[stage, code] + 0.5 * mine.sum()
            residual = residual - vectors[stage][digits[-1]]
        assert codes.tolist() == (digits[0] + 2 * digits[1]).tolist()
        quantizer.update(z, codes, torch.tensor(0.0))
        np.testing.assert_allclose(quantizer.vectors[..., 0].numpy(), sums / counts, rtol=1e-6)


@pytest.mark.parametrize(("gradient", "of_sum", "stages"), [("once", 1, 2), ("first", 1, 1), ("every", 2, 2)])
def test_gradients_of_the_three_forms(gradient: str, of_sum: int, stages: int) -> None:
    quantizer = build(normal(2, 5, 3), residual_gradient=gradient, commitment=1.0).train()
    z = normal(20, 3, seed=1).requires_grad_()
    result = quantizer(z)
    torch.testing.assert_close(result.quantized, quantizer.decode(result.codes))
    (of_quantized,) = torch.autograd.grad(result.quantized.sum(), z, retain_graph=True)
    torch.testing.assert_close(of_quantized, torch.full((20, 3), float(of_sum)))
    (of_loss,) = torch.autograd.grad(result.loss, z)
    residual, expected = z.detach(), torch.zeros(20, 3)
    digits = quantizer.digits(result.codes)
    for stage in range(2):
        residual = residual - quantizer.vectors[stage][digits[:, stage]]
        if stage < stages:
            expected = expected + 2 * residual / residual.numel()
    torch.testing.assert_close(of_loss, expected)


def test_dropout_leaves_later_stages_out_of_some_rows() -> None:
    quantizer = build(normal(3, 4, 2), dropout=0.5).train()
    z = normal(8, 2, seed=1)
    result = quantizer(z)
    digits = quantizer.digits(result.codes)
    for row, used in enumerate([1, 2, 1, 2, 3, 3, 3, 3]):
        expected = sum(quantizer.vectors[stage][digits[row, stage]] for stage in range(used))
        torch.testing.assert_close(result.quantized[row], expected)
    assert torch.equal(quantizer.eval()(z).quantized, quantizer.decode(result.codes))


def test_kmeans_is_scikit_learns() -> None:
    points = normal(600, 2) + 6 * torch.tensor(list(itertools.product((0.0, 1.0), repeat=2))).repeat(150, 1)
    points = points[torch.randperm(600, generator=torch.Generator().manual_seed(2))]
    start_at = points[:4].numpy()
    expected = KMeans(4, init=start_at, n_init=1, max_iter=10, tol=0, algorithm="lloyd").fit(points.numpy())
    np.testing.assert_allclose(kmeans(points, 4).numpy(), expected.cluster_centers_, rtol=1e-4, atol=1e-4)


def test_stages_start_ever_finer() -> None:
    quantizer = quantizers.create("rvq", num_codes=8**3, code_dim=4, stages=3)
    z = normal(3_000, 4)
    quantizer.initialise(z)
    assert isinstance(quantizer, RVQ)
    scales = quantizer.vectors.square().sum(2).mean(1)
    assert scales[0] > 1.5 * scales[1] > 1.5**2 * scales[2]
    error = (quantizer.decode(quantizer.encode(z)) - z).square().mean()
    assert error < 0.35


def test_a_code_has_an_index_for_every_stage() -> None:
    quantizer = build(COARSE_AND_FINE, one_index=False)
    # 12.5: 10, then 2 of the residual 2.5. 4: 0, then 2 of 4. 9: 10, then -1.
    codes = quantizer.encode(torch.tensor([[12.5], [4.0], [9.0]]))
    assert codes.tolist() == [[1, 1], [0, 1], [1, 0]]
    assert quantizer.decode(codes).tolist() == [[12.0], [2.0], [9.0]]
    assert quantizer.code_sizes == (2, 2)


def test_more_combinations_than_can_be_listed_are_decoded_one_by_one() -> None:
    quantizer = quantizers.create("rvq", num_codes=1_024**4, code_dim=2, stages=4)
    assert quantizer.num_codes == 2**40
    assert quantizer.code_sizes == (1_024,) * 4
    z = normal(5_000, 2)
    quantizer.initialise(z)
    error = (quantizer.decode(quantizer.encode(z)) - z).square().mean()
    assert error < 1e-6
    with pytest.raises(ValueError, match="at most 1048576 codes to list, got 1099511627776"):
        _ = quantizer.codebook


def test_one_index_has_the_indices_as_its_digits() -> None:
    vectors, z = normal(3, 5, 4), normal(200, 4, seed=1)
    digits = build(vectors, one_index=False).encode(z)
    assert torch.equal(build(vectors).encode(z), digits @ torch.tensor([1, 5, 25]))
