"""Shared parts of the adapters to vector-quantize-pytorch."""

import importlib
from abc import ABC
from typing import Any, ClassVar

import torch
from torch import Tensor

from quantizers.base import Quantized, Quantizer

DISTRIBUTION = "vector-quantize-pytorch"


def peer(name: str, **arguments: Any) -> Any:
    """Build an instance of a class of vector-quantize-pytorch.

    Raises:
        ValueError: The package is not installed; the message gives the command.
    """
    try:
        library = importlib.import_module("vector_quantize_pytorch")
    except ModuleNotFoundError as error:
        if error.name != "vector_quantize_pytorch":
            raise
        raise ValueError(f"{name} needs another package: pip install {DISTRIBUTION}") from None
    return getattr(library, name)(**arguments)


class Peer(Quantizer, ABC):
    """Adapter to a module that takes z (1, B, D) and returns vectors, indices and, mostly, a loss.

    Its moving averages learn in the forward pass in training, so that `update` has nothing to do.
    """

    vectorised: ClassVar[bool] = False
    peer: Any  # a module without type hints

    def initialise(self, z: Tensor) -> None:
        """Keep the initial values of the package."""

    def encode(self, z: Tensor) -> Tensor:
        """Indices of the peer, which learns nothing from z."""
        with torch.no_grad():
            return self._call(z, learn=False)[1]

    def forward(self, z: Tensor) -> Quantized:
        """Forward pass of the peer; outside training the result is exactly the code vectors."""
        vectors, codes, loss = self._call(z, learn=self.training)
        return Quantized(vectors if self.training else self.decode(codes), codes, loss)

    def _call(self, z: Tensor, learn: bool) -> Quantized:
        """Call the peer on z (B, D); without `learn` its state does not change."""
        vectors, codes, *losses = self.peer(z[None])
        return Quantized(vectors[0], codes[0].long(), losses[0].sum() if losses else z.new_zeros(()))


class Averaged(Peer, ABC):
    """Adapter to a module whose moving averages move in every forward pass that does not freeze them."""

    def _call(self, z: Tensor, learn: bool) -> Quantized:
        vectors, codes, losses = self.peer(z[None], freeze_codebook=not learn)
        return Quantized(vectors[0], self._index(codes[0]), losses.sum())

    def _index(self, codes: Tensor) -> Tensor:
        return codes


def start(layer: Any, vectors: Tensor) -> None:
    """Set the codebook of a `VectorQuantize` to vectors (k, D), each with the weight of one hit."""
    book = layer._codebook
    for buffer in (book.embed, book.embed_avg):
        buffer.copy_(vectors[None])
    book.cluster_size.fill_(1.0)
