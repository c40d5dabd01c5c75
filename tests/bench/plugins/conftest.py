"""Distributions of plug-ins, each written as pip would leave it."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bench.metrics import METRICS
from bench.plugins import loading
from datasets import registry
from quantizers import registry as families
from tests.bench.plugins.distributions import DATASET, METRIC, PLAIN, QUANTIZER, Install


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Write a distribution of one package into a folder of its own on the import path; registries are put back."""
    monkeypatch.setattr(families, "_FAMILIES", dict(families._FAMILIES))
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    monkeypatch.setattr(loading, "_BROKEN", {})
    metrics, modules = dict(METRICS), set(sys.modules)

    def write(name: str, files: Mapping[str, str], **groups: Mapping[str, str]) -> Path:
        site = tmp_path / f"site-{name}"
        package = site / name
        package.mkdir(parents=True)
        for file, text in ({"__init__.py": ""} | dict(files)).items():
            (package / file).write_text(text.replace("PACKAGE", name))
        facts = site / f"{name}-1.2.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = []
        for group, offers in groups.items():
            lines += [f"[quantizer_bench.{group}]", *(f"{key} = {name}.{value}" for key, value in offers.items())]
        (facts / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(site))
        return package

    yield write
    METRICS.clear()
    METRICS.update(metrics)
    for item in set(sys.modules) - modules:
        if item.partition(".")[0].startswith("dist"):
            del sys.modules[item]


@pytest.fixture
def installed(install: Install) -> Path:
    files = {"quantizer.py": QUANTIZER, "helper.py": "COMMITMENT = 0.25\n", "plain.py": PLAIN}
    return install(
        "dist_whole",
        files | {"metric.py": METRIC, "dataset.py": DATASET},
        quantizers={"leaky": "quantizer:Leaky", "plain": "plain:Plain"},
        datasets={"noise": "dataset:Noise"},
        metrics={"longest": "metric:longest", "shortest": "metric:SHORTEST"},
    )
