from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datasets
from datasets.errors import DataError
from datasets.npz import Npz
from datasets.sequences import Sequences
from datasets.store import file_sha256


@pytest.fixture
def walks() -> dict[str, np.ndarray]:
    """Twelve random walks of 40 to 95 steps in five features of very different sizes."""
    generator = np.random.default_rng(3)
    scales = np.array([1e-3, 1.0, 10.0, 1e4, 1.0])
    return {
        f"walk {number}": generator.normal(size=(40 + 5 * number, 5)).cumsum(axis=0) * scales + 100 * scales
        for number in range(12)
    }


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def save(arrays: dict[str, np.ndarray], name: str = "walks.npz") -> Path:
        np.savez(tmp_path / name, **arrays)  # type: ignore[arg-type]
        return tmp_path / name

    return save


def raw(sequences: Sequences, split: str) -> np.ndarray:
    """Frames in the file's units, before the PCA."""
    back: np.ndarray = sequences.standardised[split].astype(np.float64) * sequences.transform.scale
    return back + sequences.transform.mean


def test_every_window_is_one_of_its_splits_sequences(walks: dict[str, np.ndarray], write: Any) -> None:
    sequences = datasets.load(f"npz:{write(walks)}", seed=1, window=20, width=3)
    assert (sequences.name, sequences.real, sequences.unit) == ("npz:walks", True, "")
    # 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4 windows: 36 in all.
    assert sequences.notes["windows_available"] == 36
    scale = np.ptp(np.concatenate(list(walks.values())), axis=0)
    owners = {}
    for split in datasets.SPLITS:
        assert sequences.frames[split].shape[1:] == (20, 3)
        owners[split] = {
            name
            for window in raw(sequences, split)
            for name, values in walks.items()
            for start in range(0, len(values) - 19, 20)
            if (np.abs(values[start : start + 20] - window) < 1e-4 * scale).all()
        }
        assert len(owners[split]) == sequences.notes["sequences"][split]
    assert not owners["train"] & owners["val"]
    assert not (owners["train"] | owners["val"]) & owners["test"]
    other = datasets.load(f"npz:{write(walks)}", seed=2, window=20, width=3)
    assert {split: value.shape for split, value in other.frames.items()} == {
        split: value.shape for split, value in sequences.frames.items()
    }


def test_features_are_standardised_on_train_and_come_back(walks: dict[str, np.ndarray], write: Any) -> None:
    constant = {name: np.column_stack([values, np.full(len(values), 0.1)]) for name, values in walks.items()}
    sequences = datasets.load(f"npz:{write(constant)}", seed=0)
    train = sequences.standardised["train"].reshape(-1, 6).astype(np.float64)
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(train[:, :5].std(axis=0), 1, atol=1e-4)
    assert sequences.transform.scale[5] == 0.0  # a feature that does not vary is not blown up
    assert sequences.width == 6
    tolerance = 1e-3 * sequences.transform.scale
    assert (np.abs(sequences.inverse(sequences.frames["test"]) - raw(sequences, "test")) <= tolerance).all()


@pytest.mark.parametrize(("shortest", "window"), [(20, 20), (240, 240), (241, 120), (300, 150), (1000, 200)])
def test_unless_told_the_shortest_sequence_is_cut_into_the_fewest_equal_parts(
    write: Any, shortest: int, window: int
) -> None:
    arrays = {str(number): np.arange(2.0 * (shortest + number)).reshape(-1, 2) for number in range(6)}
    assert Npz(path=str(write(arrays))).settled()["window"] == window


def test_a_file_in_which_nothing_varies_is_refused_by_name(write: Any) -> None:
    with pytest.raises(DataError, match=r"features that vary in .*walks\.npz, got 3 that do not vary"):
        Npz(path=str(write({"x": np.full((12, 40, 3), 7)}))).settled()


@pytest.mark.parametrize("sign", [1, -1])
def test_whole_numbers_that_float64_would_round_are_refused(write: Any, sign: int) -> None:
    values = np.arange(12 * 40).reshape(12, 40, 1) * sign
    assert Npz(path=str(write({"x": values + sign * (2**53 - 480)}))).settled()["sequences"]
    with pytest.raises(DataError, match=r"at most 2\^53 .* in sequence '000000': subtract an origin"):
        Npz(path=str(write({"x": values + sign * 2**53}))).settled()


def test_numbers_whose_squares_would_vanish_are_refused(write: Any) -> None:
    values = np.random.default_rng(0).normal(size=(12, 40, 3))
    assert Npz(path=str(write({"x": values * 1e-140}))).settled()
    with pytest.raises(DataError, match=r"walks\.npz, got at most .*: use another unit"):
        Npz(path=str(write({"x": values * 1e-200}))).settled()


def test_check_names_what_does_not_vary_in_training(write: Any) -> None:
    values = np.random.default_rng(0).normal(size=(12, 40, 3))
    values[..., 1] = 5
    lines = Npz(path=str(write({"x": values}))).check()
    assert "left out, because they do not vary in training: features 1 of seed 0" in lines


def test_one_array_of_sequences_is_the_same_as_one_a_key(write: Any) -> None:
    values = np.random.default_rng(0).normal(size=(10, 30, 4)).astype(np.float32)
    together = datasets.load(f"npz:{write({'x': values})}", seed=4)
    apart = datasets.load(f"npz:{write({f'{i:06d}': item for i, item in enumerate(values)}, 'apart.npz')}", seed=4)
    for split in datasets.SPLITS:
        np.testing.assert_array_equal(together.frames[split], apart.frames[split])


def test_points_in_space_keep_together(write: Any) -> None:
    values = np.random.default_rng(0).normal(size=(10, 30, 4, 3))
    for arrays in ({"x": values}, {str(number): item for number, item in enumerate(values)}):
        sequences = datasets.load(f"npz:{write(arrays)}")
        assert sequences.points.tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    flat = datasets.load(f"npz:{write({'x': values.reshape(10, 30, 12)})}")
    assert flat.points.tolist() == [[feature] for feature in range(12)]


def test_integers_and_half_precision_are_numbers(write: Any) -> None:
    values = np.random.default_rng(0).integers(-5, 5, size=(10, 30, 4))
    exact, half = (datasets.load(f"npz:{write({'x': values.astype(kind)})}") for kind in (np.int16, np.float16))
    np.testing.assert_array_equal(exact.frames["train"], half.frames["train"])


def test_what_was_asked_for_gives_way_to_what_there_is(
    walks: dict[str, np.ndarray], write: Any, tmp_path: Path
) -> None:
    settled = Npz(path=str(write(walks)), sequences=400, width=32).settled()
    assert settled["width"] == 5
    assert settled["window"] == 40
    assert 12 < settled["sequences"] <= 20  # 12 + 4 windows, less what the unluckiest seed cannot use
    again = Npz(path=str(write(walks)), **settled)
    assert again.settled() == settled
    assert again.train_frames == datasets.load("npz", path=str(write(walks))).frames["train"][..., 0].size
    (tmp_path / "damaged.npz").touch()
    for path in ("absent.npz", str(tmp_path / "damaged.npz")):  # a report is written without the file
        assert Npz(path=path, **settled).train_frames == again.train_frames


def test_short_sequences_are_left_out_and_counted(walks: dict[str, np.ndarray], write: Any) -> None:
    sequences = datasets.load(f"npz:{write(walks)}", window=50)
    assert sequences.notes["sequences_too_short"] == 2
    assert sequences.notes["sequences_available"] == 10


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 30, 3))}, r"at least 3 sequences of 30 frames or more .* got 2 of 2: cut long recordings"),
        ({"x": np.zeros((300, 3))}, r"one array \(sequences, time, features\) .* got \(300, 3\) under 'x' of 1 key\."),
        ({"a": np.zeros(9), "b": np.zeros((9, 2))}, r"an array \(time, features\) a key, got \(9,\) under 'a'"),
        ({"a": np.zeros((30, 2)), "b": np.zeros((30, 3))}, r"of one width .* got 'a' \(30, 2\), 'b' \(30, 3\)"),
        ({"x": np.zeros((5, 30, 0))}, "features in every frame"),
        ({"x": np.zeros((5, 8, 2))}, r"shortest sequence .* has 8 frames: .*--set npz:walks\.window=N"),
        ({"x": np.array([[[None]]])}, "got objects under 'x'"),
        ({"x": np.zeros((5, 30, 2), complex)}, "got complex128 under 'x'"),
        ({"x": np.full((5, 30, 2), "a")}, "got <U1 under 'x'"),
        ({"x": np.zeros((5, 30, 2), bool)}, "got bool under 'x'"),
        ({}, "Expected arrays"),
    ],
)
def test_a_file_of_another_form_is_told(write: Any, arrays: dict[str, np.ndarray], message: str) -> None:
    dataset = Npz(path=str(write(arrays)))
    for look in (dataset.settled, lambda: dataset.load(0)):
        with pytest.raises(DataError, match=message):
            look()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e31])
def test_numbers_that_are_none_are_told_before_a_run_and_when_loaded(
    walks: dict[str, np.ndarray], write: Any, wrong: float
) -> None:
    walks["walk 7"][11, 2] = wrong
    dataset = Npz(path=str(write(walks)))
    with pytest.raises(DataError, match=r"in frame 11 of sequence 'walk 7' \(1 such frames\)"):
        dataset.settled()
    with pytest.raises(DataError, match="walk 7"):
        [dataset.load(seed) for seed in range(30)]


def test_what_is_no_npz_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 30, 2)))
    (tmp_path / "b.npz").write_bytes(b"PK not a zip")
    for name in ("a.npy", "b.npz"):
        with pytest.raises(DataError, match="Expected an npz file of arrays"):
            Npz(path=str(tmp_path / name)).settled()
    with pytest.raises(FileNotFoundError, match=r"npz:c: there is no file .*c\.npz"):
        datasets.load(f"npz:{tmp_path / 'c.npz'}")
    with pytest.raises(FileNotFoundError, match="no file"):
        Npz(path="c.npz").load(0)


def test_a_name_is_the_files_and_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert datasets.resolve("lorenz") == ("lorenz", {})
    assert datasets.resolve("npz:data/a b.v2.npz") == ("npz:a-b", {"path": str(tmp_path / "data" / "a b.v2.npz")})
    assert datasets.resolve("npz:<i>x|y.npz")[0] == "npz:i-x-y"
    for name in ("npz", "npz:", "npz:.npz"):
        with pytest.raises(ValueError, match=r"path of a file after npz, as in npz:walks\.npz"):
            datasets.resolve(name)
    with pytest.raises(ValueError, match="unknown dataset 'lorenz:x'; did you mean 'lorenz'"):
        datasets.resolve("lorenz:x")


def test_the_recipe_is_the_files_hash(walks: dict[str, np.ndarray], write: Any) -> None:
    path = write(walks)
    assert Npz(path=str(path)).recipe() == {"sha256": file_sha256(path)}


def test_labels_go_with_their_sequences(walks: dict[str, np.ndarray], write: Any) -> None:
    labels = np.array([f"class {number % 3}" for number in range(len(walks))])
    sequences = datasets.load(f"npz:{write(walks | {'labels': labels})}", seed=1)
    plain = datasets.load(f"npz:{write(walks, 'plain.npz')}", seed=1)
    assert sequences.notes["labels"] == ["class 0", "class 1", "class 2"]
    for split in datasets.SPLITS:
        np.testing.assert_array_equal(sequences.frames[split], plain.frames[split])
        # Every window is found among those of the sequences of its class.
        for window, label in zip(raw(sequences, split), sequences.labels[split], strict=True):
            of_class = [values for values, name in zip(walks.values(), labels, strict=True) if name == f"class {label}"]
            length = len(window)
            starts = [values[at : at + length] for values in of_class for at in range(0, len(values), length)]
            assert any(part.shape == window.shape and np.allclose(part, window, atol=1e-3) for part in starts)
    assert not plain.labels


def test_labels_of_one_array_may_be_numbers(write: Any) -> None:
    values = np.random.default_rng(0).normal(size=(10, 30, 4))
    sequences = datasets.load(f"npz:{write({'x': values, 'labels': np.arange(10) % 2})}")
    assert sequences.notes["labels"] == ["0", "1"]
    assert {split: len(labels) for split, labels in sequences.labels.items()} == {
        split: len(frames) for split, frames in sequences.frames.items()
    }


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (np.arange(9), r"one per sequence \(10\), got 9 of type int64"),
        (np.linspace(0, 1, 10), r"got 10 of type float64"),
    ],
)
def test_labels_that_fit_no_sequence_are_refused(write: Any, labels: np.ndarray, match: str) -> None:
    values = np.random.default_rng(0).normal(size=(10, 30, 4))
    with pytest.raises(DataError, match=match):
        Npz(path=str(write({"x": values, "labels": labels}))).settled()
