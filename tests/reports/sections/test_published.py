from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports.document import markdown
from reports.sections import published
from reports.studies import study_of

TABLES = ("main", "capacity", "grid")

PAPER = {"name": "paper", "sequences": 400}
SHARED = Path(__file__).resolve().parents[4] / "shared" / "papers" / "som_vq_tables.csv"


def row(quantizer="vq", dataset="lorenz", size=1024, n=5, std=0.0001, **means):
    line = {"quantizer": quantizer, "dataset": dataset, "codebook_size": size, "cells": n, "done": n}
    for name, mean in (means or {"mse": 0.005}).items():
        line |= {name: mean, f"{name}_std": std, f"{name}_low": mean - 2 * std, f"{name}_high": mean + 2 * std}
        line[f"{name}_n"] = n
    return line


def beside(*rows, protocol=PAPER, stand_ins=(), table="main"):
    return published.beside(pd.DataFrame(list(rows)), protocol, dict(stand_ins), table)


def marks(*rows, **options):
    shown = beside(*rows, **options)
    return dict(zip(shown["reading"], shown["mark"], strict=True))


def section(*rows, stand_ins=()):
    return markdown.text(published.section(pd.DataFrame(list(rows)), PAPER, dict(stand_ins), TABLES), level=3)


def test_the_figures_are_whole():
    figures = study_of("main").figures
    assert list(figures.columns) == ["table", "dataset", "method", "grid", "metric", "mean", "std", "decimals"]
    assert figures.groupby("table").size().to_dict() == {"capacity": 32, "grid": 35, "main": 44}
    som = figures[(figures["method"] == "som-vq") & (figures["table"] == "main") & (figures["dataset"] == "lorenz")]
    assert dict(zip(som["metric"], som["mean"], strict=True))["seq_ppl"] == 617
    assert dict(zip(som["metric"], som["decimals"], strict=True)) == {
        "active": 0,
        "trust": 3,
        "cont": 3,
        "mse": 3,
        "seq_ppl": 0,
        "distortion": 3,
    }


@pytest.mark.skipif(not SHARED.exists(), reason="no other transcription beside this checkout")
def test_two_transcriptions_agree_but_for_deviations_read_again_in_the_paper():
    key = ["table", "dataset", "method", "grid", "metric"]
    ours = study_of("main").figures.set_index(key)
    theirs = pd.read_csv(SHARED).set_index(key)
    pd.testing.assert_series_equal(ours["mean"], theirs["mean"])
    same = np.isclose(ours["std"], theirs["std"], equal_nan=True)
    assert set(ours.index[~same]) <= {
        ("grid", "lorenz", "som-vq", 32, "cont"),
        ("grid", "aist", "som-vq", 16, "cont"),
    }


def test_ours_stands_beside_theirs():
    shown = beside(row(mse=0.0052, std=0.0001)).iloc[0]
    assert (shown["theirs"], shown["theirs_std"], shown["decimals"]) == (0.005, 0.0, 3)
    assert (shown["quantizer"], shown["ours"], shown["n"]) == ("vq", "lorenz", 5)
    assert shown[["mean", "half", "std"]].tolist() == pytest.approx([0.0052, 0.0002, 0.0001])


@pytest.mark.parametrize(
    ("mean", "std", "mark"),
    [
        (0.0059, 0.0, "agrees"),  # .005 +- .000 is anything that rounds so
        (0.0061, 0.0, "differs"),
        (0.0061, 0.0005, "agrees"),
        (0.0029, 0.0001, "differs"),
    ],
)
def test_a_printed_zero_is_a_rounded_deviation(mean, std, mark):
    assert marks(row(mse=mean, std=std)) == {"mse": mark}


@pytest.mark.parametrize(
    ("mean", "std", "mark"), [(96.0, 2.0, "agrees"), (96.0, 1.0, "differs"), (98.1, 0.0, "agrees")]
)
def test_a_deviation_that_is_not_printed_is_taken_as_ours(mean, std, mark):
    assert marks(row(active=mean, std=std)) == {"active": mark}


@pytest.mark.parametrize(("mean", "mark"), [(700.0, "agrees"), (710.0, "differs")])
def test_two_deviations_add_up(mean, mark):
    assert marks(row(seq_ppl_17=mean, std=9.0)) == {"seq_ppl_17": mark}  # 678 +- 12: within 30


def test_stand_in_data_are_not_compared():
    line = row(dataset="aist-standin", mse=0.294)
    assert marks(line) == {"mse": "not comparable: stand-in data"}
    assert marks(line, stand_ins={"aist-standin": "AIST++"}) == {"mse": "not comparable: stand-in data"}
    assert marks(row(mse=0.005), stand_ins={"lorenz": ""}) == {"mse": "not comparable: stand-in data"}
    assert marks(row(dataset="aist", mse=0.294)) == {"mse": "agrees"}


@pytest.mark.parametrize(
    ("protocol", "size"),
    [({"name": "quick", "sequences": 80}, 256), (PAPER, 256), (PAPER | {"sequences": 80}, 1024), ({"name": "q"}, 1024)],
)
def test_other_sizes_are_not_compared(protocol, size):
    assert marks(row(size=size), protocol=protocol) == {"mse": "not comparable: another protocol"}


@pytest.mark.parametrize("n", [1, 2])
def test_few_seeds_are_not_compared(n):
    assert marks(row(n=n)) == {"mse": "not comparable: fewer than 3 seeds"}


def test_a_blank_value_is_not_compared():
    assert marks(row(mse=float("nan"))) == {"mse": "not comparable: no value"}


def test_of_several_readings_the_one_that_reproduces_is_marked():
    means = {"trust_latent": 0.998, "trust": 0.998, "distortion_max": 0.062, "distortion": 0.062}
    actual = marks(row("som-vq", **means, seq_ppl_17=617, seq_ppl=617))
    assert [name for name, mark in actual.items() if mark == "agrees"] == [
        "trust_latent",
        "seq_ppl_17",
        "distortion_max",
    ]
    others = [mark for mark in actual.values() if mark != "agrees"]
    assert all(mark.startswith("not comparable: ambiguous definition, ") for mark in others)


def test_table_3_is_read_otherwise():
    line = row("som-vq", distortion=0.21, distortion_max=0.21, seq_ppl_17=829, seq_ppl=829)
    actual = marks(line, table="capacity")
    assert actual["distortion"] == "agrees"
    assert "over the largest" in actual["distortion_max"]
    assert all("order of the tokens destroyed" in actual[name] for name in ("seq_ppl_17", "seq_ppl"))


def test_the_preset_comes_first_and_our_setting_beside_it():
    shown = beside(row("som-vq", mse=0.004), row("som-vq:paper", mse=0.007), row("fsq"))
    assert shown["quantizer"].tolist() == ["som-vq:paper", "som-vq"]
    assert shown["mark"].tolist() == ["agrees", "differs"]


def test_grids_stand_beside_their_own_size():
    shown = beside(row("som-vq", mse=0.007), row("som-vq@64", size=64, mse=0.047), table="grid")
    assert dict(zip(shown["grid"], shown["quantizer"], strict=True)) == {8: "som-vq@64", 32: "som-vq"}
    assert set(shown["mark"]) == {"agrees"}


def test_the_section_shows_every_table_with_its_marks():
    means = {"mse": 0.007, "active": 80.0, "distortion_max": 0.062, "distortion": 0.21, "seq_ppl": 900.0}
    text = section(row("som-vq", **means))
    assert "### Tables 1 and 2, the main comparison (32 x 32): `lorenz`" in text
    main = text.split("###")[1]
    assert "| *published* som-vq 32 x 32 | 5 |" in main
    assert "0.007 ± 0.001" in main
    assert "0.06200 ± 0.00010 agrees" in main
    assert "80.00000 ± 0.00010 **differs**" in main
    assert "0.21000 ± 0.00010 (b)" in main
    assert "(a) not comparable: ambiguous definition, the 50 updates" in main


def test_one_reason_for_a_whole_table_is_told_once():
    text = section(row(dataset="aist-standin", mse=0.3), stand_ins={"aist-standin": "AIST++"})
    assert text.count("All of it not comparable: stand-in data.") == 2  # the main table and table 3
    assert text.count("| aist-standin") == 0
    assert text.count("| vq (stand-in) |") == 2
    assert "(a)" not in text


@pytest.mark.parametrize("rows", [[], [row("mine")], [row(dataset="music")], [row(mse=float("nan"))]])
def test_nothing_published_nothing_shown(rows):
    frame = pd.DataFrame(rows, columns=["quantizer", "dataset", "codebook_size", "mse"])
    assert published.section(frame, PAPER, {}, TABLES) == []
