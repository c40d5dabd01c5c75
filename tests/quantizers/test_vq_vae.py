import pytest
import torch

import quantizers


def build(**parameters: float) -> quantizers.VQVAE:
    quantizer = quantizers.create("vq-vae", num_codes=2, code_dim=1, **parameters)
    quantizer.codebook = torch.tensor([[0.0], [10.0]])
    assert isinstance(quantizer, quantizers.VQVAE)
    return quantizer


def test_loss_and_gradients_by_hand() -> None:
    # z = (1, 3) both take code 0: mean (z - e)^2 = (1 + 9) / 2 = 5, weighed 0.25 for z and 2 for e.
    quantizer = build(codebook_weight=2.0, commitment=0.25)
    z = torch.tensor([[1.0], [3.0]], requires_grad=True)
    _, codes, loss = quantizer(z)
    assert codes.tolist() == [0, 0]
    assert loss.item() == pytest.approx(11.25)
    loss.backward()
    # 0.25 * 2 (z - e) / 2 for z; 2 * 2 * sum (e - z) / 2 = -8 for e.
    assert z.grad is not None
    assert z.grad.flatten().tolist() == [0.25, 0.75]
    assert quantizer.vectors.grad is not None
    assert quantizer.vectors.grad.flatten().tolist() == [-8.0, 0.0]


def test_the_reconstruction_loss_does_not_reach_the_codebook() -> None:
    quantizer = build()
    z = torch.tensor([[1.0]], requires_grad=True)
    quantizer(z).quantized.sum().backward()
    assert quantizer.vectors.grad is None
    assert z.grad is not None
    assert z.grad.item() == 1.0


def test_update_moves_nothing_where_the_gradient_learns() -> None:
    quantizer = build(reset_threshold=0.0)
    z = torch.tensor([[1.0], [9.0]])
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer.update(z, quantizer.encode(z), torch.tensor(0.5))
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())


def test_the_paper_preset_is_vq_with_reset() -> None:
    ours = quantizers.create("vq-vae:paper", num_codes=8, code_dim=2, reset_window=5.0)
    usual = {"decay": 0.99, "commitment": 0.25, "smoothing": "transient", "reset_threshold": 0.03}
    other = quantizers.create("vq-reset", num_codes=8, code_dim=2, reset_window=5.0, **usual)
    assert ours.hidden == 512
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(8, 2, generator=generator)
    start[5:] = 30.0
    ours.codebook = start
    other.codebook = start
    for _ in range(10):
        z = torch.randn(16, 2, generator=generator)
        ours.update(z, ours.encode(z), torch.tensor(0.0))
        other.update(z, other.encode(z), torch.tensor(0.0))
        assert torch.equal(ours.codebook, other.codebook)
    assert ours.codebook.abs().max() < 10
    z = torch.randn(16, 2, generator=generator)
    assert torch.equal(ours(z).loss, other(z).loss)


def test_a_codebook_learned_by_gradient_can_be_reset_too() -> None:
    quantizer = build(reset_threshold=0.5, reset_window=1.0)
    z = torch.tensor([[4.0], [1.0]])
    with torch.no_grad():
        quantizer.update(z, quantizer.encode(z), torch.tensor(0.0))
    assert quantizer.codebook.flatten().tolist() == [0.0, 4.0]
    assert isinstance(quantizer.vectors, torch.nn.Parameter)
