"""Tuning sees neither test sequences nor the data of any run's seeds."""

import numpy as np
import pytest

import datasets
from bench.errors import UsageError
from bench.execution.tokenizers import load_data
from bench.planning.request import LARGEST_SEED, parse_seeds
from datasets import lorenz, windows
from datasets.motion import aist
from datasets.motion.aist import is_test_dance
from tests.builders import cell


def test_seeds_of_runs_and_of_the_tuner_are_apart():
    assert datasets.TUNING > LARGEST_SEED
    assert parse_seeds(f"{LARGEST_SEED},") == [LARGEST_SEED]
    with pytest.raises(UsageError, match="--seeds"):
        parse_seeds(f"{datasets.TUNING},")


@pytest.mark.parametrize("name", ["lorenz", "aist-standin"])
def test_a_tuners_seed_has_no_test_split(name):
    tuned = datasets.load(name, seed=datasets.TUNING, sequences=12)
    assert tuned.frames["test"] is tuned.frames["val"]
    assert tuned.standardised["test"] is tuned.standardised["val"]
    mine = datasets.get(name)(sequences=12).load(datasets.TUNING)
    assert np.array_equal(mine.frames["val"], tuned.frames["val"])
    assert not np.array_equal(mine.frames["test"], tuned.frames["test"])
    last = datasets.load(name, seed=LARGEST_SEED, sequences=12)
    assert last.frames["test"] is not last.frames["val"]


def test_tuning_draws_from_no_stream_of_a_run(monkeypatch):
    drawn = []
    stream = lorenz.stream
    monkeypatch.setattr(lorenz, "stream", lambda seed, number: drawn.append(seed) or stream(seed, number))
    datasets.load("lorenz", seed=datasets.TUNING + 2, sequences=12)
    assert set(drawn) == {datasets.TUNING + 2}


def test_dances_that_any_seed_tests_are_trained_on_by_none():
    counts = {f"dance{number}": 2 for number in range(200)}
    sizes = {"train": 40, "val": 10, "test": 10}
    for seed in (0, 1, datasets.TUNING):
        drawn = aist.draw_by_dance(counts, sizes, seed)
        assert not any(is_test_dance(name) for split in ("train", "val") for name, _ in drawn[split])


def test_sequences_that_any_seed_tests_are_trained_on_by_none():
    counts = {f"walk{number}": 2 for number in range(40)}
    drawn = [windows.draw(counts, 60, seed) for seed in (0, 1, datasets.TUNING)]
    tested = {name for drawn_part in drawn for name, _ in drawn_part["test"]}
    assert tested.isdisjoint(
        name for drawn_part in drawn for split in ("train", "val") for name, _ in drawn_part[split]
    )
    assert datasets.get("cmu")().test_apart


def test_jobs_load_a_tuners_seed_without_its_test_split():
    parameters = {"sequences": 12}
    data = load_data(cell("key", dataset_parameters=parameters, data_seed=datasets.TUNING))
    assert data.frames["test"] is data.frames["val"]


def test_labels_of_the_test_split_give_way_too():
    data = datasets.load("cmu", seed=datasets.TUNING)
    assert data.labels["test"] is data.labels["val"]


def test_what_has_no_fixed_test_split_is_refused(monkeypatch):
    assert datasets.get("aist")(split="dance").test_apart
    assert not datasets.get("aist")(split="window").test_apart
    monkeypatch.setattr(lorenz.Lorenz, "resplit", True)
    with pytest.raises(ValueError, match="nothing can be tuned on it"):
        datasets.load("lorenz", seed=datasets.TUNING)
