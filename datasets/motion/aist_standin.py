"""Procedural stand-in of AIST++'s size and form, for machines without AIST++. It is not AIST++."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.base import Dataset, require_choice, require_integer, split_sizes, stream
from datasets.motion import poses
from datasets.motion.dancer import dance
from datasets.sequences import Sequences

WINDOWS_A_DANCE = 2  # AIST++ has two on average


class AistStandIn(Dataset):
    """Generated dance motion of 17 joints, 60 frames per second, through the same preprocessing as AIST++.

    Args:
        sequences: Number of windows in all, split 70 / 15 / 15 %; the windows of one dance are in one split.
        window: Number of frames in a window.
        width: Number of principal components kept.
        align: "frame" turns every frame to face +z, "window" every window by its first frame.

    Raises:
        ValueError: A parameter is out of range.
    """

    real = False
    source = "procedural stand-in for AIST++ (generated here; not AIST++)"
    licence = "none needed: generated"
    frame = poses.FRAME

    def __init__(self, *, sequences: int = 400, window: int = 240, width: int = 32, align: str = "frame") -> None:
        require_integer("sequences", sequences, 3)
        require_integer("window", window, 2)
        require_integer("width", width, 1, poses.FEATURES)
        require_choice("align", align, poses.ALIGNMENTS)
        self.sequences = sequences
        self.window = window
        self.width = width
        self.align = align

    @property
    def train_frames(self) -> int:
        """Number of frames in the training windows."""
        return split_sizes(self.sequences)["train"] * self.window

    def load(self, seed: int) -> Sequences:
        """Draw the dances of one seed: training and validation from one stream, test from another."""
        sizes = split_sizes(self.sequences)
        learning, testing = stream(seed, 0), stream(seed, 1)
        frames = {
            "train": self._poses(sizes["train"], learning),
            "val": self._poses(sizes["val"], learning),
            "test": self._poses(sizes["test"], testing),
        }
        notes: dict[str, Any] = {
            "align": self.align,
            "window": self.window,
            "dances": {split: -(-size // WINDOWS_A_DANCE) for split, size in sizes.items()},
        }
        return poses.build("aist-standin", real=False, poses=frames, width=self.width, notes=notes)

    def _poses(self, count: int, generator: np.random.Generator) -> NDArray[np.float32]:
        """Draw (count, window, 51) poses: the windows of as many dances as they need."""
        keypoints = dance(-(-count // WINDOWS_A_DANCE), WINDOWS_A_DANCE * self.window, generator)
        windows = poses.canonical(keypoints, window=self.window, align=self.align)
        return windows.reshape(-1, self.window, poses.FEATURES)[:count]
