"""Our own families keep the contract that `bench test` checks of anybody's."""

from importlib.util import find_spec

import pytest

import quantizers
from bench.testing import QuantizerTestCase

LABELS = [
    label
    for name in quantizers.names()
    for label in (name, *(f"{name}:{preset}" for preset in quantizers.get(name)[0].presets))
]


class TestFamilies(QuantizerTestCase):
    @pytest.fixture(params=LABELS, autouse=True)
    def _named(self, request: pytest.FixtureRequest) -> None:
        self.label = request.param
        if quantizers.get(self.label)[0].requires and find_spec("vector_quantize_pytorch") is None:
            pytest.skip("vector-quantize-pytorch is not installed")


def test_every_family_is_tested() -> None:
    assert {"vq", "vq-reset", "som-hard", "ksom", "ksom:paper", "som-vq", "som-vq:paper"} <= set(LABELS)
    assert {"vq-vae", "vq-vae:paper", "fsq", "fsq:2d", "vqt-vq", "vqt-vq:rotation", "vqt-rvq"} <= set(LABELS)
