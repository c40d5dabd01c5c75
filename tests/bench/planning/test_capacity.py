import math
from dataclasses import replace

import pytest
import torch

import quantizers
from bench.planning.capacity import TOLERANCE, match, unknown
from bench.planning.protocol import QUICK
from bench.training.autoencoder import Autoencoder

LABELS = [
    label
    for name, family in quantizers.families().items()
    for label in (name, *(f"{name}:{preset}" for preset in family.presets))
    if label != "vq-vae:paper"
]


@pytest.mark.parametrize("codes", [64, 256, 1000, 1024, 2304, 4096])
@pytest.mark.parametrize("width", [8, 32])
def test_every_family_gets_the_same_network_within_one_percent(width: int, codes: int) -> None:
    protocol = replace(QUICK, codebook_size=codes)
    hidden = 128 if codes <= 64 else 256 if codes <= 1024 else 512
    reference = sum(
        value.numel()
        for _ in range(2)
        for value in torch.nn.Sequential(torch.nn.Linear(width, hidden), torch.nn.Linear(hidden, width)).parameters()
    )
    for label in LABELS:
        quantizer = quantizers.create(label, num_codes=codes, code_dim=width)
        result = match(quantizer, protocol)
        model = Autoencoder(quantizer, result.hidden)
        codebook = quantizer.num_codes * width if label == "vq-vae" else 0  # its codebook is a parameter
        actual = sum(value.numel() for value in model.parameters()) - codebook
        assert result.network_parameters == actual, label
        assert result.reference_parameters == reference, label
        assert abs(actual / reference - 1) < 0.01, label
        assert result.mismatch == pytest.approx(actual / reference - 1), label
        assert result.codebook_size == quantizer.num_codes
        assert result.bits_per_token == pytest.approx(math.log2(quantizer.num_codes))
        assert result.codebook_values == (0 if label.startswith("fsq") else codes * width)


def test_a_published_width_is_kept_and_told() -> None:
    actual = match(quantizers.create("vq-vae:paper", num_codes=1024, code_dim=8), replace(QUICK, codebook_size=1024))
    assert actual.hidden == 512
    # 2 * (8 * 512 + 512 + 512 * 8 + 8) over the same with 256
    assert actual.mismatch == pytest.approx(17_424 / 8_720 - 1)
    assert actual.mismatch > TOLERANCE


def test_the_lattice_pays_for_its_projections_with_hidden_units() -> None:
    # 8 channels -> 4 and back: 8 * 4 + 4 + 4 * 8 + 8 = 76 numbers, and a hidden unit costs 2 * (8 + 1 + 8) = 34.
    actual = match(quantizers.create("fsq", num_codes=1024, code_dim=8), replace(QUICK, codebook_size=1024))
    assert actual.hidden == 256 - round(76 / 34)
    assert actual.facts == {"levels": [8, 5, 5, 5]}
    assert actual.codebook_size == 1000


def test_a_family_that_cannot_be_built_is_shown_with_the_reference() -> None:
    actual = unknown(8, replace(QUICK, codebook_size=64))
    assert actual.hidden == 128
    assert actual.mismatch == 0
    assert actual.codebook_values == 512
    assert actual.network_parameters == 2 * (8 * 128 + 128 + 128 * 8 + 8)
    assert not actual.built
