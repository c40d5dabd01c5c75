"""What the adapters to vector-quantize-pytorch share."""

import importlib
from abc import ABC
from typing import Any, ClassVar

import torch
from torch import Tensor

from quantizers.base import Quantized, Quantizer

DISTRIBUTION = "vector-quantize-pytorch"


def peer(name: str, **arguments: Any) -> Any:
    """An instance of one of that package's classes.

    Raises:
        ValueError: The package is not installed; the message says how to get it.
    """
    try:
        library = importlib.import_module("vector_quantize_pytorch")
    except ModuleNotFoundError as error:
        if error.name != "vector_quantize_pytorch":
            raise
        raise ValueError(f"{name} needs another package: pip install {DISTRIBUTION}") from None
    return getattr(library, name)(**arguments)


class Peer(Quantizer, ABC):
    """A module of that package that takes z (1, B, D) and returns vectors, indices and, mostly, a loss.

    Its moving averages learn in its forward pass in training, so that `update` has nothing to do.
    """

    vectorised: ClassVar[bool] = False
    peer: Any  # a module that tells mypy nothing about itself

    def initialise(self, z: Tensor) -> None:
        """Nothing: it starts as that package starts it."""

    def encode(self, z: Tensor) -> Tensor:
        """Its indices, with nothing learned from z."""
        with torch.no_grad():
            return self._call(z, learn=False)[1]

    def forward(self, z: Tensor) -> Quantized:
        """Its own forward pass; outside training exactly the code vectors."""
        vectors, codes, loss = self._call(z, learn=self.training)
        return Quantized(vectors if self.training else self.decode(codes), codes, loss)

    def _call(self, z: Tensor, learn: bool) -> Quantized:
        """What that package returns for z (B, D); without `learn` its state stays as it is."""
        vectors, codes, *losses = self.peer(z[None])
        return Quantized(vectors[0], codes[0].long(), losses[0].sum() if losses else z.new_zeros(()))


class Averaged(Peer, ABC):
    """One whose moving averages move in every forward pass in training that does not freeze them."""

    def _call(self, z: Tensor, learn: bool) -> Quantized:
        vectors, codes, losses = self.peer(z[None], freeze_codebook=not learn)
        return Quantized(vectors[0], self._index(codes[0]), losses.sum())

    def _index(self, codes: Tensor) -> Tensor:
        return codes


def start(layer: Any, vectors: Tensor) -> None:
    """Make vectors (k, D) the codebook of a `VectorQuantize`, each with the weight of one hit as it gives new ones."""
    book = layer._codebook
    for held in (book.embed, book.embed_avg):
        held.copy_(vectors[None])
    book.cluster_size.fill_(1.0)
