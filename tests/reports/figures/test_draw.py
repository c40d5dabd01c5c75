import dataclasses
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from reports.document.text import file_name
from reports.figures import SourceData, draw, grid_data
from reports.selection import MAIN

ROOT = Path(__file__).resolve().parents[3]
TAGS = {"svg", "title", "desc", "g", "defs", "path", "use", "text", "image", "clipPath", "rect"}
EVIL = "<script>alert(1)</script>"


def test_every_family_of_figures_is_drawn(figures):
    kinds = {}
    for name in figures:
        kind, dataset, *_ = name.split("--")
        kinds.setdefault(kind, set()).add(dataset)
    both = {"lorenz", "aist-standin"}
    assert kinds == dict.fromkeys(("intervals", "pareto", "curves", "use", "planes", "walk"), both) | {
        "poses": {"aist-standin"},
        "reconstruction": {"aist-standin"},
        "attractor": {"lorenz"},
    }
    rows = {"vq", "som-vq", "fsq"}
    for kind, shown in (("use", rows), ("planes", rows - {"vq"}), ("walk", rows - {"vq"}), ("attractor", rows)):
        assert {f"{kind}--lorenz--{row}" for row in shown} <= set(figures)
    assert "planes--lorenz--vq" not in figures
    assert not any("shuffled" in name for name in figures)  # a control's codes are not stored


def test_sections_are_those_of_the_page(figures):
    for figure in figures.values():
        kind, dataset, *row = figure.name.split("--")
        if kind in ("intervals", "pareto", "curves"):
            assert figure.section == f"dataset:{dataset}"
        else:
            shown = {"som-vq-paper": "som-vq:paper"}.get(row[0], row[0])
            assert figure.section == f"row:{dataset}:{shown}"


def test_an_svg_is_one_accessible_element_that_needs_nothing_else(figures):
    for figure in figures.values():
        root = ElementTree.fromstring(figure.svg)
        assert figure.svg.startswith("<svg ")
        assert root.get("role") == "img"
        title, description = root[0], root[1]
        assert (title.text, description.text) == (figure.title, figure.alt)
        assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
        assert len(figure.alt) > len(figure.title) + 20
        assert {element.tag.rpartition("}")[2] for element in root.iter()} <= TAGS
        assert figure.svg.count("http") == 1
        assert figure.svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
        for element in root.iter():
            assert not any(name.startswith("on") for name in element.attrib)
            assert re.match("#|data:image/png;base64,", element.get("href", "#"))


def test_ids_are_unique_in_a_page_of_all_figures_and_references_stay_inside(figures):
    seen = set()
    for figure in figures.values():
        mine = re.findall(r' id="([^"]+)"', figure.svg)
        assert len(mine) == len(set(mine))
        assert not seen & set(mine)
        seen.update(mine)
        assert set(re.findall(r'(?:url\(|href=")#([\w-]+)', figure.svg)) <= set(mine)


def test_colours_are_the_texts_or_variables_with_a_value(figures):
    for figure in figures.values():
        for element in ElementTree.fromstring(figure.svg).iter():
            for key in ("fill", "stroke"):
                colour = element.get(key, "none")
                if colour.startswith("#"):
                    assert re.search(rf"{key}:var\(--figure-\d,{colour}\)", element.get("style", "")), (
                        figure.name,
                        colour,
                    )
                else:
                    assert colour in ("none", "currentColor")


def test_the_same_run_gives_the_same_bytes_whatever_the_settings(run, figures):
    before = dict(matplotlib.rcParams)
    part = dataclasses.replace(run, summary=run.summary[run.summary["dataset"] == "aist-standin"])
    others = {"font.size": 20, "axes.facecolor": "red", "svg.fonttype": "path", "svg.hashsalt": None}
    with matplotlib.rc_context(others):
        again = {figure.name: figure for figure in draw(part)}
    assert again == {name: figure for name, figure in figures.items() if "--aist-standin" in name}
    assert dict(matplotlib.rcParams) == before


def test_nothing_is_imported_for_figures_before_they_are_drawn():
    code = (
        "import sys, reports.figures; print([n for n in sys.modules if n.partition('.')[0] in ('matplotlib', 'torch')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "name", [EVIL, "a $x^2$ & b", "\x00\x1f\ud800 control", "\N{CJK UNIFIED IDEOGRAPH-91CF}\N{GRINNING FACE}"]
)
def test_names_show_as_they_are(make, read, name):
    run = make(rows={name: "family"}, datasets=(EVIL,), families={name: name})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = list(draw(run))
    shown = re.sub("[\x00\x1f\ud800]", "\N{REPLACEMENT CHARACTER}", name)
    texts = [element.text for figure in figures for element in read.elements(figure, "text")]
    assert any(text == (shown if len(shown) <= 24 else f"{shown[:23]}…") for text in texts)
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        assert re.fullmatch(r"[a-z][a-z0-9_-]*", figure.name)
        assert "<script" not in figure.svg
        assert EVIL in figure.title or name in figure.title or shown in figure.title
        assert EVIL in ElementTree.fromstring(figure.svg)[0].text


def test_names_of_files_meet_neither_by_case_nor_by_signs_nor_by_parts():
    parts = [
        ("use", "a", "vq:b"),
        ("use", "a", "vq-b"),
        ("use", "a", "VQ-b"),
        ("use", "a-vq", "b"),
        ("use", "a", "vq@b"),
    ]
    parts += [
        ("use", "a", "vq-b-"),
        ("use", "a", ""),
        ("use", "a", "x" * 41),
        ("use", "a", "x" * 40),
        ("use--a", "vq-b"),
    ]
    assert len({file_name(*item).lower() for item in parts}) == len(parts)


@pytest.mark.parametrize(
    "change",
    [
        {"codes": lambda *_: None},
        {"source": lambda *_: None},
        {"curves": {}},
        {"metrics": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_missing_leaves_out_its_figures_alone(make, change):
    measured = ("mse", "explained", "bits_per_frame")
    run = make(rows={"som-vq": "family"}, datasets=("aist-standin",), measured=measured, **change)
    every = {"intervals", "pareto", "curves", "use", "planes", "walk", "poses", "reconstruction"}
    lost = {
        "codes": {"use", "planes", "walk", "poses", "reconstruction"},
        "source": {"poses", "reconstruction"},
        "curves": {"curves"},
        "metrics": set(),
    }
    assert {figure.name.split("--")[0] for figure in draw(run)} == every - lost[next(iter(change))]


def test_failed_rows_single_seeds_and_empty_runs(make):
    part = {"rows": {"vq": "family", "fsq": "family"}, "datasets": ("lorenz",)}
    failed = {figure.name for figure in draw(make(**part, failed=("vq",), seeds=1))}
    assert "use--lorenz--fsq" in failed
    assert not {"use--lorenz--vq", "attractor--lorenz--vq"} & failed
    assert not list(draw(make(**part, failed=("vq", "fsq"))))
    assert not list(draw(make(rows={}, datasets=())))


def test_a_codebook_of_one_code_and_one_that_collapsed(make):
    one = {f"codes.{split}": np.zeros((2, 30), np.int32) for split in ("train", "val", "test")}
    alone = one | {"prototypes": np.zeros((1, 6)), "positions": np.zeros((1, 2), np.int64)}
    grid = one | {"prototypes": np.zeros((6, 6)), "positions": np.indices((2, 3)).reshape(2, -1).T}
    line = one | {"prototypes": np.arange(36.0).reshape(6, 6), "positions": np.arange(6)[:, None]}
    far = line | {"positions": np.arange(6)[:, None] * 10**9 + [[0, 7]]}
    for arrays in (alone, grid, line, far):
        stored = {"codes": lambda *_, arrays=arrays: arrays, "curves": {}}
        run = make(rows={"som-vq": "family"}, datasets=("lorenz",), measured=(), **stored)
        actual = {figure.name.split("--")[0] for figure in draw(run)}
        assert {"use", "attractor"} <= actual
        assert ("planes" in actual) == (arrays is not far)


@pytest.mark.slow
def test_a_run_of_seventy_cells_stays_within_its_share_of_the_page(make):
    """1,024 codes of noise, which compresses worst; sizes of the paper's protocol."""
    families = ("vq", "vq-reset", "som-hard", "ksom", "som-vq", "vq-vae", "fsq")
    places = {"fsq": np.indices((8, 5, 5, 5)).reshape(4, -1).T}
    places |= dict.fromkeys(("som-hard", "ksom", "som-vq"), np.indices((32, 32)).reshape(2, -1).T)
    joints = ("left_wrist", "right_wrist", "left_ankle", "right_ankle", *(f"left_{index}" for index in range(13)))
    edges = tuple((joint, joint + 1) for joint in range(16))
    draws = np.random.default_rng(0)

    def source(dataset, seed):
        if dataset == "lorenz":
            return SourceData(frames=draws.normal(0, 30, (60, 297, 24)), points=np.arange(24).reshape(4, 6)[:, :3])
        return SourceData(
            frames=draws.normal(0, 30, (60, 240, 51)),
            points=np.arange(51).reshape(17, 3),
            unit="cm",
            joints=joints,
            edges=edges,
            rate=60.0,
        )

    def codes(dataset, row, seed):
        count = len(places[row]) if row in places else 1024
        time, width = (297, 24) if dataset == "lorenz" else (240, 51)
        tokens = {f"codes.{split}": draws.integers(0, count, (60, time)) for split in ("train", "val", "test")}
        positions = {"positions": places[row]} if row in places else {}
        return tokens | positions | {"prototypes": draws.normal(0, 30, (count, width))}

    every = [metric for metric in MAIN if metric != "train_seconds"]
    run = make(rows=dict.fromkeys(families, "family"), seeds=5, codes=codes, source=source, measured=every)
    figures = list(draw(run))
    assert sum(len(figure.svg) for figure in figures) < 2_000_000
    data = grid_data(run)
    assert len(data) == 6
    assert len(json.dumps(data, separators=(",", ":"))) < 400_000
