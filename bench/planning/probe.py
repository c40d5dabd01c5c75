"""Capacity of a family, found by building its quantizer once.

The quantizer of a plug-in is built in a child process, which may die of it.
"""

import dataclasses
import json
import os
import subprocess
import sys

import quantizers
from bench import plugins
from bench._checkout import ROOT
from bench.errors import UnsuitableError
from bench.planning.capacity import Capacity, match, unknown
from bench.planning.protocol import Protocol
from bench.plugins.guard import guarded
from bench.typing import JSON
from quantizers.base import Quantizer

TIMEOUT = 60
"""Seconds that a plug-in's quantizer may take to be built."""


def capacity(quantizer: str, parameters: JSON, cls: type[Quantizer], width: int, protocol: Protocol) -> Capacity:
    """Find the capacity of a family; `built` is False where it raises, dies or hangs, and its cells will say why.

    Raises:
        UnsuitableError: The family refuses its parameters with a ValueError.
    """
    if cls.__module__.partition(".")[0] != "quantizers":
        return _in_a_child(quantizer, parameters, plugins.origin(cls), width, protocol)
    try:
        return match(_build(quantizer, parameters, width, protocol), protocol)
    except ValueError as error:
        raise UnsuitableError(f"quantizer {quantizer}: {error}") from None


def _build(quantizer: str, parameters: JSON, width: int, protocol: Protocol) -> Quantizer:
    return quantizers.create(quantizer, num_codes=protocol.codebook_size, code_dim=width, **parameters)


def _in_a_child(quantizer: str, parameters: JSON, plugin: str, width: int, protocol: Protocol) -> Capacity:
    spec = {"plugin": plugin, "quantizer": quantizer, "parameters": parameters, "width": width}
    spec |= {"protocol": protocol.values()}
    command = [sys.executable, "-m", "bench", "_probe", json.dumps(spec)]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        # The answer is ASCII; what else a plug-in prints may be in any encoding.
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="ascii",
            errors="replace",
            timeout=TIMEOUT,
            env=os.environ | {"PYTHONPATH": paths},
        )
        lines = done.stdout.splitlines()
    except subprocess.TimeoutExpired:
        lines = []
    answer = next(filter(None, map(_answer, reversed(lines))), {})
    if "refused" in answer:
        raise UnsuitableError(f"quantizer {quantizer}: {answer['refused']}")
    return Capacity(**answer["capacity"]) if "capacity" in answer else unknown(width, protocol)


def _answer(line: str) -> JSON:
    """Answer of the child, if this line is it; a plug-in may print before it and after it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and value.keys() & {"capacity", "refused"} else {}


def main(spec_json: str) -> None:
    """Do the work of the child: build a quantizer, and print its capacity or the refusal as one line of JSON."""
    spec = json.loads(spec_json)
    name = spec["quantizer"].partition(":")[0]
    if not spec["plugin"].endswith(".py"):
        plugins.discover({plugins.OF_QUANTIZERS: [name]})
    if name not in quantizers.names():
        plugins.load(spec["plugin"])
    protocol = Protocol.from_values(spec["protocol"])
    try:
        with guarded():  # a plug-in may close the stream that the answer goes to
            built = match(_build(spec["quantizer"], spec["parameters"], spec["width"], protocol), protocol)
    except ValueError as error:
        print(json.dumps({"refused": str(error)}))
    else:
        print(json.dumps({"capacity": dataclasses.asdict(built)}))
