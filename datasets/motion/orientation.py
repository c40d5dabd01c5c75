"""Check that keypoints are in centimetres with y up, for all sequences together and for each alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DataError

Floats = NDArray[np.floating[Any]]

# Range of the distance from the hips' midpoint to the shoulders', in cm.
SPINE_CM = (30.0, 70.0)
# Dancers lie down and stand on their hands, but not all of the time.
NEARLY_ALWAYS = 0.95


def check_units(spine: Floats) -> None:
    """Refuse keypoints of which most are not in centimetres with y up.

    Args:
        spine: (3,) vector from the hips to the shoulders, the median of all sequences.

    Raises:
        DataError: The unit is another one, or another axis is up.
    """
    axis = int(np.abs(spine).argmax())
    place = f"the shoulders are at ({', '.join(f'{value:.3g}' for value in spine)}) from the hips"
    if axis != 1 or spine[1] <= 0:
        up = ("" if spine[axis] > 0 else "-") + "xyz"[axis]
        raise DataError(f"Expected keypoints with y up, got what looks like {up} up ({place}): turn them first.")
    if not SPINE_CM[0] <= spine[1] <= SPINE_CM[1]:
        raise DataError(
            f"Expected keypoints in centimetres, got what looks like {_unit(float(spine[1]))} ({place}; "
            f"{SPINE_CM[0]:.0f} to {SPINE_CM[1]:.0f} cm expected): scale them first."
        )


def wrong_scale(spines: Floats) -> str:
    """Reason why a sequence cannot be in centimetres with y up, beside others that are; "" where it can.

    Args:
        spines: (time, 3) vectors from the hips to the shoulders.
    """
    lengths = np.linalg.norm(spines, axis=1)
    length = float(np.median(lengths))
    if not SPINE_CM[0] <= length <= SPINE_CM[1]:
        return f"looks like {_unit(length)}, not centimetres"
    upright = spines / np.maximum(lengths, np.finfo(np.float32).tiny)[:, None]
    if (upright[:, 1] < 0).mean() >= NEARLY_ALWAYS:
        return "upside down"
    for axis in (0, 2):
        if (np.abs(upright[:, axis]) > np.sqrt(0.5)).mean() >= NEARLY_ALWAYS:
            return f"looks like {'xyz'[axis]} up, not y"
    return ""


def _unit(length: float) -> str:
    guesses = {"metres": 0.01, "millimetres": 10.0, "inches": 1 / 2.54}
    fitting = [unit for unit, scale in guesses.items() if SPINE_CM[0] <= length / scale <= SPINE_CM[1]]
    return fitting[0] if fitting else "another unit"
