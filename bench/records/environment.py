"""Environment of a run: versions, machine and commit."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path

from bench._checkout import ROOT
from bench.records.files import write_json
from bench.typing import JSON

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "safetensors")


def environment(device: str) -> JSON:
    """Facts about versions, machine and commit.

    Args:
        device: Device of the jobs, "cpu" or "cuda".
    """
    import torch

    facts: JSON = {
        "quantizer-bench": version(),
        "commit": _git("rev-parse", "HEAD"),
        "modified": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "device": device,
    }
    if device == "cuda" and torch.cuda.is_available():  # it may be another machine's
        facts["gpu"] = torch.cuda.get_device_name()
        facts["cuda"] = torch.version.cuda
    return facts


def digest(facts: JSON) -> str:
    """Short hash by which a record names its environment."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def keep(folder: Path, facts: JSON) -> str:
    """Write facts into a run's folder, under the short hash that is returned."""
    name = digest(facts)
    (folder / "environments").mkdir(exist_ok=True)
    write_json(folder / "environments" / f"{name}.json", facts)
    return name


def version() -> str:
    """Version of this distribution; "unknown" where the checkout is used without being installed."""
    try:
        return importlib.metadata.version("quantizer-bench")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _git(*arguments: str) -> str:
    try:
        command = ["git", "-C", str(ROOT), *arguments]
        result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def cores() -> int:
    """Number of CPU cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs_on(device: str) -> int:
    """Default number of concurrent jobs.

    On a GPU these are three: one computes, another starts up, and a third measures on the CPU.
    """
    return cores() if device == "cpu" else min(3, cores())


def processor() -> str:
    """CPU model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
