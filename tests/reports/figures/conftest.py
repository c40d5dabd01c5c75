"""A run made up of few numbers, and what a drawn SVG says."""

import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from reports.figures import RunData, SourceData

LORENZ, DANCE = "lorenz", "aist-standin"
ROWS = {"vq": "family", "som-vq": "family", "fsq": "family", "som-vq:paper": "published", "vq+shuffled": "control"}
SIDES = {"som-vq": (4, 5), "fsq": (3, 2, 2), "som-vq:paper": (4, 5)}
METRICS = [
    {"name": "mse", "direction": "lower", "target": None},
    {"name": "explained", "direction": "higher", "target": None},
    {"name": "error_units", "direction": "lower", "target": None},
    {"name": "active", "direction": "none", "target": None},
    {"name": "distortion_ratio", "direction": "target", "target": 1.0},
    {"name": "bits_per_frame", "direction": "lower", "target": None},
]
JOINTS = ("nose", "left_shoulder", "right_shoulder", "left_wrist", "right_wrist", "left_ankle", "right_ankle")
EDGES = ((3, 1), (1, 2), (2, 4), (1, 5), (2, 6), (0, 1))
NAME = "{http://www.w3.org/2000/svg}"


def source(dataset):
    draws = np.random.default_rng(0)
    if dataset == DANCE:
        frames = draws.normal(0, 40, (2, 30, 21))
        return SourceData(
            frames=frames, points=np.arange(21).reshape(7, 3), unit="cm", joints=JOINTS, edges=EDGES, rate=60.0
        )
    return SourceData(frames=draws.normal(0, 10, (2, 30, 6)), points=np.arange(6).reshape(2, 3))


def stored(dataset, row):
    """Codes of a row, the last one never used."""
    positions = None
    if row in SIDES:
        positions = np.indices(SIDES[row]).reshape(len(SIDES[row]), -1).T.astype(np.int64)
    count = 8 if positions is None else len(positions)
    draws = np.random.default_rng(len(row))
    arrays = {f"codes.{split}": draws.integers(0, count - 1, (2, 30)).astype(np.int32) for split in ("train", "val")}
    arrays["codes.test"] = draws.integers(0, count - 1, (2, 30)).astype(np.int32)
    arrays["prototypes"] = draws.normal(0, 20, (count, 21 if dataset == DANCE else 6)).astype(np.float32)
    return arrays | ({} if positions is None else {"positions": positions})


@pytest.fixture(scope="session")
def make():
    """Build a run: rows with roles, seeds, values of metrics as {row: {metric: mean}}, and what is left out."""

    def build(
        rows=ROWS, seeds=3, datasets=(LORENZ, DANCE), values=None, failed=(), families=None, measured=("mse",), **more
    ):
        cells, summary = [], []
        for dataset in datasets:
            for place, (row, role) in enumerate(rows.items()):
                mine = {name: 0.9 - 0.05 * place if name == "explained" else 0.5 + 0.1 * place for name in measured}
                mine |= {"codebook_size": 16.0} | (values or {}).get(row, {})
                done = row not in failed
                line = {"quantizer": row, "dataset": dataset, "role": role, "real": dataset != DANCE}
                line |= {"cells": seeds, "done": seeds if done else 0, "codebook_size": mine.pop("codebook_size")}
                for name, mean in mine.items():
                    mean = mean if done else None
                    bounds = (None, None) if seeds == 1 or mean is None else (mean - 0.04, mean + 0.05)
                    line |= {name: mean, f"{name}_low": bounds[0], f"{name}_high": bounds[1], f"{name}_n": seeds}
                summary.append(line)
                for seed in range(seeds):
                    status = "done" if done else "failed"
                    seen = {
                        name: mean + 0.01 * (seed - (seeds - 1) / 2) for name, mean in mine.items() if mean is not None
                    }
                    cells.append({"quantizer": row, "dataset": dataset, "seed": seed, "status": status, "role": role})
                    cells[-1] |= seen if done else {}
        curves = {
            (cell["dataset"], cell["quantizer"], cell["seed"]): {
                "epochs": [(1, 0.5), (2, 0.25), (3, 0.125 + 0.01 * cell["seed"])],
                "seq_ppl": [(5, 200.0), (17, 100.0), (50, 50.0)],
                "bits_per_frame": [(25, 8.0), (50, None), (75, 2.0)],
            }
            for cell in cells
            if cell["status"] == "done"
        }
        parts = {
            "summary": pd.DataFrame(summary),
            "table": pd.DataFrame(cells),
            "rankings": pd.DataFrame(columns=["dataset", "metric", "quantizer", "standing"]),
            "metrics": METRICS,
            "families": {row: row.partition(":")[0].partition("+")[0] for row in rows} | (families or {}),
            "units": {LORENZ: "", DANCE: "cm"},
            "curves": curves,
            "codes": lambda dataset, row, seed: None if "+" in row or row in failed else stored(dataset, row),
            "source": lambda dataset, seed: source(dataset),
        }
        return RunData(**(parts | more))

    return build


@pytest.fixture(scope="session")
def run(make):
    """With every kind of row; a metric of rankings has been tested."""
    standings = [("vq", "best"), ("som-vq", "undecided"), ("fsq", "behind")]
    rankings = pd.DataFrame(
        [{"dataset": LORENZ, "metric": "mse", "quantizer": row, "standing": standing} for row, standing in standings]
    )
    return make(rankings=rankings, measured=("mse", "explained", "bits_per_frame"))


@pytest.fixture(scope="session")
def figures(run):
    """All of its figures, by name."""
    from reports.figures import draw

    return {figure.name: figure for figure in draw(run)}


@pytest.fixture(scope="session")
def read():
    """What an SVG shows: elements by tag, points of paths, and the scales that its own tick labels tell."""

    def elements(figure, tag):
        return [element for element in ElementTree.fromstring(figure.svg).iter(f"{NAME}{tag}")]

    def points(data):
        """Absolute points of each subpath of straight lines."""
        collected = []
        for start, moves in re.findall(r"M([^l]*)l([^Mz]*)z?", data):
            steps = np.array([float(element) for element in re.findall(r"-?[\d.]+", f"{start} {moves}")]).reshape(-1, 2)
            collected.append(steps.cumsum(axis=0))
        return collected

    def scale(figure, axis, log=False):
        """Pixels -> value along an axis, from the tick labels of the figure's only axes."""
        ticks, mark = [], None
        for element in ElementTree.fromstring(figure.svg).iter():
            mark = element if element.tag == f"{NAME}use" else mark
            number = re.fullmatch(r"(-?[\d.]+)( %)?", (element.text or "").replace("\N{MINUS SIGN}", "-"))
            if number and element.get("text-anchor") == {"x": "middle", "y": "end"}[axis]:
                ticks.append((float(mark.get(axis)), float(number[1])))
        at, value = np.array(ticks).T
        line = np.polyfit(at, np.log(value) if log else value, 1)
        return lambda pixels: np.exp(np.polyval(line, pixels)) if log else np.polyval(line, pixels)

    return SimpleNamespace(elements=elements, points=points, scale=scale)
