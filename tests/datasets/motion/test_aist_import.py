import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.errors import DataError
from datasets.motion import aist_import
from datasets.motion.aist_import import JOINT_NAMES, find_folder, import_aist, summary
from datasets.motion.pickles import Stored, read_arrays
from datasets.motion.repair import repair

Write = Callable[..., Path]
Motion = dict[str, np.ndarray]
NAMES = (b"numpy.core", b"numpy._core")
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Runs:
    """Pickles to a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def few(motion: Motion, count: int = 4) -> Motion:
    return {name: keypoints.copy() for name, keypoints in list(motion.items())[:count]}


def read(manifest: dict[str, Any], directory: Path) -> dict[str, np.ndarray]:
    with np.load(directory / "aist" / manifest["file"], allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_reads_alike(generated: Motion, annotations: Write, tmp_path: Path, protocol: int) -> None:
    motion = few(generated, 2)
    manifest = import_aist(annotations(motion, protocol=protocol), tmp_path / "data")
    arrays = read(manifest, tmp_path / "data")
    assert sorted(arrays) == sorted(f"{kind}/{name}" for kind in ("optim", "raw") for name in motion)
    for name, keypoints in motion.items():
        np.testing.assert_array_equal(arrays[f"optim/{name}"], keypoints.astype(np.float32))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("data_type", ["<f8", ">f8", "<f4", "<f2"])
@pytest.mark.parametrize("order", ["C", "F", "view"])
def test_arrays_come_back_whatever_their_layout(protocol: int, data_type: str, order: str) -> None:
    array = np.random.default_rng(0).normal(size=(4, 17, 3)).astype(data_type)
    array = array.transpose(1, 0, 2) if order == "view" else np.asarray(array, order=order)  # type: ignore[call-overload]
    got = read_arrays(pickle.dumps({"a": array, "loss": np.float64(2.0)}, protocol=protocol), "f.pkl")["a"]
    np.testing.assert_array_equal(got.array(), array)


def test_files_that_numpy_1_wrote_are_read() -> None:
    array = np.arange(51.0).reshape(1, 17, 3)
    for protocol in (2, 3):  # names of modules are lines there, so they can be exchanged
        content = pickle.dumps({"a": array}, protocol=protocol)
        former, current = (content.replace(b"numpy._core", name).replace(b"numpy.core", name) for name in NAMES)
        assert former != current
        for spelt in (former, current):
            np.testing.assert_array_equal(read_arrays(spelt, "f.pkl")["a"].array(), array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("place", ["value", "array", "state"])
def test_a_malicious_pickle_is_refused_and_does_not_run(
    generated: Motion, annotations: Write, tmp_path: Path, protocol: int, place: str
) -> None:
    motion = few(generated, 3)
    directory = tmp_path / "data"
    before = import_aist(annotations(motion), directory)
    target = tmp_path / "aist_plusplus_final" / "keypoints3d" / f"{sorted(motion)[1]}.pkl"
    touched = tmp_path / "touched"
    evil = Runs(os.system, f"touch {touched}")
    holder = np.empty(1, dtype=object)
    holder[0] = evil
    keypoints: Any = motion[target.stem]
    content = {
        "value": {"keypoints3d": keypoints, "keypoints3d_optim": evil},
        "array": {"keypoints3d": keypoints, "keypoints3d_optim": holder},
        "state": {"keypoints3d": keypoints, "keypoints3d_optim": keypoints, "more": {"deep": [evil]}},
    }[place]
    target.write_bytes(pickle.dumps(content, protocol=protocol))

    with pytest.raises(DataError, match=rf"Refused {target.name}: it asks for (posix|nt)\.system") as caught:
        import_aist(target.parent, directory)
    assert "Nothing of it was run" in str(caught.value)
    assert not touched.exists()
    # What was installed before is as it was, and nothing lies beside it.
    assert json.loads((directory / "aist" / "manifest.json").read_text()) == before
    assert sorted(path.name for path in (directory / "aist").iterdir()) == sorted([before["file"], "manifest.json"])


@pytest.mark.parametrize("function", [eval, __import__, np.load, getattr])
def test_any_other_global_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=f"asks for .*{function.__name__}"):
        read_arrays(pickle.dumps({"keypoints3d": Runs(function, "os")}), "f.pkl")


def test_what_arrays_may_name_is_not_handed_out() -> None:
    """Calling `numpy.ndarray` or `_reconstruct` with a shape of one's own allocates nothing."""
    huge = Runs(np.empty(0).__reduce__()[0], np.ndarray, (10**15,), b"b")  # type: ignore[arg-type]
    value = read_arrays(pickle.dumps({"a": huge}), "f.pkl")["a"]
    assert isinstance(value, Stored)
    with pytest.raises(ValueError, match="floating-point"):
        value.array()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable pickle .EOFError"),
        (b"not a pickle", "not a readable pickle"),
        (pickle.dumps({"a": np.zeros((2, 17, 3))})[:-40], "not a readable pickle"),
        (pickle.dumps([1]), "to hold a dict, got list"),
    ],
)
def test_damaged_pickles_are_told(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_arrays(content, "f.pkl")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((5, 17, 2)), r"to be \(frames, 17, 3\).*got \(5, 17, 2\)"),
        (np.zeros((0, 17, 3)), r"with a frame or more, got \(0, 17, 3\)"),
        (np.zeros((5, 51)), r"got \(5, 51\)"),
        (np.zeros((5, 17, 3), dtype=np.int64), "expected floating-point numbers, got 'i8'"),
        (np.full((5, 17, 3), None), "expected floating-point numbers, got 'O8'"),
        ([1.0, 2.0], "to hold an array under 'keypoints3d_optim', got list"),
        (None, "to hold an array under 'keypoints3d_optim', got nothing"),
    ],
)
def test_a_file_of_another_form_is_told(
    generated: Motion, annotations: Write, tmp_path: Path, value: Any, message: str
) -> None:
    root = annotations(few(generated))
    target = sorted((root / "keypoints3d").iterdir())[0]
    content = {"keypoints3d": generated[target.stem], "keypoints3d_optim": value}
    target.write_bytes(pickle.dumps({key: part for key, part in content.items() if part is not None}))
    with pytest.raises(DataError, match=message) as caught:
        import_aist(root, tmp_path / "data")
    assert target.name in str(caught.value)
    assert list((tmp_path / "data" / "aist").iterdir()) == []


def test_a_file_too_large_is_not_read(
    generated: Motion, annotations: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aist_import, "LARGEST_FILE_BYTES", 1000)
    with pytest.raises(DataError, match=r"bytes, more than any AIST\+\+ sequence"):
        import_aist(annotations(few(generated)), tmp_path / "data")


@pytest.mark.parametrize("given", ["", "aist_plusplus_final", "aist_plusplus_final/keypoints3d"])
def test_the_folder_is_found_from_above(generated: Motion, annotations: Write, tmp_path: Path, given: str) -> None:
    root = annotations(few(generated, 1))
    assert find_folder(tmp_path / given) == root / "keypoints3d"


def test_no_pickles_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No keypoints3d pickles under .*keypoints3d\.zip"):
        find_folder(tmp_path)
    (tmp_path / "keypoints3d.zip").touch()
    with pytest.raises(DataError, match=r"unzip keypoints3d\.zip"):
        find_folder(tmp_path / "keypoints3d.zip")


def test_other_names_are_skipped_and_the_ignore_list_is_stripped(
    generated: Motion, annotations: Write, tmp_path: Path
) -> None:
    motion = few(generated)
    root = annotations(motion)
    (root / "keypoints3d" / "notes.pkl").write_bytes(b"never read")
    ignored = sorted(motion)[:2]
    (root / "ignore_list.txt").write_text(f"{ignored[0]} \ngHO_sFM_cAll_d20_mHO5_ch13 \n{ignored[1]}")
    manifest = import_aist(root, tmp_path / "data")
    assert sorted(manifest["sequences"]) == sorted(motion)[2:]
    assert manifest["skipped"] == ["notes.pkl"]
    report = "\n".join(summary(manifest))
    assert "ignore list: 3 names" in report
    assert "left out: 2 x on the ignore list" in report
    assert "notes.pkl" in report


def test_gaps_are_filled_and_absent_joints_leave_a_sequence_out(
    motion: Motion, annotations: Write, tmp_path: Path
) -> None:
    held = few(motion)
    short, zero, long, whole = sorted(held)
    held[short][40:50, 9] = np.nan
    held[zero][:, 15] = 0.0
    held[long][20:60, 3] = np.nan
    manifest = import_aist(annotations(held), tmp_path / "data")
    assert sorted(name for name, entry in manifest["sequences"].items() if entry["frames"]) == sorted([short, whole])
    assert manifest["sequences"][short]["filled"] == {"optim": 10, "raw": 10}
    reasons = {(entry["name"], entry["keypoints"]): entry["reason"] for entry in manifest["excluded"]}
    assert reasons[zero, "optim"] == "missing throughout: left ankle"
    assert reasons[long, "raw"] == "left ear missing for 40 frames, 30 allowed"
    got = read(manifest, tmp_path / "data")[f"optim/{short}"]
    before, after = held[short][39, 9], held[short][50, 9]
    np.testing.assert_allclose(got[44, 9], before + (after - before) * 5 / 11, rtol=1e-4, atol=1e-3)
    assert np.isfinite(got).all()
    report = "\n".join(summary(manifest))
    assert "10 joint positions interpolated" in report
    assert "1 x missing throughout: left ankle (optim)" in report


def test_a_gap_at_an_end_takes_the_nearest_position() -> None:
    keypoints = np.random.default_rng(0).normal(size=(100, 17, 3))
    keypoints[:5, 2] = np.nan
    keypoints[-3:, 4, 1] = np.inf
    repaired = repair(keypoints, JOINT_NAMES)
    assert repaired.keypoints is not None
    assert repaired.filled == 8
    np.testing.assert_allclose(repaired.keypoints[:5, 2], np.tile(keypoints[5, 2], (5, 1)), rtol=1e-6)
    np.testing.assert_allclose(repaired.keypoints[-1, 4], keypoints[-4, 4], rtol=1e-6)


def test_too_much_missing_leaves_a_sequence_out() -> None:
    keypoints = np.ones((100, 17, 3))
    keypoints[::2, :5] = np.nan
    assert repair(keypoints, JOINT_NAMES).reason == "15% of the positions missing, 10% allowed"


def test_no_usable_sequence_is_told(generated: Motion, annotations: Write, tmp_path: Path) -> None:
    motion = {name: 0.0 * keypoints for name, keypoints in few(generated, 2).items()}
    with pytest.raises(DataError, match=r"No usable sequence .* 2 x missing throughout: nose, left eye"):
        import_aist(annotations(motion), tmp_path / "data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda k: k / 100, "in centimetres, got what looks like metres"),
        (lambda k: k * 10, "what looks like millimetres"),
        (lambda k: k * 0.1, "another unit"),
        (lambda k: k[..., [0, 2, 1]] * [1, -1, 1], "with y up, got what looks like z up"),
        (lambda k: k * [1, -1, -1], "what looks like -y up"),
    ],
)
def test_another_unit_or_axis_is_refused(
    motion: Motion, annotations: Write, tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        import_aist(annotations({name: change(k) for name, k in few(motion).items()}), tmp_path / "data")
    assert list((tmp_path / "data" / "aist").iterdir()) == []


def test_importing_again_replaces_the_former(generated: Motion, annotations: Write, tmp_path: Path) -> None:
    root = annotations(few(generated))
    first = import_aist(root, tmp_path / "data")
    assert import_aist(root, tmp_path / "data") == first  # to the byte: results are keyed by the npz's hash
    sorted((root / "keypoints3d").iterdir())[0].unlink()
    second = import_aist(root, tmp_path / "data")
    assert second["sha256"] != first["sha256"]
    assert sorted(p.name for p in (tmp_path / "data" / "aist").iterdir()) == sorted([second["file"], "manifest.json"])


def test_a_sequence_in_another_unit_or_upside_down_among_others_is_left_out_by_name(
    generated: Motion, annotations: Write, tmp_path: Path
) -> None:
    motion = few(generated, 6)
    first, second, third = list(motion)[:3]
    motion[first] = motion[first] / 100
    motion[second] = -motion[second]
    manifest = import_aist(annotations(motion), tmp_path / "data")
    reasons = {(item["name"], item["keypoints"]): item["reason"] for item in manifest["excluded"]}
    assert reasons == {
        (name, kind): reason
        for name, reason in ((first, "looks like metres, not centimetres"), (second, "upside down"))
        for kind in ("optim", "raw")
    }
    assert f"optim/{third}" in read(manifest, tmp_path / "data")
    assert not {f"optim/{first}", f"raw/{second}"} & read(manifest, tmp_path / "data").keys()
    assert "looks like metres" in "\n".join(summary(manifest))
