"""Procedural dancer: motifs on a beat, planted steps, two-bone legs; keypoints as AIST++ has them.

A dance repeats a few motifs of four beats, as drawn or mirrored. A motif gives each channel of the upper body (angles,
radians) a posture and waves over half a beat to four beats, and each foot a place and each beat a turn. The feet stay
planted and step in turn; the pelvis goes to the foot that bears the weight, no higher than the legs reach.
"""

import numpy as np
from numpy.typing import NDArray

from datasets.motion.poses import FRAMES_PER_SECOND
from datasets.motion.skeleton import SIDES, Body, skeleton

Float = NDArray[np.float64]

BEATS = 4  # beats per motif
MOTIFS = 4  # different motifs in a dance
PERIODS = (4.0, 2.0, 1.0, 0.5)  # periods of the waves, in beats
WAVE_SHARES = (0.55, 0.7, 0.6, 0.2)

# Channel: resting posture, deviation of a motif's posture, deviation of its waves.
TORSO = {
    "torso_pitch": (0.12, 0.22, 0.11),
    "torso_roll": (0.0, 0.11, 0.10),
    "torso_twist": (0.0, 0.20, 0.24),
    "pelvis_pitch": (0.02, 0.08, 0.06),
    "pelvis_roll": (0.0, 0.06, 0.09),
    "pelvis_yaw": (0.0, 0.12, 0.12),
    "head_pitch": (0.0, 0.14, 0.08),
    "head_roll": (0.0, 0.09, 0.06),
    "head_yaw": (0.0, 0.22, 0.12),
    "bounce": (0.0, 0.35, 0.45),
    "sway_side": (0.0, 0.25, 0.30),
    "sway_front": (0.0, 0.25, 0.25),
}
ARM = {
    "raise": (0.75, 0.55, 0.38),
    "front": (0.45, 0.50, 0.35),
    "roll": (0.55, 0.60, 0.30),
    "elbow": (1.15, 0.60, 0.42),
    "shrug": (0.0, 0.08, 0.06),
}
LEG = {"knee_out": (0.35, 0.30, 0.15)}
CHANNELS = (*TORSO, *(f"{side}_{name}" for side in SIDES for name in (*ARM, *LEG)))
LAWS = np.array([*TORSO.values(), *ARM.values(), *LEG.values(), *ARM.values(), *LEG.values()])
# Channels that a mirror image negates; the channels of the two sides change places.
NEGATED = ("torso_roll", "torso_twist", "pelvis_roll", "pelvis_yaw", "head_roll", "head_yaw", "sway_side")
MIRROR_SIGN = np.array([-1.0 if name in NEGATED else 1.0 for name in CHANNELS])
MIRROR_ORDER = np.array(
    [
        CHANNELS.index(name.replace("left", "right") if name.startswith("left") else name.replace("right", "left"))
        for name in CHANNELS
    ]
)

# Correlation of the two sides, and of bending the knees with leaning forwards.
TOGETHER = 0.6
LEFT = [index for index, name in enumerate(CHANNELS) if name.startswith("left")]
RIGHT = [index for index, name in enumerate(CHANNELS) if name.startswith("right")]

ANKLE_HEIGHT_CM = 8.0


def dance(count: int, frames: int, generator: np.random.Generator) -> Float:
    """Draw dances.

    Args:
        count: Number n of dances.
        frames: Number of frames per dance, at 60 per second.
        generator: Source of all randomness.

    Returns:
        (n, frames, 17, 3) keypoints in cm, y up, the floor at y = 0, COCO's joint order.
    """
    body = Body.draw(count, generator)
    tempo = generator.uniform(80.0, 135.0, (count, 1))
    beat = tempo / 60.0 * (np.arange(frames) / FRAMES_PER_SECOND) + generator.uniform(0.0, BEATS, (count, 1))
    slots = int(np.ceil(beat.max() / BEATS)) + 1
    # A phrase: each motif is followed by its mirror image.
    motif = np.repeat(generator.integers(0, MOTIFS, (count, slots)), 2, axis=1)[:, :slots]
    mirrored = (np.arange(slots) % 2 == 1) ^ (generator.random((count, 1)) < 0.5)

    channels = _channels(beat, motif, mirrored, generator)
    feet, pelvis, yaw = _steps(beat, motif, mirrored, channels, body, generator)
    return skeleton(channels, feet, pelvis, yaw, body)


def _smooth(share: Float) -> Float:
    """Ease in and out between 0 and 1 with zero speed and acceleration at both ends."""
    share = share.clip(0.0, 1.0)
    return share * share * share * (10.0 + share * (6.0 * share - 15.0))


def _channels(
    beat: Float, motif: NDArray[np.int64], mirrored: NDArray[np.bool_], generator: np.random.Generator
) -> dict[str, Float]:
    """The upper body's channels over time, (n, frames) each: motifs, one easing into the next over one beat."""
    count, slots = motif.shape
    shares = np.repeat(WAVE_SHARES, 2)[:, None]
    normal = generator.normal(size=(count, MOTIFS, 1 + len(shares), len(CHANNELS)))
    normal[..., RIGHT] = TOGETHER * normal[..., LEFT] + np.sqrt(1.0 - TOGETHER**2) * normal[..., RIGHT]
    pitch, bounce = CHANNELS.index("torso_pitch"), CHANNELS.index("bounce")
    normal[..., pitch] = TOGETHER * normal[..., bounce] + np.sqrt(1.0 - TOGETHER**2) * normal[..., pitch]
    posture = LAWS[:, 0] + LAWS[:, 1] * normal[:, :, :1]
    liveliness = generator.uniform(0.7, 1.3, (count, MOTIFS, 1, 1))
    waves = LAWS[:, 2] * shares * liveliness * normal[:, :, 1:]
    drawn = np.concatenate([posture, waves], axis=2)[np.arange(count)[:, None], motif]
    drawn = np.where(mirrored[..., None, None], (MIRROR_SIGN * drawn)[..., MIRROR_ORDER], drawn)

    # Some dancers hit the beat: time runs unevenly within it, by up to the share that would stop it.
    sharpness = generator.uniform(0.0, 0.7, (count, 1))
    warped = beat - sharpness / (2 * np.pi) * np.sin(2 * np.pi * beat)
    phases = [2 * np.pi / period * warped for period in PERIODS]
    basis = np.stack([np.ones_like(beat), *(wave(phase) for phase in phases for wave in (np.cos, np.sin))], axis=-1)
    begun = _smooth(beat[..., None] - BEATS * np.arange(slots + 1) + 0.5)
    begun[..., 0], begun[..., -1] = 1.0, 0.0
    weights = begun[..., :-1] - begun[..., 1:]
    mixed = (weights[..., :, None] * basis[..., None, :]).reshape(*beat.shape, -1)
    values = mixed @ drawn.reshape(count, -1, len(CHANNELS))
    return {name: values[..., index] for index, name in enumerate(CHANNELS)}


def _steps(
    beat: Float,
    motif: NDArray[np.int64],
    mirrored: NDArray[np.bool_],
    channels: dict[str, Float],
    body: Body,
    generator: np.random.Generator,
) -> tuple[Float, Float, Float]:
    """Feet (n, frames, 2, 3), which step in turn, the pelvis's middle (n, frames, 3) and its yaw (n, frames)."""
    count, slots = motif.shape
    rows = np.arange(count)[:, None]
    places = generator.normal(size=(count, MOTIFS, BEATS, 2, 2)) * np.array([11.0, 18.0])
    places[..., 0, 0] += 15.0
    places[..., 1, 0] -= 15.0
    lifts = generator.gamma(2.0, 6.0, (count, MOTIFS, BEATS, 2)).clip(2.0, 38.0)
    quarter = generator.choice([0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 2.0], (count, MOTIFS, 1))
    turns = quarter * 0.5 * np.pi * generator.choice([-1.0, 1.0], (count, MOTIFS, 1)) * np.ones(BEATS) / BEATS * 2

    places, lifts, turns = places[rows, motif], lifts[rows, motif], turns[rows, motif]
    places = np.where(mirrored[..., None, None, None], places[..., ::-1, :] * np.array([-1.0, 1.0]), places)
    lifts = np.where(mirrored[..., None, None], lifts[..., ::-1], lifts)
    turns = np.where(mirrored[..., None], -turns, turns)

    # To one list of beats; a foot that has no turn on a beat stays where it was on the one before.
    places = places.reshape(count, slots * BEATS, 2, 2)
    lifts = lifts.reshape(count, slots * BEATS, 2)
    heading = turns.reshape(count, -1).cumsum(axis=1)
    cosine, sine = np.cos(heading)[..., None], np.sin(heading)[..., None]
    x, z = places[..., 0], places[..., 1]
    places = np.stack([cosine * x + sine * z, cosine * z - sine * x], axis=-1)
    for foot in (0, 1):
        held = np.arange(slots * BEATS)
        held -= (held + foot) % 2
        places[:, :, foot] = places[:, held.clip(0), foot]

    whole = np.floor(beat).astype(np.int64).clip(0, slots * BEATS - 2)
    share = _smooth((beat - whole - 0.15) / 0.7)
    before, after = places[rows, whole], places[rows, whole + 1]
    ground = before + share[..., None, None] * (after - before)
    moving = np.abs(after - before).sum(axis=-1) > 0
    rise = lifts[rows, whole + 1] * moving * (16.0 * (share * (1.0 - share)) ** 2)[..., None]
    feet = np.stack([ground[..., 0], ANKLE_HEIGHT_CM + rise, ground[..., 1]], axis=-1)
    yaw = heading[rows, whole] + _smooth(beat - whole) * (heading[rows, whole + 1] - heading[rows, whole])

    # Weight: towards the foot that is not about to move, eased over the whole beat.
    bearing = np.where(np.arange(slots * BEATS) % 2 == 0, 0.25, -0.25)
    weight = bearing[whole] + _smooth(beat - whole) * (bearing[whole + 1] - bearing[whole])
    middle = ground.mean(axis=-2) + weight[..., None] * (ground[..., 0, :] - ground[..., 1, :])
    cosine, sine = np.cos(yaw), np.sin(yaw)
    side, front = 6.0 * channels["sway_side"], 6.0 * channels["sway_front"]
    middle = middle + np.stack([cosine * side + sine * front, cosine * front - sine * side], axis=-1)

    leg = (body.thigh + body.shin)[:, None, None]
    spread = np.linalg.norm(ground - middle[..., None, :], axis=-1).clip(None, 0.7 * leg) * 0.9
    reach = ANKLE_HEIGHT_CM + np.sqrt((0.985 * leg) ** 2 - spread**2)
    # A smooth minimum over both feet: a hard one would jerk where the feet change roles.
    highest = -2.0 * np.logaddexp(-reach[..., 0] / 2.0, -reach[..., 1] / 2.0)
    height = highest - 1.0 - 20.0 / (1.0 + np.exp(-2.5 * (channels["bounce"] - 0.5)))
    return feet, np.stack([middle[..., 0], height, middle[..., 1]], axis=-1), yaw + channels["pelvis_yaw"]
