"""Capacity matching: every family gets the same number of network parameters."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

from bench.planning.protocol import Protocol
from bench.training.autoencoder import parameter_count
from quantizers.base import Quantizer

TOLERANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Sizes of the networks and of the codebook of a family.

    Attributes:
        codebook_size: Codebook size K that the family has; a lattice takes the product nearest to the one asked for.
        bits_per_token: Bits of a token without a model of its distribution, log2 K, the sum over its indices.
        hidden: Hidden width of encoder and decoder.
        network_parameters: Number of parameters of encoder, decoder and projections.
        reference_parameters: Number of parameters at the protocol's width, without projections.
        codebook_values: Number of values that the codebook holds, however they are learned.
        facts: Facts that the family tells about itself, such as its levels.
        built: Whether the family could be built; if not, the other values are the protocol's.
        ordered: Whether the codes have lattice positions.
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
    """Find the hidden width at which a family's networks have as many parameters as the protocol's reference."""
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
        bits_per_token=math.fsum(map(math.log2, quantizer.code_sizes)),
        hidden=hidden,
        network_parameters=parameter_count(width, hidden) + quantizer.network_parameters,
        reference_parameters=reference,
        codebook_values=quantizer.codebook_values,
        facts=facts,
        ordered=quantizer.positions is not None,
    )


def of_reference(name: str, width: int, protocol: Protocol) -> Capacity:
    """Capacity of a reference.

    "none" has the networks of the protocol and no codes; k-means has the codes and no networks.
    """
    at_reference = unknown(width, protocol)
    if name == "none":
        return replace(at_reference, built=True, codebook_size=0, bits_per_token=0.0, codebook_values=0)
    return replace(at_reference, built=True, network_parameters=0)


def unknown(width: int, protocol: Protocol) -> Capacity:
    """Capacity at the protocol's values, in place of that of a family that cannot be built."""
    reference = parameter_count(width, protocol.hidden)
    size = protocol.codebook_size
    return Capacity(
        codebook_size=size,
        bits_per_token=math.log2(size),
        hidden=protocol.hidden,
        network_parameters=reference,
        reference_parameters=reference,
        codebook_values=size * width,
        facts={},
        built=False,
    )
