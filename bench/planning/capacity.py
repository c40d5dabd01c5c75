"""Capacity matching: every family gets the same number of network parameters."""

import json
import math
from dataclasses import dataclass
from typing import Any

from bench.planning.protocol import Protocol
from bench.training.autoencoder import parameter_count
from quantizers.base import Quantizer

TOLERANCE = 0.01


@dataclass(frozen=True)
class Capacity:
    """What a family may spend.

    Attributes:
        codebook_size: K, as the family has it (a lattice takes the nearest product).
        bits_per_token: log2 K.
        hidden: Hidden width of encoder and decoder.
        network_parameters: Encoder, decoder and projections.
        reference_parameters: What the protocol's widths give a family without projections.
        codebook_values: Numbers held by the codebook, however they are learned.
        facts: What the family tells about itself, such as its levels.
        built: False where the family could not even be built; the other values are then the protocol's.
        ordered: Whether its codes have positions.
    """

    codebook_size: int
    bits_per_token: float
    hidden: int
    network_parameters: int
    reference_parameters: int
    codebook_values: int
    facts: dict[str, Any]
    built: bool = True
    ordered: bool = False

    @property
    def mismatch(self) -> float:
        """Relative difference of the network parameters from the reference."""
        return self.network_parameters / self.reference_parameters - 1


def match(quantizer: Quantizer, protocol: Protocol) -> Capacity:
    """The hidden width at which a family's networks have as many parameters as the protocol's reference."""
    facts = quantizer.describe()
    json.dumps(facts, allow_nan=False)
    width = quantizer.code_dim
    reference = parameter_count(width, protocol.hidden)
    hidden = protocol.hidden
    if quantizer.hidden:
        hidden = quantizer.hidden
    elif quantizer.network_parameters:
        per_unit = parameter_count(width, 1) - parameter_count(width, 0)
        hidden = max(1, round((reference - quantizer.network_parameters - parameter_count(width, 0)) / per_unit))
    return Capacity(
        codebook_size=quantizer.num_codes,
        bits_per_token=math.log2(quantizer.num_codes),
        hidden=hidden,
        network_parameters=parameter_count(width, hidden) + quantizer.network_parameters,
        reference_parameters=reference,
        codebook_values=quantizer.codebook_values,
        facts=facts,
        ordered=quantizer.positions is not None,
    )


def of_reference(name: str, width: int, protocol: Protocol) -> Capacity:
    """What a reference has: "none" the protocol's networks and no codes, K-means the codes and no networks."""
    reference = parameter_count(width, protocol.hidden)
    if name == "none":
        return Capacity(0, 0.0, protocol.hidden, reference, reference, 0, {})
    size = protocol.codebook_size
    return Capacity(size, math.log2(size), protocol.hidden, 0, reference, size * width, {})


def unknown(width: int, protocol: Protocol) -> Capacity:
    """Stands in for the capacity of a family that cannot even be built."""
    reference = parameter_count(width, protocol.hidden)
    size = protocol.codebook_size
    return Capacity(size, math.log2(size), protocol.hidden, reference, reference, size * width, {}, built=False)
