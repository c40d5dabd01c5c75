"""What a run ran on."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from bench._checkout import ROOT
from bench.records.files import write_json

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "safetensors")


def environment(device: str) -> dict[str, Any]:
    """Versions, machine and commit."""
    import torch

    facts: dict[str, Any] = {
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


def digest(facts: dict[str, Any]) -> str:
    """Short hash by which a record names its environment."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def keep(folder: Path, facts: dict[str, Any]) -> str:
    """Write facts into a run's folder, under the short hash that is returned."""
    name = digest(facts)
    (folder / "environments").mkdir(exist_ok=True)
    write_json(folder / "environments" / f"{name}.json", facts)
    return name


def version() -> str:
    """Of this distribution; "unknown" where the checkout is used without being installed."""
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
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs_on(device: str) -> int:
    """At a time: of a GPU's jobs one computes while another starts up and a third measures on the CPU."""
    return cores() if device == "cpu" else min(3, cores())


def processor() -> str:
    """Its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
