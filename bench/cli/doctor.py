"""Diagnosis of this machine (versions, devices, extras and data), or of the cells of a run."""

import importlib.metadata
import os
import platform
import shutil
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

import datasets
from bench._checkout import ROOT
from bench.records.environment import PACKAGES, cores, processor, version
from datasets.store import data_directory

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def lines() -> list[str]:
    """The whole diagnosis, one line per fact."""
    return [*_machine(), *_devices(), *_extras(), *_data()]


def lines_of(folder: Path) -> list[str]:
    """Findings about the cells of a run, one line each.

    Raises:
        UsageError: There is no run in the folder, or nothing has run there yet.
    """
    from bench.analysis.diagnosis import diagnoses
    from bench.publishing.finished_runs import load

    run = load(folder)
    rows = diagnoses(run)
    if rows.empty:
        return [f"nothing looks wrong in {sum(1 for _ in run.done())} cells"]
    columns = (rows[name] for name in ("quantizer", "dataset", "seed", "problem", "finding"))
    return [
        f"{row} on {dataset}, seed {seed}: {problem}: {text}"
        for row, dataset, seed, problem, text in zip(*columns, strict=True)
    ]


def _machine() -> list[str]:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return [
        f"quantizer-bench {version()} in {ROOT}",
        f"python {platform.python_version()} on {platform.platform()}; {versions}",
        f"{cores()} cores of {processor()}; memory {_memory()}",
        f"threads: {', '.join(f'{name}={os.environ[name]}' for name in THREADS if name in os.environ) or 'no limit'} "
        "(jobs on a CPU take one each, whatever this says)",
    ]


def _devices() -> list[str]:
    import torch

    if not torch.cuda.is_available():
        built = (
            f"PyTorch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "PyTorch is built without CUDA"
        )
        driver = "nvidia-smi is there" if shutil.which("nvidia-smi") else "there is no nvidia-smi"
        return [f"no GPU: {built}, {driver}; --device auto takes the CPU"]
    lines = []
    for number in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(number)
        lines.append(f"GPU {number}: {gpu.name}, {gpu.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
    return lines


def _extras() -> list[str]:
    """Extras of pyproject.toml, and whether they are installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = []
    for extra, texts in project.get("optional-dependencies", {}).items():
        problems = [_lacking(Requirement(text), project["name"]) for text in texts]
        lacking = ", ".join(filter(None, problems))
        remedy = f"lacks {lacking}: pip install -c constraints.txt -e '.[{extra}]'"
        lines.append(f"extra {extra}: {remedy if lacking else 'installed'}")
    return lines


def _lacking(requirement: Requirement, project: str) -> str:
    """Problem with a requirement of a project on this machine; "" where it is met."""
    if requirement.name == project or (requirement.marker and not requirement.marker.evaluate()):
        return ""
    try:
        present = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return requirement.name
    met = requirement.specifier.contains(present, prereleases=True)
    return "" if met else f"{requirement.name}{requirement.specifier} ({present} is here)"


def _data() -> list[str]:
    folder = data_directory()
    state = "there" if folder.is_dir() else "not there yet"
    lines = [f"data directory: {folder} ({state}; BENCH_DATA sets another)"]
    for name in datasets.names():
        cls = datasets.get(name)
        here = f"any file of yours, {name}:PATH" if cls.located else "on this machine"
        kind = "" if cls.real else " (a stand-in, synthetic)"
        lines.append(f"dataset {name}: {datasets.missing(name) or here + kind}")
    return lines


def _memory() -> str:
    """Physical memory and its free part, where the system shows them."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = dict(line.split(":", 1) for line in lines)
        total, free = (int(kilobytes[name].split()[0]) / 2**20 for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError):
        return "unknown"
    return f"{total:.1f} GiB, {free:.1f} free"
