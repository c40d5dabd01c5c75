"""Arrays of other types, layouts and shapes in an npz: read alike, left out or named."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import datasets
from datasets.errors import DataError
from datasets.npz import Npz

KINDS = ["u1", "i1", ">u2", "<i2", ">i4", "u4", ">i8", "u8", "<f2", ">f2", "<f4", ">f4", ">f8", "longdouble"]


def whole_numbers(seed: int = 0, count: int = 12, frames: int = 30, width: int = 3) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 100, size=(frames, width)) for _ in range(count)]


def saved(path: Path, arrays: dict[str, np.ndarray]) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return f"npz:{path}"


@settings(deadline=None, max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), kinds=st.lists(st.sampled_from(KINDS), min_size=12, max_size=12), fortran=st.booleans())
def test_arrays_of_several_types_give_what_float64_gives(
    tmp_path: Path, seed: int, kinds: list[str], fortran: bool
) -> None:
    values = whole_numbers(seed)
    mixed = {
        f"{number:02d}": np.asarray(item, dtype=kind, order="F" if fortran else "C")
        for number, (item, kind) in enumerate(zip(values, kinds, strict=True))
    }
    exact = {name: values[int(name)].astype(np.float64) for name in mixed}
    loaded = datasets.load(saved(tmp_path / "w.npz", mixed), seed=seed)
    expected = datasets.load(saved(tmp_path / "w.npz", exact), seed=seed)
    for split in datasets.SPLITS:
        np.testing.assert_allclose(loaded.standardised[split], expected.standardised[split], atol=1e-5)


def test_the_type_of_the_first_array_does_not_round_the_others(tmp_path: Path) -> None:
    values = {f"{number:02d}": item + 0.25 for number, item in enumerate(whole_numbers())}
    expected = datasets.load(saved(tmp_path / "w.npz", values))
    for name in values:  # whichever is read first
        changed = values | {name: values[name].astype(np.int8)}
        loaded = datasets.load(saved(tmp_path / "w.npz", changed))
        back = [item.standardised["train"] * item.transform.scale + item.transform.mean for item in (loaded, expected)]
        assert np.abs(back[0] - back[1]).max() < 0.3


def test_sequences_without_frames_are_left_out(tmp_path: Path) -> None:
    values = {f"{number:02d}": item for number, item in enumerate(whole_numbers())}
    for nothing in (np.zeros((0, 3)), np.zeros((0, 7))):
        loaded = datasets.load(saved(tmp_path / "w.npz", values | {"nothing": nothing}))
        assert loaded.notes["sequences_too_short"] == 1
        assert loaded.notes["window"] == 30
        assert Npz(path=str(tmp_path / "w.npz")).settled()["window"] == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"odd": np.zeros((30, 4))},
            r"of one width .*'00' \(30, 3\), 'odd' \(30, 4\): 12 of 13 have frames of shape \(3,",
        ),
        ({"odd": np.zeros((30, 0))}, r"of one width .* 'odd' \(30, 0\)"),
        ({f"odd{number}": np.zeros((30, 4)) for number in range(5)}, r"'odd2' \(30, 4\), \.\.\.: 12 of 17"),
        ({"odd": np.zeros((30, 3, 2))}, r"of one width .* 'odd' \(30, 3, 2\)"),
        ({"odd": np.zeros(30)}, r"got \(30,\) under 'odd'"),
        ({"odd": np.array(3.0)}, r"got \(\) under 'odd'"),
        ({"odd": np.zeros((30, 3), complex)}, "got complex128 under 'odd'"),
        ({"odd": np.zeros((30, 3), bool)}, "got bool under 'odd'"),
        ({"odd": np.full((30, 3), None)}, "got objects under 'odd'"),
        ({"odd": np.zeros((30, 3), "m8[s]")}, r"got timedelta64\[s\] under 'odd'"),
        ({"odd": np.full((30, 3), np.longdouble("1e400"))}, "frame 0 of sequence 'odd'"),
        ({"odd": np.zeros((8, 3))}, r"shortest sequence in .*, 'odd', has 8 frames"),
    ],
)
def test_the_one_odd_array_is_named(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    values = {f"{number:02d}": item for number, item in enumerate(whole_numbers())}
    dataset = datasets.create(saved(tmp_path / "w.npz", values | changes))
    for look in (dataset.settled, dataset.check):
        with pytest.raises(DataError, match=message) as caught:
            look()
        assert str(tmp_path / "w.npz") in str(caught.value)


def test_a_file_of_nothing_but_empty_sequences_is_refused(tmp_path: Path) -> None:
    empty = {str(number): np.zeros((0, 3)) for number in range(5)}
    with pytest.raises(DataError, match=r"sequences with frames .* none in 5 sequences"):
        datasets.load(saved(tmp_path / "w.npz", empty))
    for shape in ((0, 30, 3), (5, 0, 3)):
        with pytest.raises(DataError, match=r"Expected sequences .*w\.npz, got none"):
            datasets.load(saved(tmp_path / "w.npz", {"x": np.zeros(shape)}))


def test_the_smallest_integers_are_numbers(tmp_path: Path) -> None:
    for kind in (np.int8, np.int32):
        values = {f"{number:02d}": item.astype(kind) for number, item in enumerate(whole_numbers())}
        values["05"][0, 0] = np.iinfo(kind).min
        assert Npz(path=saved(tmp_path / "w.npz", values).removeprefix("npz:")).settled()["sequences"] == 12
