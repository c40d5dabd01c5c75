"""Datasets: `lorenz`, `aist` (AIST++ motion), its stand-in `aist-standin`, `cmu` (motion), `npz:PATH` (one's own).

import datasets
sequences = datasets.load("lorenz", seed=0)
sequences.frames["train"]  # (280, 297, 8)
own = datasets.load("npz:walks.npz", window=60)
"""

from datasets.base import SPLITS, Dataset, Sequences, Transform
from datasets.errors import DataError
from datasets.registry import TUNING, create, draw, get, load, missing, names, parameters, register, resolve

__all__ = [
    "SPLITS",
    "TUNING",
    "DataError",
    "Dataset",
    "Sequences",
    "Transform",
    "create",
    "draw",
    "get",
    "load",
    "missing",
    "names",
    "parameters",
    "register",
    "resolve",
]
