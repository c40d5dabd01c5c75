"""A quantizer, a metric and a dataset that change in their process all that they can, at import and later."""

import decimal
import gc
import os
import random
import signal
import socket
import sys
import tempfile
import warnings

import numpy as np
import torch

import datasets
from bench.metrics import register as register_metric
from quantizers import LearnedCodebook, register


def meddle() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("medium")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = True
    torch.set_grad_enabled(False)
    torch.autograd.set_detect_anomaly(True)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    random.seed(99)
    np.seterr(all="raise")
    np.set_printoptions(precision=1)
    decimal.getcontext().prec = 3
    warnings.simplefilter("ignore", SyntaxWarning)
    os.chdir(tempfile.gettempdir())
    os.environ["BENCH_DATA"] = "/nowhere"
    os.environ["PYTHONPATH"] = "/nowhere"
    os.umask(0o777)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    socket.setdefaulttimeout(1e-3)
    sys.stdout = sys.stderr = None
    sys.argv[:] = ["meddling"]
    sys.setrecursionlimit(300)
    sys.excepthook = print
    gc.disable()


meddle()


@register("meddling")
class Meddling(LearnedCodebook):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        meddle()
        super().__init__(num_codes, code_dim, commitment=0.25)


@datasets.register("meddled")
class Meddled(datasets.Dataset):
    width = 2

    def __init__(self) -> None:
        meddle()

    @property
    def train_frames(self) -> int:
        meddle()
        return 80

    def load(self, seed: int) -> datasets.Sequences:
        meddle()
        raise RuntimeError("never loaded")


@register_metric("meddlesome", direction="lower", summary="nothing")
def meddlesome(trained) -> float:
    meddle()
    return 1.0
