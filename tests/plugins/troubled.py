"""Quantizers that go wrong, each in its own way, once training has begun."""

import ctypes
import os
import time

import torch

from quantizers import LearnedCodebook, Quantized, register


class _Plain(LearnedCodebook):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        super().__init__(num_codes, code_dim, commitment=0.25)


@register("raises")
class Raises(_Plain):
    def update(self, z, codes, progress):
        raise RuntimeError("this quantizer <b>raises</b>")


@register("builds-not")
class BuildsNot(_Plain):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        raise RuntimeError("cannot be built")


@register("returns-nan")
class ReturnsNaN(_Plain):
    def forward(self, z):
        quantized, codes, loss = super().forward(z)
        return Quantized(quantized * float("nan"), codes, loss)


@register("segfaults")
class Segfaults(_Plain):
    def update(self, z, codes, progress):
        ctypes.string_at(0)


@register("hangs")
class Hangs(_Plain):
    def update(self, z, codes, progress):
        time.sleep(3600)


@register("out-of-range")
class OutOfRange(_Plain):
    def encode(self, z):
        return torch.full_like(super().encode(z), self.num_codes) if not self.training else super().encode(z)


@register("dies-building")
class DiesBuilding(_Plain):
    def __init__(self, num_codes: int, code_dim: int) -> None:
        ctypes.string_at(0)


@register("exits")
class Exits(_Plain):
    def update(self, z, codes, progress):
        os._exit(0)


@register("wrong-shape")
class WrongShape(_Plain):
    def encode(self, z):
        return super().encode(z)[:, None]
