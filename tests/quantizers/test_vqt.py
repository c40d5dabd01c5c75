"""The adapters against vector-quantize-pytorch used directly."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import quantizers
from quantizers import _vqt

library = pytest.importorskip("vector_quantize_pytorch", reason="vector-quantize-pytorch is not installed")

CODES, WIDTH, BATCH, STEPS = 64, 5, 128, 20
DIRECT: dict[str, Any] = {
    "vqt-vq": lambda: library.VectorQuantize(dim=WIDTH, codebook_size=CODES, rotation_trick=False),
    "vqt-vq:rotation": lambda: library.VectorQuantize(dim=WIDTH, codebook_size=CODES, rotation_trick=True),
    "vqt-rvq": lambda: library.ResidualVQ(dim=WIDTH, num_quantizers=2, codebook_size=8, rotation_trick=False),
    "vqt-simvq": lambda: library.SimVQ(dim=WIDTH, codebook_size=CODES),
    "vqt-fsq": lambda: library.FSQ(levels=[8, 8], dim=WIDTH),
    "vqt-lfq": lambda: library.LFQ(dim=WIDTH, codebook_size=CODES),
}


def batch(step: int) -> Tensor:
    return torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(step))


def networks() -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(5)
    return nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)


def trained(label: str, adapted: bool) -> tuple[nn.Module, nn.Linear, list[Tensor]]:
    """The peer's own module after a plain loop, with the codes of every step."""
    torch.manual_seed(0)
    if adapted:
        quantizer = quantizers.create(label, num_codes=CODES, code_dim=WIDTH)
        peer = quantizer.peer
    else:
        peer = DIRECT[label]()
    encoder, decoder = networks()
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters(), *peer.parameters()], 1e-2)
    history = []
    for step in range(STEPS):
        x = batch(step)
        z = encoder(x)
        if adapted:
            quantized, codes, loss = quantizer(z)
        else:
            quantized, codes, *losses = (part[0] if index < 2 else part for index, part in enumerate(peer(z[None])))
            loss = losses[0].sum() if losses else 0.0
        optimiser.zero_grad()
        (F.mse_loss(decoder(quantized), x) + loss).backward()
        optimiser.step()
        if adapted:
            quantizer.encode(x)  # as the trainer does between steps: it must teach the codebook nothing
            quantizer.update(z.detach(), codes, torch.tensor(step / STEPS))
        history.append(codes)
    return peer, encoder, history


@pytest.mark.parametrize("label", DIRECT)
def test_twenty_steps_are_those_of_the_peer_used_directly(label: str) -> None:
    ours, our_encoder, our_codes = trained(label, adapted=True)
    theirs, their_encoder, their_codes = trained(label, adapted=False)
    basis = torch.tensor([1, 8]) if label == "vqt-rvq" else None
    for one, other in zip(our_codes, their_codes, strict=True):
        assert torch.equal(one, other.long() if basis is None else (other * basis).sum(1))
    assert len(torch.cat(our_codes).unique()) > 8
    assert torch.equal(our_encoder.weight, their_encoder.weight)
    start = DIRECT[label]().state_dict()
    moved = False
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name
        moved |= value.shape != start[name].shape or not torch.equal(value, start[name])
    assert moved


@pytest.mark.parametrize("label", DIRECT)
def test_codes_and_vectors_in_eval_are_the_peers(label: str) -> None:
    torch.manual_seed(0)
    quantizer = quantizers.create(label, num_codes=CODES, code_dim=WIDTH).eval()
    with torch.no_grad():
        quantizer.initialise(batch(0))
    z = batch(99)
    theirs = quantizer.peer(z[None])
    torch.testing.assert_close(quantizer(z).quantized, theirs[0][0], rtol=0, atol=1e-6)
    codes = theirs[1][0].long()
    assert torch.equal(quantizer.encode(z), codes @ torch.tensor([1, 8]) if label == "vqt-rvq" else codes)


@pytest.mark.parametrize("label", ["vqt-vq", "vqt-vq:rotation", "vqt-simvq", "vqt-fsq", "vqt-lfq"])
def test_latents_decide_the_code(label: str) -> None:
    torch.manual_seed(0)
    quantizer = quantizers.create(label, num_codes=CODES, code_dim=WIDTH)
    with torch.no_grad():
        quantizer.initialise(batch(0))
        z = batch(99)
        distances = torch.cdist(quantizer.latents(z).double(), quantizer.latent_codebook.double())
    assert torch.equal(distances.argmin(1), quantizer.encode(z))


def test_gradients_of_the_rotation_trick_are_not_straight_through() -> None:
    gradients = {}
    for label in ("vqt-vq", "vqt-vq:rotation"):
        torch.manual_seed(0)
        quantizer = quantizers.create(label, num_codes=CODES, code_dim=WIDTH)
        z = batch(0).requires_grad_()
        (gradients[label],) = torch.autograd.grad(quantizer(z).quantized.sum(), z)
    assert torch.equal(gradients["vqt-vq"], torch.ones(BATCH, WIDTH))
    assert not torch.allclose(gradients["vqt-vq:rotation"], torch.ones(BATCH, WIDTH), atol=0.1)


def test_learned_codebooks_start_from_the_encoders_outputs() -> None:
    z = batch(0)
    quantizer = quantizers.create("vqt-vq", num_codes=CODES, code_dim=WIDTH)
    quantizer.initialise(z)
    assert torch.equal(quantizer.codebook, z[:CODES])
    residual = quantizers.create("vqt-rvq", num_codes=CODES, code_dim=WIDTH)
    with torch.no_grad():
        residual.initialise(z)
    first, second = residual.peer.codebooks
    assert torch.equal(first, z[:8])
    nearest = torch.cdist(z.double(), first.double()).argmin(1)
    torch.testing.assert_close(second, (z - first[nearest])[:8])


def test_a_residual_codes_digits_are_its_stages_codes() -> None:
    """Stage 0 holds tens, stage 1 ones and stage 2 tenths: a sum tells its digits."""
    quantizer = quantizers.create("vqt-rvq", num_codes=27, code_dim=1, stages=3)
    with torch.no_grad():
        for layer, unit in zip(quantizer.peer.layers, (10.0, 1.0, 0.1), strict=True):
            _vqt.start(layer, torch.tensor([[0.0], [unit], [2 * unit]]))
    expected = [10.0 * (code % 3) + code // 3 % 3 + 0.1 * (code // 9) for code in range(27)]
    torch.testing.assert_close(quantizer.codebook.flatten(), torch.tensor(expected))
    assert quantizer.encode(torch.tensor([[20.11]])).tolist() == [2 + 0 * 3 + 1 * 9]
    assert quantizer.codebook_values == 9


@pytest.mark.parametrize(
    ("label", "asked", "size", "facts"),
    [
        ("vqt-rvq", 256, 256, {"stages": 2, "codes_each": 16}),
        ("vqt-rvq", 250, 256, {"stages": 2, "codes_each": 16}),
        ("vqt-lfq", 300, 256, {"bits": 8}),
        ("vqt-lfq", 400, 512, {"bits": 9}),
        ("vqt-fsq", 256, 240, {"levels": [8, 6, 5]}),
        ("vqt-vq", 100, 100, {}),
    ],
)
def test_k_is_the_nearest_that_the_peer_can_have(label: str, asked: int, size: int, facts: dict[str, Any]) -> None:
    quantizer = quantizers.create(label, num_codes=asked, code_dim=8)
    assert quantizer.num_codes == len(quantizer.codebook) == size
    assert quantizer.describe() == facts


def test_values_and_parameters_are_counted_where_they_are() -> None:
    counts = {}
    for label in DIRECT:
        quantizer = quantizers.create(label, num_codes=64, code_dim=8)
        counts[label] = (quantizer.codebook_values, quantizer.network_parameters)
    assert counts == {
        "vqt-vq": (512, 0),
        "vqt-vq:rotation": (512, 0),
        "vqt-rvq": (128, 0),
        "vqt-simvq": (512, 64),
        "vqt-fsq": (0, 8 * 2 + 2 + 2 * 8 + 8),
        "vqt-lfq": (0, 8 * 6 + 6 + 6 * 8 + 8),
    }


@pytest.mark.parametrize(("width", "levels"), [(1, (256,)), (2, (16, 16)), (3, (8, 6, 5))])
def test_a_lattice_has_no_more_channels_than_dimensions(width: int, levels: tuple[int, ...]) -> None:
    assert quantizers.create("vqt-fsq", num_codes=256, code_dim=width).describe() == {"levels": list(levels)}


@pytest.mark.parametrize(
    ("label", "parameters", "message"),
    [
        ("vqt-vq", {"decay": 1.0}, "0 <= decay < 1"),
        ("vqt-rvq", {"stages": 1}, "2 <= stages"),
        ("vqt-rvq", {"stages": 8}, r"8 stages of at least two codes .* got 64 codes: .* --codebook-size 256"),
        ("vqt-fsq", {"levels": (2, 8)}, "least of levels"),
        ("vqt-fsq", {"levels": (8,) * 7}, "number of levels"),
        ("vqt-lfq", {"entropy": -1.0}, "entropy"),
        ("vqt-simvq", {"commitment": -1.0}, "commitment"),
    ],
)
def test_values_that_cannot_work_are_refused(label: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quantizers.create(label, num_codes=64, code_dim=6, **parameters)
