"""Builds a quantizer once to learn its capacity, a stranger's in a child process that may die of it."""

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

import quantizers
from bench import plugins
from bench._checkout import ROOT
from bench.errors import UnsuitableError
from bench.planning.capacity import Capacity, match, unknown
from bench.planning.protocol import Protocol
from bench.plugins.guard import guarded
from quantizers.base import Quantizer

PATIENCE = 60  # seconds


def capacity(label: str, parameters: dict[str, Any], cls: type[Quantizer], width: int, protocol: Protocol) -> Capacity:
    """Capacity of a family; `built` is False where it raises, dies or hangs: its cells will tell why.

    Raises:
        UnsuitableError: It refuses its parameters with a ValueError.
    """
    if cls.__module__.partition(".")[0] != "quantizers":
        return _in_a_child(label, parameters, plugins.origin(cls), width, protocol)
    try:
        return match(_build(label, parameters, width, protocol), protocol)
    except ValueError as error:
        raise UnsuitableError(f"quantizer {label}: {error}") from None


def _build(label: str, parameters: dict[str, Any], width: int, protocol: Protocol) -> Quantizer:
    return quantizers.create(label, num_codes=protocol.codebook_size, code_dim=width, **parameters)


def _in_a_child(label: str, parameters: dict[str, Any], plugin: str, width: int, protocol: Protocol) -> Capacity:
    spec = {"plugin": plugin, "label": label, "parameters": parameters, "width": width}
    spec |= {"protocol": protocol.values()}
    command = [sys.executable, "-m", "bench", "_probe", json.dumps(spec)]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        # The answer is ASCII; what else a stranger's code prints may be in any encoding.
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="ascii",
            errors="replace",
            timeout=PATIENCE,
            env=os.environ | {"PYTHONPATH": paths},
        )
        answer = next(filter(None, map(_answer, reversed(done.stdout.splitlines()))), {})
    except subprocess.TimeoutExpired:
        answer = {}
    if "refused" in answer:
        raise UnsuitableError(f"quantizer {label}: {answer['refused']}")
    return Capacity(**answer["capacity"]) if "capacity" in answer else unknown(width, protocol)


def _answer(line: str) -> dict[str, Any]:
    """What the child answered, if this is the line; a stranger's code may print before it and after it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and value.keys() & {"capacity", "refused"} else {}


def main(text: str) -> None:
    """What the child does: build, and print the capacity or the refusal as one line of JSON."""
    spec = json.loads(text)
    name = spec["label"].partition(":")[0]
    if not spec["plugin"].endswith(".py"):
        plugins.discover({plugins.OF_QUANTIZERS: [name]})
    if name not in quantizers.names():
        plugins.load(spec["plugin"])
    protocol = Protocol.from_values(spec["protocol"])
    try:
        with guarded():  # a stranger's class may close the stream that the answer goes to
            found = match(_build(spec["label"], spec["parameters"], spec["width"], protocol), protocol)
    except ValueError as error:
        print(json.dumps({"refused": str(error)}))
    else:
        print(json.dumps({"capacity": dataclasses.asdict(found)}))
