"""AIST++ dance motion (Li et al. 2021), from the files that `bench data import aist` wrote."""

import hashlib
from collections.abc import Callable, Mapping
from itertools import filterfalse, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets import store, windows
from datasets.base import Dataset, require_choice, require_integer, split_sizes, stream
from datasets.errors import DataError
from datasets.motion import aist_fetch, aist_import, poses
from datasets.sequences import SPLITS, Sequences
from datasets.windows import Window

TEST_SHARE = 0.15  # share of the dances
VAL_SHARE = 0.15 / 0.85  # share of the windows that are not for testing
SPLIT_RULES = ("dance", "window")
PAGE = "https://google.github.io/aistplusplus_dataset/download.html"
HOW = (
    f"python -m bench data fetch aist gets it; or unzip keypoints3d.zip ({aist_fetch.MEGABYTES} MB, CC BY 4.0) from "
    f"{PAGE} to PATH, then: python -m bench data import aist PATH"
)


class Aist(Dataset):
    """Windows of AIST++ keypoints: 17 joints, 60 frames per second, hip-centred, facing +z.

    A dance is one AIST++ sequence. Under `split="dance"` a hash of its name decides whether it is a test dance,
    whatever the seed; the seed assigns the others to train and val. Then exactly 70 / 15 / 15 % of `sequences` windows
    are drawn from the splits' dances, so that every seed has the same shapes.

    Args:
        sequences: Number of windows in all.
        window: Number of frames in a window; windows do not overlap.
        width: Number of principal components kept.
        keypoints: "optim" is AIST++'s smoothed `keypoints3d_optim`, "raw" its frame-by-frame `keypoints3d`.
        align: "frame" turns every frame to face +z, "window" every window by its first frame.
        split: "dance" keeps a dance in one split. "window" draws windows whatever their dance, so that windows of one
            dance lie in train and test alike and test windows change with the seed. It follows the paper's words.

    Raises:
        ValueError: A parameter is out of range.
    """

    stand_in = "aist-standin"
    resplit = True
    title = "AIST++"
    source = "AIST++ (Li et al., ICCV 2021; Tsuchida et al., ISMIR 2019), annotations by Google LLC, CC BY 4.0"
    licence = aist_fetch.LICENCE
    frame = poses.FRAME

    def __init__(
        self,
        *,
        sequences: int = 400,
        window: int = 240,
        width: int = 32,
        keypoints: str = "optim",
        align: str = "frame",
        split: str = "dance",
    ) -> None:
        require_integer("sequences", sequences, 3)
        require_integer("window", window, 2)
        require_integer("width", width, 1, poses.FEATURES)
        require_choice("keypoints", keypoints, tuple(aist_import.KEYPOINTS))
        require_choice("align", align, poses.ALIGNMENTS)
        require_choice("split", split, SPLIT_RULES)
        self.sequences = sequences
        self.window = window
        self.width = width
        self.keypoints = keypoints
        self.align = align
        self.split = split

    @property
    def test_apart(self) -> bool:
        """Whether tuning is possible: the names of dances decide which are for testing, those of windows do not."""
        return self.split == "dance"

    def missing(self) -> str | None:
        """One line with the commands that get AIST++, where it is not installed."""
        folder = _folder()
        manifest = store.read_manifest(folder)
        if manifest is None:
            return f"AIST++ not found in {folder} (BENCH_DATA sets another place): {HOW}"
        if manifest.get("format") != aist_import.FORMAT:
            return f"AIST++ in {folder} was imported in another format than this version reads: {HOW}"
        file = str(manifest.get("file", "its npz"))
        if not (folder / file).is_file():
            return f"AIST++ in {folder} lacks {file}: {HOW}"
        return None

    def recipe(self) -> dict[str, Any]:
        """SHA-256 of the imported npz; empty where it is not installed."""
        manifest = store.read_manifest(_folder())
        return {} if manifest is None else {"sha256": manifest["sha256"]}

    def files(self) -> list[Path]:
        """Paths of the manifest and the npz."""
        return [_folder() / store.MANIFEST, _folder() / self._manifest()["file"]]

    def install(self, path: Path) -> list[str]:
        """Import the unzipped AIST++ annotations under `path`."""
        manifest = aist_import.import_aist(path)
        return [f"AIST++ imported into {_folder()}", *aist_import.summary(manifest)]

    def fetch(self, url: str, tell: Callable[[str], None], watch: Callable[[int, int], None]) -> None:
        """Download and import the annotations, unless they are installed."""
        if self.missing() is None:
            tell(f"AIST++ is in {_folder()} already; python -m bench data check aist looks at its files.")
            return
        manifest = aist_fetch.fetch(url or aist_fetch.URL, tell, watch)
        for line in [f"AIST++ imported into {_folder()}", *aist_import.summary(manifest)]:
            tell(line)

    def check(self) -> list[str]:
        """Compare the npz with its manifest, then load seed 0."""
        manifest = self._manifest()
        path = _folder() / manifest["file"]
        digest = store.file_sha256(path)
        if digest != manifest["sha256"]:
            raise DataError(f"{path} is damaged (sha256 {digest}, {manifest['sha256']} expected): {HOW}")
        return [f"{path}: sha256 {digest} as imported", *aist_import.summary(manifest), *super().check()]

    @property
    def train_frames(self) -> int:
        """Number of frames in the training windows."""
        return split_sizes(self.sequences)["train"] * self.window

    def load(self, seed: int) -> Sequences:
        """Draw and load the windows of one data seed.

        Raises:
            FileNotFoundError: AIST++ is not installed.
            DataError: A split has too few windows.
        """
        manifest = self._manifest()
        counts: dict[str, int] = {}
        for name, entry in sorted(manifest["sequences"].items()):
            length = entry["frames"].get(self.keypoints, 0)
            if length >= self.window:
                counts[name] = length // self.window
        draw = draw_by_dance if self.split == "dance" else draw_by_window
        drawn = draw(counts, split_sizes(self.sequences), seed)
        frames = self._poses(_folder() / manifest["file"], drawn)
        notes: dict[str, Any] = {
            "keypoints": aist_import.KEYPOINTS[self.keypoints],
            "align": self.align,
            "split": self.split,
            "window": self.window,
            "dances": {split: len(names) for split, names in windows.sequences_of(drawn).items()},
            "dances_available": len(counts),
            "windows_available": sum(counts.values()),
            "ignore_list": manifest["ignore_list"],
            "left_out": len(manifest["excluded"]),
            "source_sha256": manifest["sha256"],
        }
        labels = windows.labels_of(drawn, genre)
        return poses.build("aist", real=True, poses=frames, width=self.width, notes=notes, labels=labels)

    def _manifest(self) -> dict[str, Any]:
        reason = self.missing()
        manifest = store.read_manifest(_folder())
        if reason or manifest is None:
            raise FileNotFoundError(reason)
        return manifest

    def _poses(self, path: Path, drawn: Mapping[str, list[Window]]) -> dict[str, NDArray[np.float32]]:
        """Split -> (n, window, 51) poses. A dance is read and turned once, whatever the number of its windows."""
        with np.load(path, allow_pickle=False) as archive:
            return windows.gather(
                drawn,
                lambda name: poses.canonical(archive[f"{self.keypoints}/{name}"], window=self.window, align=self.align),
            )


def _folder() -> Path:
    return store.data_directory() / aist_import.FOLDER


def genre(name: str) -> str:
    """Genre of a dance by its name, which AIST++ sequences begin with.

    >>> genre("gBR_sBM_cAll_d04_mBR0_ch01")
    'gBR'
    """
    return name.partition("_")[0]


def is_test_dance(name: str) -> bool:
    """Whether a dance is held out for testing, which its name alone decides, for about 15 % of all names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") < TEST_SHARE * 2**64


def draw_by_dance(counts: Mapping[str, int], sizes: Mapping[str, int], seed: int) -> dict[str, list[Window]]:
    """Assign dances to splits, then draw windows of them.

    Args:
        counts: Name of a dance -> number of its windows.
        sizes: Split -> number of windows to draw.
        seed: Data seed, which decides splits and windows.

    Raises:
        DataError: A split has too few windows.
    """
    learning, testing = stream(seed, 0), stream(seed, 1)
    others = list(filterfalse(is_test_dance, counts))
    target = max(sizes["val"], round(VAL_SHARE * sum(map(counts.__getitem__, others))))
    dances: dict[str, list[str]] = {"train": [], "val": [], "test": list(filter(is_test_dance, counts))}
    held = 0
    for index in learning.permutation(len(others)):
        name = others[index]
        dances["val" if held < target else "train"].append(name)
        held += counts[name]

    pools = {split: windows.windows_of(dances[split], counts) for split in SPLITS}
    for split, pool in pools.items():
        if len(pool) < sizes[split]:
            raise DataError(
                f"Expected {sizes[split]} windows for {split}, got {len(pool)} ({len(dances[split])} of {len(counts)} "
                f"dances): lower `sequences` (now {sum(sizes.values())}) or import more of AIST++."
            )
    return windows.take(pools, sizes, learning, testing)


def draw_by_window(counts: Mapping[str, int], sizes: Mapping[str, int], seed: int) -> dict[str, list[Window]]:
    """Draw windows for all splits from all dances alike.

    Raises:
        DataError: There are too few windows.
    """
    pool = windows.windows_of(list(counts), counts)
    if len(pool) < sum(sizes.values()):
        raise DataError(
            f"Expected {sum(sizes.values())} windows, got {len(pool)} of {len(counts)} dances: lower `sequences` or "
            "import more of AIST++."
        )
    shuffled = iter([pool[index] for index in stream(seed, 0).permutation(len(pool))])
    return {split: list(islice(shuffled, sizes[split])) for split in SPLITS}
