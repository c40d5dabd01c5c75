import pytest
import torch

import quantizers
from bench.kernels.perceptron import Perceptron, _Perceptron
from bench.training.autoencoder import Autoencoder, parameter_count, reconstruct, tokenize


def build(label: str, width: int = 6, hidden: int = 20) -> Autoencoder:
    torch.manual_seed(0)
    model = Autoencoder(quantizers.create(label, num_codes=32, code_dim=width), hidden)
    with torch.no_grad():
        model.quantizer.initialise(model.encoder(frames(200)))
    return model


def frames(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("width", "hidden"), [(8, 128), (8, 256), (32, 512), (3, 1)])
def test_the_parameter_count_is_that_of_the_networks(width: int, hidden: int) -> None:
    model = Autoencoder(quantizers.create("vq", num_codes=4, code_dim=width), hidden)
    assert sum(value.numel() for value in model.parameters()) == parameter_count(width, hidden)
    plain = torch.nn.Sequential(
        torch.nn.Linear(width, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, width),
        torch.nn.Linear(width, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, width),
    )
    assert sum(value.numel() for value in plain.parameters()) == parameter_count(width, hidden)


@pytest.mark.parametrize("needs_input", [False, True])
def test_the_gradient_of_a_perceptron_is_that_of_its_layers(needs_input: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    network = Perceptron(3, 7, 2).double()
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=needs_input)
    asked = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    inputs = [*network.parameters(), *([x] if needs_input else [])]
    fast, plain = (torch.autograd.grad((function(x) * asked).sum(), inputs) for function in (network, network.plain))
    for one, other in zip(fast, plain, strict=True):
        torch.testing.assert_close(one, other)
    assert torch.equal(network(x), network.plain(x))
    assert torch.autograd.gradcheck(_Perceptron.apply, (x, *network.weights))  # finite differences


def test_a_perceptron_under_vmap_is_its_layers() -> None:
    network, x = Perceptron(3, 7, 2), torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(torch.vmap(network)(x), torch.stack([network(item) for item in x]))


@pytest.mark.parametrize("label", ["vq", "vq-vae", "som-vq"])
def test_the_joint_loss_written_out_is_the_plain_one(label: str) -> None:
    model, x = build(label).double().train(), frames(40, seed=1).double()
    fast, plain = model.joint(x), model.plain_joint(x)
    assert torch.equal(fast[3], plain[3])
    for one, other in zip(fast[:3], plain[:3], strict=True):
        torch.testing.assert_close(one, other)
    inputs = list(model.parameters())
    gradients = [torch.autograd.grad(3.0 * item[0], inputs) for item in (fast, plain)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_a_quantizer_with_a_lookup_of_its_own_is_asked() -> None:
    class Own(type(build("vq").quantizer)):  # type: ignore[misc]
        def forward(self, z: torch.Tensor) -> quantizers.Quantized:
            return super().forward(2.0 * z)

    model, x = build("vq").train(), frames(40, seed=1)
    assert torch.equal(model.joint(x)[3], model.plain_joint(x)[3])
    model.quantizer.__class__ = Own
    assert torch.equal(model.joint(x)[0], model.plain_joint(x)[0])
    assert torch.equal(model.joint(x)[3], model.quantizer.encode(2.0 * model.encoder(x)))


def by_hand(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    weights = dict(network.named_parameters())
    hidden = (x @ weights["0.weight"].T + weights["0.bias"]).clamp_min(0)
    return hidden @ weights["2.weight"].T + weights["2.bias"]


@pytest.mark.parametrize("label", ["vq", "vq-vae", "som-vq", "fsq"])
def test_the_operations_are_what_they_say(label: str) -> None:
    model = build(label).eval()
    x = frames(50, 1)
    with torch.no_grad():
        z, codes = model("encode", x)
        torch.testing.assert_close(z, by_hand(model.encoder, x))
        assert torch.equal(codes, model.quantizer.encode(z))
        (plain,) = model("unquantized", x)
        torch.testing.assert_close(plain, (by_hand(model.decoder, z) - x).square().mean())
        decoded = by_hand(model.decoder, model.quantizer.codebook[codes])
        error, latents, tokens = model("check", x)
        assert torch.equal(latents, model.quantizer.latents(z))
        assert torch.equal(tokens, codes)
        torch.testing.assert_close(error, (decoded - x).square().mean())
        total, reconstruction, same_z, same_codes = model("joint", x)
        torch.testing.assert_close(reconstruction, error)
        torch.testing.assert_close(total - reconstruction, model.quantizer(z).loss, rtol=1e-4, atol=1e-6)
        assert torch.equal(same_z, z)
        assert torch.equal(same_codes, codes)


@pytest.mark.parametrize("label", ["vq", "vq-vae", "som-vq", "fsq"])
def test_the_joint_loss_reaches_both_networks(label: str) -> None:
    model = build(label).train()
    model("joint", frames(50, 1))[0].backward()
    for network in (model.encoder, model.decoder):
        for value in network.parameters():
            assert value.grad is not None
            assert value.grad.abs().sum() > 0


def test_update_hands_everything_to_the_quantizer() -> None:
    model, twin = build("som-vq"), build("som-vq")
    z, codes, progress = frames(30, 2), torch.arange(30), torch.tensor(0.4)
    assert model("update", z, codes, progress) == ()
    twin.quantizer.update(z, codes, progress)
    assert torch.equal(model.quantizer.codebook, twin.quantizer.codebook)


@pytest.mark.parametrize("label", ["ksom", "fsq"])
def test_tokenizing_in_blocks_changes_nothing(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.training.autoencoder.rows_at_once", lambda num_codes: 7)
    model = build(label).eval()
    x = frames(101, 3)
    latents, codes = tokenize(model, x)
    with torch.no_grad():
        z = model.encoder(x)
        assert torch.equal(codes, model.quantizer.encode(z))
        torch.testing.assert_close(latents, model.quantizer.latents(z))
    assert latents.shape[0] == codes.shape[0] == 101
    assert codes.dtype == torch.int64


@pytest.mark.parametrize("label", ["ksom", "vq-vae", "fsq"])
def test_reconstruction_decodes_the_codes(label: str) -> None:
    model = build(label).eval()
    x = frames(60, 4)
    _, codes = tokenize(model, x)
    rebuilt = reconstruct(model, codes)
    with torch.no_grad():
        torch.testing.assert_close(rebuilt, by_hand(model.decoder, model.quantizer.decode(codes)))
        torch.testing.assert_close((rebuilt - x).square().mean(), model("check", x)[0])
