"""Datasets: `lorenz`, `aist` (AIST++ motion), its stand-in `aist-standin`, `cmu` (motion), `npz:PATH` (your file).

import datasets
sequences = datasets.load("lorenz", seed=0)
sequences.frames["train"]  # (280, 297, 8)
walks = datasets.load("npz:walks.npz", window=60)
"""

from datasets.base import Dataset
from datasets.errors import DataError
from datasets.registry import COMMON, TUNING, create, draw, get, load, missing, names, parameters, register, resolve
from datasets.sequences import SPLITS, Sequences, Skeleton, Transform

__all__ = [
    "COMMON",
    "SPLITS",
    "TUNING",
    "DataError",
    "Dataset",
    "Sequences",
    "Skeleton",
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
