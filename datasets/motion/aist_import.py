"""Import of AIST++'s `keypoints3d` pickles as one npz and a manifest, so that runs unpickle nothing."""

import hashlib
import re
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets import store
from datasets.errors import DataError
from datasets.motion.orientation import check_units, wrong_scale
from datasets.motion.pickles import Stored, read_arrays
from datasets.motion.poses import BODY, JOINTS, LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, RIGHT_SHOULDER
from datasets.motion.repair import LARGEST_MISSING_SHARE, LONGEST_GAP_FRAMES, repair
from datasets.text import read_text

FORMAT = 1
FOLDER = "aist"
SOURCE = "AIST++ keypoints3d, Google LLC, CC BY 4.0 (https://google.github.io/aistplusplus_dataset/)"
# Our name -> the key in a pickle.
KEYPOINTS = {"optim": "keypoints3d_optim", "raw": "keypoints3d"}

# Genre, situation, cameras, dancer, music, choreography.
NAME = re.compile(r"g(BR|PO|LO|MH|LH|HO|WA|KR|JS|JB)_s(BM|FM)_cAll_d\d{2}_m[A-Z]{2}\d_ch\d{2}")
# The longest sequence (48 s) takes 2.4 MB.
LARGEST_FILE_BYTES = 64 * 2**20

JOINT_NAMES = tuple(name.replace("_", " ") for name in BODY.joints)

Keypoints = NDArray[np.floating[Any]]


def import_aist(path: Path, directory: Path | None = None) -> dict[str, Any]:
    """Convert AIST++ pickles and install the result as a whole; an error installs nothing.

    Args:
        path: Folder of the unzipped annotations, or the `keypoints3d` folder itself.
        directory: Data directory; by default `store.data_directory()`.

    Returns:
        The manifest: counts, sequences that were left out and why, SHA-256 of the npz and of each source file.

    Raises:
        DataError: The files are absent, damaged or refused, or the keypoints are not in centimetres with y up.
    """
    path = Path(path)
    source = find_folder(path)
    files, skipped = _select(source)
    ignored, ignore_list = _ignored(path, source)
    listed, others = [], []
    excluded: list[dict[str, str]] = []
    for file in files:
        if file.stem in ignored:
            listed.append(file)
            excluded.append({"name": file.stem, "keypoints": "both", "reason": "on the ignore list"})
        else:
            others.append(file)
    folder = (store.data_directory() if directory is None else Path(directory)) / FOLDER

    sequences: dict[str, Any] = {}
    spines: list[NDArray[np.floating[Any]]] = []
    with store.temporary_sibling(folder) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            for file in others:
                content = _read(file)
                entry: dict[str, Any] = {"sha256": hashlib.sha256(content).hexdigest(), "frames": {}, "filled": {}}
                for kind, keypoints in _keypoints(content, file.name).items():
                    repaired = repair(keypoints, JOINT_NAMES)
                    reason = repaired.reason
                    if repaired.keypoints is not None:
                        spines.append(_spines(repaired.keypoints))
                        reason = wrong_scale(spines[-1])
                    if repaired.keypoints is None or reason:
                        excluded.append({"name": file.stem, "keypoints": kind, "reason": reason})
                        continue
                    entry["frames"][kind] = len(keypoints)
                    entry["filled"][kind] = repaired.filled
                    with archive.open(f"{kind}/{file.stem}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, repaired.keypoints, allow_pickle=False)
                sequences[file.stem] = entry
        if spines:
            check_units(np.median([np.median(lengths, axis=0) for lengths in spines], axis=0))
        if not any(entry["frames"] for entry in sequences.values()):
            raise DataError(f"No usable sequence in {source}: {_reasons(excluded) or 'all files were skipped'}.")
        digest = store.file_sha256(partial)
        manifest = {
            "format": FORMAT,
            "source": SOURCE,
            "file": f"keypoints-{digest[:16]}.npz",
            "sha256": digest,
            "sequences": sequences,
            "excluded": excluded,
            "skipped": skipped,
            "ignore_list": ignore_list,
            "ignore_list_unmatched": len(ignored - {file.stem for file in (*files, *listed)}),
            "rules": {"longest_gap_frames": LONGEST_GAP_FRAMES, "largest_missing_share": LARGEST_MISSING_SHARE},
        }
        partial.replace(folder / str(manifest["file"]))
    # The rename of the manifest is what installs: until then the former import stays whole.
    store.write_manifest(folder, manifest)
    for former in folder.glob("keypoints-*.npz"):
        if former.name != manifest["file"]:
            former.unlink()
    return manifest


def summary(manifest: dict[str, Any]) -> list[str]:
    """Describe an import in lines for people."""
    entries = manifest["sequences"].values()
    lines = []
    for kind, key in KEYPOINTS.items():
        frames, filled = [], 0
        for entry in entries:
            if kind in entry["frames"]:
                frames.append(entry["frames"][kind])
                filled += entry["filled"][kind]
        lines.append(
            f"{kind} ({key}): {len(frames)} sequences, {sum(frames)} frames, {filled} joint positions interpolated"
        )
    ignore_list = manifest["ignore_list"]
    unmatched = manifest.get("ignore_list_unmatched", 0)  # manifests of former versions do not tell
    matched = f", {unmatched} of them match no file" if unmatched else ""
    lines.append(
        "ignore list not found, none excluded" if ignore_list is None else f"ignore list: {ignore_list} names{matched}"
    )
    if manifest["excluded"]:
        lines.append(f"left out: {_reasons(manifest['excluded'])}")
    if manifest["skipped"]:
        lines.append(f"skipped, not named as AIST++ sequences are: {', '.join(manifest['skipped'])}")
    return lines


def find_folder(path: Path) -> Path:
    """Find the folder that holds the pickles: `path`, `path/keypoints3d` or `path/*/keypoints3d`.

    Raises:
        DataError: None of these folders holds pickles.
    """
    if path.is_file():
        raise DataError(f"Expected a folder, got the file {path}: unzip keypoints3d.zip and give the folder it makes.")
    candidates = [path / "keypoints3d", *sorted(path.glob("*/keypoints3d")), path]
    for candidate in candidates:
        if candidate.is_dir() and any(candidate.glob("*.pkl")):
            return candidate
    raise DataError(
        f"No keypoints3d pickles under {path}: expected *.pkl in it, in {path / 'keypoints3d'} or in "
        f"{path / '*' / 'keypoints3d'}. Unzip keypoints3d.zip of AIST++ and give the folder it makes."
    )


def _select(source: Path) -> tuple[list[Path], list[str]]:
    """Files with an AIST++ name, and the names of the others."""
    files, others = [], []
    for file in sorted(source.glob("*.pkl")):
        if NAME.fullmatch(file.stem):
            files.append(file)
        else:
            others.append(file.name)
    return files, others


def _ignored(path: Path, source: Path) -> tuple[set[str], int | None]:
    """Names on `ignore_list.txt` and their number; None where there is no such file."""
    for folder in (path, source, source.parent, path.parent):
        listed = folder / "ignore_list.txt"
        if listed.is_file():
            # AIST++'s own list has a line with a trailing blank.
            names = set(map(str.strip, read_text(listed).splitlines())) - {""}
            return names, len(names)
    return set(), None


def _read(file: Path) -> bytes:
    size = file.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise DataError(
            f"{file.name} has {size} bytes, more than any AIST++ sequence ({LARGEST_FILE_BYTES}): not read. "
            "Get the file again from its original source."
        )
    return file.read_bytes()


def _keypoints(content: bytes, name: str) -> dict[str, Keypoints]:
    """Kind of keypoints -> (time, 17, 3) array of one file."""
    stored = read_arrays(content, name)
    keypoints: dict[str, Keypoints] = {}
    for kind, key in KEYPOINTS.items():
        value = stored.get(key)
        if not isinstance(value, Stored):
            came = "nothing" if value is None else type(value).__name__
            raise DataError(f"Expected {name} to hold an array under {key!r}, got {came}.")
        try:
            array = value.array()
        except (TypeError, ValueError) as error:
            raise DataError(f"{name}, {key!r}: {error}.") from error
        if array.ndim != 3 or array.shape[0] == 0 or array.shape[1:] != (JOINTS, 3):
            raise DataError(f"Expected {name}, {key!r} to be (frames, 17, 3) with a frame or more, got {array.shape}.")
        keypoints[kind] = array
    return keypoints


def _spines(keypoints: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
    """(time, 3) vectors from the hips' midpoint to the shoulders'."""
    shoulders = keypoints[:, [LEFT_SHOULDER, RIGHT_SHOULDER]].mean(axis=1)
    spines: NDArray[np.floating[Any]] = shoulders - keypoints[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1)
    return spines


def _reasons(excluded: list[dict[str, str]]) -> str:
    counts = Counter(f"{entry['reason']} ({entry['keypoints']})" for entry in excluded)
    return "; ".join(f"{count} x {reason}" for reason, count in sorted(counts.items()))
