import itertools

import numpy as np
import pytest
import torch

import quantizers
from quantizers.pq import PQ


def build(vectors: torch.Tensor, **parameters: object) -> PQ:
    """Groups with these vectors (groups, k, width)."""
    groups, size, width = vectors.shape
    quantizer = quantizers.create(
        "pq", num_codes=size**groups, code_dim=groups * width, groups=groups, **({"one_index": True} | parameters)
    )
    assert isinstance(quantizer, PQ)
    quantizer.vectors.copy_(vectors)
    quantizer.restart()
    return quantizer


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("wanted", "groups", "size"), [(256, 2, 16), (1_024, 2, 32), (256, 4, 4), (100, 3, 5)])
def test_the_number_of_codes_is_the_nearest_power(wanted: int, groups: int, size: int) -> None:
    quantizer = quantizers.create("pq", num_codes=wanted, code_dim=12, groups=groups)
    assert quantizer.num_codes == size**groups
    assert quantizer.describe() == {"groups": groups, "codes_each": size}
    assert quantizer.codebook_values == size * 12


def test_the_first_group_is_the_least_significant_digit() -> None:
    quantizer = build(torch.tensor([[[0.0], [1.0], [2.0]], [[0.0], [10.0], [20.0]]]))
    expected = [[float(first), 10.0 * second] for second, first in itertools.product(range(3), repeat=2)]
    assert quantizer.codebook.tolist() == expected
    assert quantizer.encode(torch.tensor([[1.9, 11.0], [0.2, 18.0]])).tolist() == [2 + 3, 6]


def test_the_nearest_of_every_group_is_the_nearest_of_all() -> None:
    quantizer = build(normal(2, 7, 3))
    z = normal(500, 6, seed=1)
    everything = torch.cdist(z.double(), quantizer.codebook.double())
    assert torch.equal(quantizer.encode(z), everything.argmin(dim=1))


def test_two_steps_by_hand() -> None:
    quantizer = build(torch.tensor([[[0.0], [4.0]], [[0.0], [4.0]]]), decay=0.5, smoothing="none")
    sums, counts = np.array([[0.0, 4.0], [0.0, 4.0]]), np.ones((2, 2))
    for batch in ([[1.0, 3.0], [0.0, 5.0], [3.0, 4.0]], [[1.0, 1.0], [5.0, 0.0]]):
        vectors = sums / counts
        digits = np.abs(np.array(batch)[:, :, None] - vectors).argmin(axis=2)
        z = torch.tensor(batch)
        codes = quantizer.encode(z)
        assert codes.tolist() == (digits @ [1, 2]).tolist()
        quantizer.update(z, codes, torch.tensor(0.0))
        for group, code in itertools.product(range(2), repeat=2):
            mine = digits[:, group] == code
            sums[group, code] = 0.5 * sums[group, code] + 0.5 * np.array(batch)[mine, group].sum()
            counts[group, code] = 0.5 * counts[group, code] + 0.5 * mine.sum()
        np.testing.assert_allclose(quantizer.vectors[..., 0].numpy(), sums / counts, rtol=1e-6)


def test_groups_must_divide_the_dimensions() -> None:
    with pytest.raises(ValueError, match=r"divides 8 \(D\), got 3"):
        quantizers.create("pq", num_codes=64, code_dim=8, groups=3)
    with pytest.raises(ValueError, match="--codebook-size 16 or more"):
        quantizers.create("pq", num_codes=2, code_dim=8, groups=4)


def test_a_code_has_an_index_for_every_group() -> None:
    quantizer = build(torch.tensor([[[0.0], [1.0], [2.0]], [[0.0], [10.0], [20.0]]]), one_index=False)
    codes = quantizer.encode(torch.tensor([[1.9, 11.0], [0.2, 18.0]]))
    assert codes.tolist() == [[2, 1], [0, 2]]
    assert quantizer.decode(codes).tolist() == [[2.0, 10.0], [0.0, 20.0]]
