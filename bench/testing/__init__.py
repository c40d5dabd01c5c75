"""Conformance suites for quantizers and datasets: inherit one in a test file, or type `bench test NAME`.

    from bench.testing import QuantizerTestCase

    class TestNeuralGas(QuantizerTestCase):
        label = "neural-gas"

pytest collects it; without pytest, `bench test neural-gas` runs the same checks.
"""

from bench.testing.dataset import DatasetTestCase
from bench.testing.quantizer import QuantizerTestCase

__all__ = ["DatasetTestCase", "QuantizerTestCase"]
