"""Repair of keypoints: short gaps are filled, and sequences with longer ones are refused."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Half a second at 60 frames a second.
LONGEST_GAP_FRAMES = 30
# Share of all joints in all frames of a sequence.
LARGEST_MISSING_SHARE = 0.1


@dataclass(frozen=True)
class Repaired:
    """One sequence after repair.

    Attributes:
        keypoints: (time, 17, 3) finite float32, or None where the sequence must be left out.
        filled: Number of joint positions that were interpolated.
        reason: Reason why the sequence must be left out; empty otherwise.
    """

    keypoints: NDArray[np.float32] | None
    filled: int = 0
    reason: str = ""


def repair(keypoints: NDArray[np.floating[Any]], joints: tuple[str, ...]) -> Repaired:
    """Interpolate missing joint positions linearly over time; at the ends the nearest one is repeated.

    A position is missing where it is not finite, and where it is exactly (0, 0, 0), which AIST++'s optimiser writes for
    a joint that it never saw. A sequence is left out where a joint is missing throughout, a gap is longer than
    `LONGEST_GAP_FRAMES`, or more than `LARGEST_MISSING_SHARE` of all positions are missing.

    Args:
        keypoints: (time, joints, 3) positions in any unit.
        joints: Names of the joints, for the reason.
    """
    missing = ~np.isfinite(keypoints).all(axis=-1) | (keypoints == 0).all(axis=-1)
    if not missing.any():
        return Repaired(keypoints.astype(np.float32))

    absent = missing.all(axis=0)
    if absent.any():
        named = ", ".join(joint for joint, gone in zip(joints, absent, strict=True) if gone)
        return Repaired(None, reason=f"missing throughout: {named}")
    share = float(missing.mean())
    if share > LARGEST_MISSING_SHARE:
        return Repaired(None, reason=f"{share:.0%} of the positions missing, {LARGEST_MISSING_SHARE:.0%} allowed")

    repaired = keypoints.astype(np.float32)
    time = np.arange(len(keypoints))
    for joint in np.flatnonzero(missing.any(axis=0)):
        gone = missing[:, joint]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], gone, [False]]).astype(np.int8)))
        gap = int((edges[1::2] - edges[::2]).max())
        if gap > LONGEST_GAP_FRAMES:
            return Repaired(None, reason=f"{joints[joint]} missing for {gap} frames, {LONGEST_GAP_FRAMES} allowed")
        for axis in range(3):
            repaired[gone, joint, axis] = np.interp(time[gone], time[~gone], keypoints[~gone, joint, axis])
    return Repaired(repaired, filled=int(missing.sum()))
