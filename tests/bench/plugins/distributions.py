"""Source files of plug-ins, to be installed by the fixtures of conftest.py."""

from collections.abc import Callable
from pathlib import Path

QUANTIZER = """
from quantizers import LearnedCodebook, register
from PACKAGE.helper import COMMITMENT


@register("leaky", paper="here", presets={"slow": {"rate": 0.1}})
class Leaky(LearnedCodebook):
    def __init__(self, num_codes, code_dim, *, rate: float = 0.5):
        super().__init__(num_codes, code_dim, commitment=COMMITMENT)
        self.rate = rate
"""
PLAIN = """
from quantizers import LearnedCodebook


class Plain(LearnedCodebook):
    def __init__(self, num_codes, code_dim):
        super().__init__(num_codes, code_dim, commitment=0.25)
"""
METRIC = """
from bench.metrics import Metric, register


@register("longest", direction="higher", summary="how long")
def longest(trained):
    return 2.0


def _shortest(trained):
    return 1.0


SHORTEST = Metric("shortest", _shortest, "lower", "how short")
"""
DATASET = """
from datasets import Dataset, register


@register("noise")
class Noise(Dataset):
    width = 2
    train_frames = 20

    def load(self, seed):
        raise NotImplementedError
"""

Install = Callable[..., Path]
