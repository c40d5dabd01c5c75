"""What quantizer-bench asks of every quantizer and every dataset, and what this metric is by hand."""

from types import SimpleNamespace

import torch
from neural_gas.dataset import Circles
from neural_gas.metric import run_length
from neural_gas.quantizer import NeuralGas

from bench.testing import DatasetTestCase, QuantizerTestCase


class TestNeuralGas(QuantizerTestCase):
    label = "neural-gas"


class TestCircles(DatasetTestCase):
    name = "circles"


def test_the_classes_are_those_that_are_registered() -> None:
    assert TestNeuralGas().create().__class__ is NeuralGas
    assert TestCircles().create().__class__ is Circles


def test_a_run_of_two() -> None:
    assert run_length(SimpleNamespace(tokens={"test": torch.tensor([[3, 3, 5, 5, 5, 3]])})) == 2.0
