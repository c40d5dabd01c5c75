"""`cmu`: two clips of recorded motion that come with the project, small and real."""

from pathlib import Path
from typing import Any

import numpy as np

from datasets import store, windows
from datasets.base import Dataset, require_choice, require_integer, split_sizes
from datasets.motion import poses
from datasets.sequences import Array, Sequences

FILE = Path(__file__).with_name("cmu.npz")
# Two clips cannot fill three splits, so they are cut into pieces of four seconds, half a second apart.
PIECE, GAP = 240, 30


class Cmu(Dataset):
    """Windows of two CMU clips (jumping, climbing): 17 joints, 60 frames per second, hip-centred, facing +z.

    The clips are cut into 13 pieces of four seconds, with half a second between two pieces left out; a piece is in one
    split alone. Test pieces are the same for every seed. About 2,200 frames train a tokenizer, which is enough for
    K = 64 and little for K = 256.

    Args:
        sequences: Number of windows in all; fewer where the pieces have fewer (52 of one second).
        window: Number of frames in a window; windows do not overlap.
        width: Number of principal components kept.
        align: "frame" turns every frame to face +z, "window" every window by its first frame.

    Raises:
        ValueError: A parameter is out of range.
    """

    resplit = True
    source = "CMU Graphics Lab motion capture, subject 1, trials 1 and 3 (mocap.cs.cmu.edu; NSF EIA-0196217)"
    licence = "free for use in research and commercial projects worldwide (datasets/cmu.rights.txt)"
    frame = poses.FRAME

    def __init__(self, *, sequences: int = 400, window: int = 60, width: int = 32, align: str = "frame") -> None:
        require_integer("sequences", sequences, 3)
        require_integer("window", window, 2, PIECE)
        require_integer("width", width, 1, poses.FEATURES)
        require_choice("align", align, poses.ALIGNMENTS)
        self.window = window
        self.width = width
        self.align = align
        with np.load(FILE, allow_pickle=False) as clips:
            self._pieces = {}
            for clip in clips.files:
                frames = clips[clip]
                for start in range(0, len(frames) - PIECE + 1, PIECE + GAP):
                    self._pieces[f"{clip} from frame {start}"] = frames[start : start + PIECE]
        self._counts = dict.fromkeys(self._pieces, PIECE // window)
        self.sequences = sum(windows.sizes(self._counts, sequences).values())

    def recipe(self) -> dict[str, Any]:
        """SHA-256 of the file, as the identity of the data."""
        return {"sha256": store.file_sha256(FILE)}

    def settled(self) -> dict[str, Any]:
        """Number of windows that the pieces give."""
        return {"sequences": self.sequences}

    @property
    def test_apart(self) -> bool:
        """Whether tuning is possible: yes, because the names of the pieces decide which are for testing."""
        return True

    @property
    def train_frames(self) -> int:
        """Number of frames in the training windows."""
        return split_sizes(self.sequences)["train"] * self.window

    def load(self, seed: int) -> Sequences:
        """Draw the windows of one data seed."""
        drawn = windows.draw(self._counts, self.sequences, seed)
        notes: dict[str, Any] = {
            "align": self.align,
            "window": self.window,
            "pieces": {split: len(names) for split, names in windows.sequences_of(drawn).items()},
            "windows_available": sum(self._counts.values()),
        }
        frames = windows.gather(drawn, self._windows)
        labels = windows.labels_of(drawn, lambda name: name.partition(" ")[0])
        return poses.build("cmu", real=True, poses=frames, width=self.width, notes=notes, labels=labels)

    def _windows(self, name: str) -> Array:
        return poses.canonical(self._pieces[name], window=self.window, align=self.align)
