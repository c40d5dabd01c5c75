import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datasets
from datasets import store
from datasets.base import split_sizes
from datasets.errors import DataError
from datasets.motion.aist import Aist, draw_by_dance, draw_by_window, is_test_dance
from datasets.motion.poses import canonical

Write = Callable[..., Path]
COUNTS = {f"gBR_sBM_cAll_d{i % 30:02d}_mBR{i % 6}_ch{i:03d}": 1 + i % 3 for i in range(300)}


@pytest.fixture
def installed(motion: dict[str, np.ndarray], annotations: Write, data_directory: Path) -> dict[str, np.ndarray]:
    Aist().install(annotations(motion))
    return motion


def loaded(seed: int = 0, **values: Any) -> datasets.Sequences:
    return datasets.load("aist", seed=seed, **{"sequences": 12, "window": 60, **values})


def test_loads_what_was_imported(installed: dict[str, np.ndarray]) -> None:
    sequences = loaded()
    assert {split: array.shape for split, array in sequences.frames.items()} == {
        "train": (8, 60, 32),
        "val": (2, 60, 32),
        "test": (2, 60, 32),
    }
    assert sequences.name == "aist"
    assert sequences.real
    assert sequences.unit == "cm"
    assert sequences.notes["keypoints"] == "keypoints3d_optim"
    assert sequences.notes["ignore_list"] is None


@pytest.mark.parametrize("align", ["frame", "window"])
def test_every_window_is_one_of_its_splits_dances(installed: dict[str, np.ndarray], align: str) -> None:
    whole = {name: canonical(keypoints, window=60, align=align) for name, keypoints in installed.items()}
    owners: dict[str, set[str]] = {}
    sequences = loaded(align=align)
    for split in datasets.SPLITS:
        poses = sequences.standardised[split] * sequences.transform.scale + sequences.transform.mean
        for pose in poses:
            actual = [name for name, windows in whole.items() for w in windows if np.allclose(w, pose, atol=1e-2)]
            assert len(actual) == 1
            owners.setdefault(split, set()).update(actual)
        genres = [sequences.notes["labels"][label] for label in sequences.labels[split]]
        assert set(genres) == {name[:3] for name in owners[split]}
    assert not owners["train"] & owners["val"]
    assert all(is_test_dance(name) for name in owners["test"])
    assert not any(is_test_dance(name) for name in owners["train"] | owners["val"])


def test_centimetres_come_back(installed: dict[str, np.ndarray]) -> None:
    sequences = loaded(width=51)
    poses = sequences.standardised["test"] * sequences.transform.scale + sequences.transform.mean
    np.testing.assert_allclose(sequences.inverse(sequences.frames["test"]), poses, atol=0.01)


def test_a_seed_gives_the_same_arrays_and_another_seed_others(installed: dict[str, np.ndarray]) -> None:
    first, same, other = (loaded(seed).frames["train"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


def test_too_few_windows_are_told(installed: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match=r"Expected 280 windows for train, got \d+ .* `sequences` \(now 400\)"):
        loaded(sequences=400)
    with pytest.raises(DataError, match=r"Expected 4000 windows, got \d+"):
        loaded(sequences=4000, split="window")


def test_windows_may_be_drawn_whatever_their_dance(installed: dict[str, np.ndarray]) -> None:
    sequences = loaded(split="window")
    assert sequences.frames["train"].shape == (8, 60, 32)
    assert sequences.notes["split"] == "window"


def test_raw_keypoints_are_the_other_key(
    generated: dict[str, np.ndarray], annotations: Write, data_directory: Path
) -> None:
    shaken = {name: keypoints + 1.0 * (np.arange(17) == 9)[:, None] for name, keypoints in generated.items()}
    root = annotations({})
    for name, keypoints in generated.items():
        content = {"keypoints3d": shaken[name], "keypoints3d_optim": keypoints}
        (root / "keypoints3d" / f"{name}.pkl").write_bytes(pickle.dumps(content, pickle.HIGHEST_PROTOCOL))
    Aist().install(root)
    optim, raw = (loaded(keypoints=kind).transform.mean for kind in ("optim", "raw"))
    np.testing.assert_allclose(optim[28] + 1.0, raw[28], atol=1e-3)  # height of the left wrist
    np.testing.assert_allclose(optim[30:], raw[30:], atol=1e-3)


def test_check_tells_the_counts_and_finds_damage(installed: dict[str, np.ndarray], data_directory: Path) -> None:
    dataset = Aist(sequences=12, window=60)
    report = "\n".join(dataset.check())
    assert f"{len(installed)} sequences" in report
    assert "as imported" in report
    assert "real data" in report
    assert "(8, 60, 32)" in report
    assert "ignore list not found, none excluded" in report

    path = next((data_directory / "aist").glob("*.npz"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        dataset.check()


def test_the_recipe_is_the_files_hash(installed: dict[str, np.ndarray], data_directory: Path) -> None:
    path = next((data_directory / "aist").glob("*.npz"))
    assert Aist().recipe() == {"sha256": store.file_sha256(path)}
    assert loaded().notes["source_sha256"] == store.file_sha256(path)


def test_what_is_missing_is_told_with_the_commands(data_directory: Path) -> None:
    reason = Aist().missing()
    assert reason is not None
    assert "\n" not in reason
    for part in (
        "not found",
        str(data_directory),
        "keypoints3d.zip (834 MB, CC BY 4.0)",
        "https://google.github.io/aistplusplus_dataset/download.html",
        "python -m bench data fetch aist",
        "python -m bench data import aist PATH",
    ):
        assert part in reason
    assert Aist().recipe() == {}
    assert Aist.stand_in == "aist-standin"
    for act in (lambda: datasets.load("aist"), lambda: Aist().load(0), Aist().check):
        with pytest.raises(FileNotFoundError, match=re.escape(str(data_directory))):
            act()


def test_a_half_present_installation_is_told(installed: dict[str, np.ndarray], data_directory: Path) -> None:
    folder = data_directory / "aist"
    next(folder.glob("*.npz")).rename(folder / "elsewhere")
    assert "lacks keypoints-" in str(Aist().missing())
    store.write_manifest(folder, {"format": 0})
    assert "another format" in str(Aist().missing())
    (folder / store.MANIFEST).write_text("[]")
    with pytest.raises(DataError, match="Expected a JSON object"):
        Aist().missing()
    (folder / store.MANIFEST).write_text("{")
    with pytest.raises(DataError, match="damaged"):
        Aist().missing()


def test_test_dances_are_about_the_share_and_the_same_for_every_seed() -> None:
    assert 0.10 < np.mean([is_test_dance(name) for name in COUNTS]) < 0.20
    pools = []
    for seed in range(4):
        drawn = draw_by_dance(COUNTS, split_sizes(80), seed)
        pools.append({name for name, _ in drawn["test"]})
        assert all(is_test_dance(name) for name in pools[-1])
    assert pools[0] != pools[1]  # which of their windows, the seed may say


@pytest.mark.parametrize("sequences", [80, 400])
@pytest.mark.parametrize("seed", [0, 1])
def test_splits_have_exact_sizes_and_share_no_dance(sequences: int, seed: int) -> None:
    sizes = split_sizes(sequences)
    drawn = draw_by_dance(COUNTS, sizes, seed)
    assert {split: len(set(windows)) for split, windows in drawn.items()} == sizes
    dances = {split: {name for name, _ in windows} for split, windows in drawn.items()}
    assert not dances["train"] & dances["val"]
    assert not (dances["train"] | dances["val"]) & dances["test"]
    assert all(0 <= number < COUNTS[name] for windows in drawn.values() for name, number in windows)


def test_windows_are_drawn_once() -> None:
    drawn = draw_by_window(COUNTS, split_sizes(400), 0)
    assert len({window for windows in drawn.values() for window in windows}) == 400
    assert draw_by_window(COUNTS, split_sizes(400), 0) == drawn


def test_the_data_directory_is_the_variable_else_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_DATA", "~/somewhere")
    assert store.data_directory() == Path.home() / "somewhere"
    monkeypatch.delenv("BENCH_DATA")
    assert "quantizer-bench" in str(store.data_directory())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sequences": 1}, "sequences"),
        ({"keypoints": "optimised"}, "keypoints to be one of optim, raw, got 'optimised'"),
        ({"align": "dance"}, "align"),
        ({"split": "dancer"}, "split to be one of dance, window"),
        ({"width": 60}, "width"),
    ],
)
def test_parameters_out_of_range_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Aist(**values)
