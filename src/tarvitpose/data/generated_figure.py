"""How a made-up person moves: bones, joint angles over time, places in space.

Axes: T frames, K places (the 15 joints, then EXTRAS). Lengths are in heights of the person. Space
is x to the right of the picture, y up, z towards the viewer; who faces the viewer has their left
at positive x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import Float64

Generator = np.random.Generator
Angles = dict[str, Float64]  # each (T,) in radians
Motion = dict[str, tuple[float, float, float]]  # middle and amplitude in degrees, phase in turns

EXTRAS = ("neck", "pelvis", "head", "left_hand", "right_hand", "left_toe", "right_toe")
PLACES = (*POSETRACK_15.joints, *EXTRAS)
AT = {name: at for at, name in enumerate(PLACES)}

LENGTHS = {
    "spine": 0.29,
    "shoulder": 0.105,  # from the middle
    "hip": 0.055,  # from the middle
    "throat": 0.05,
    "upper_arm": 0.165,
    "forearm": 0.145,
    "hand": 0.055,
    "thigh": 0.24,
    "shin": 0.235,
    "foot": 0.09,
}
VARIATION = 0.08  # of each length, from person to person
HEAD = np.array([0.058, 0.078, 0.066])  # half axes of the head: across, up, forward
NOSE = np.array([0.0, -0.12, 0.99])  # where the nose is on the head, in its half axes
CHIN = np.array([0.0, -1.2, 0.0])

LIMITS = {  # degrees: least, most, at rest
    "lean": (-12.0, 45.0, 3.0),  # forward
    "tilt": (-15.0, 15.0, 0.0),  # to the left
    "twist": (-30.0, 30.0, 0.0),
    "nod": (-25.0, 30.0, 3.0),
    "look": (-50.0, 50.0, 0.0),
    "shoulder_flex": (-40.0, 165.0, 5.0),  # forward
    "shoulder_open": (4.0, 165.0, 12.0),  # sideways
    "shoulder_turn": (-60.0, 60.0, 0.0),
    "elbow": (3.0, 140.0, 18.0),
    "hip_flex": (-25.0, 105.0, 4.0),
    "hip_open": (0.0, 45.0, 5.0),
    "knee": (2.0, 125.0, 8.0),
}
SPREAD, SWAY = 0.06, 0.03  # of the limits' range: an angle's own deviation and slow motion
PERIOD = (20.0, 44.0)  # frames
TRUNK = ("lean", "tilt", "twist", "nod", "look")


def _pair(
    angle: str, middle: float, amplitude: float, phase: float = 0, apart: float = 0
) -> Motion:
    """The same swing on both sides, the right one `apart` turns later."""
    return {
        f"left_{angle}": (middle, amplitude, phase),
        f"right_{angle}": (middle, amplitude, phase + apart),
    }


MOTIONS: dict[str, Motion] = {
    "walk": {
        "lean": (4, 2, 0),
        "twist": (0, 7, 0.5),
        **_pair("shoulder_flex", 4, 28, 0.5, 0.5),
        **_pair("elbow", 30, 14, 0.5, 0.5),
        **_pair("hip_flex", 6, 28, 0, 0.5),
        **_pair("knee", 32, 28, 0.25, 0.5),
    },
    "wave": {
        "tilt": (0, 5, 0),
        "left_shoulder_open": (115, 18, 0),
        "left_elbow": (60, 45, 0.1),
        "right_elbow": (25, 10, 0.3),
        **_pair("hip_open", 6, 1),
    },
    "squat": {
        "lean": (18, 16, 0),
        **_pair("hip_flex", 46, 42),
        **_pair("knee", 58, 54),
        **_pair("hip_open", 12, 6),
        **_pair("shoulder_flex", 48, 42),
        **_pair("elbow", 20, 10, 0.5),
    },
    "jumping_jack": {
        **_pair("shoulder_open", 85, 72),
        **_pair("elbow", 18, 10, 0.25),
        **_pair("hip_open", 17, 16),
        **_pair("knee", 14, 10, 0.5),
        **_pair("hip_flex", 6, 5, 0.5),
    },
    "kick": {
        "lean": (-2, 8, 0.5),
        "left_hip_flex": (28, 45, 0),
        "left_knee": (42, 36, 0.35),
        "right_hip_flex": (4, 6, 0.5),
        "right_knee": (14, 8, 0),
        **_pair("shoulder_flex", 15, 32, 0.5, 0.5),
        **_pair("shoulder_open", 30, 10),
        **_pair("elbow", 50, 20),
    },
    "reach": {
        "lean": (14, 14, 0),
        "twist": (8, 16, 0),
        "left_shoulder_flex": (85, 60, 0),
        "left_shoulder_open": (25, 15, 0.2),
        "left_elbow": (40, 30, 0.5),
        "right_shoulder_open": (35, 12, 0.5),
        "right_elbow": (70, 25, 0.2),
        "left_hip_flex": (22, 16, 0),
        "left_knee": (28, 22, 0),
        "right_knee": (10, 6, 0),
    },
}


@dataclass(frozen=True)
class Movement:
    """Where a person's places are, their lowest foot at about y = 0, and how the head is turned."""

    places: Float64  # (T, K, 3), in heights
    head: Float64  # (T, 3, 3), from the head's half axes (left, up, forward) to space


def random_movement(frames: int, rng: Generator) -> Movement:
    """Return a person of random build who does one of the MOTIONS, seen from a random side."""
    name = list(MOTIONS)[rng.integers(len(MOTIONS))]
    angles = random_angles(MOTIONS[name], frames, rng)
    scale = rng.uniform(1 - VARIATION, 1 + VARIATION, len(LENGTHS))
    lengths = dict(zip(LENGTHS, scale * list(LENGTHS.values()), strict=True))
    walks = name == "walk"
    heading = np.deg2rad(rng.uniform(-180, 180) if walks else rng.normal(0, 60))
    places, head = bend(angles, lengths, np.full(frames, heading))
    feet = places[:, [AT["left_toe"], AT["right_toe"], AT["left_ankle"], AT["right_ankle"]], 1]
    places[..., 1] -= feet.min(1, keepdims=True)
    stride = rng.uniform(0.006, 0.016) * walks * np.arange(frames)  # (T,)
    places[..., 0] += stride[:, None] * np.sin(heading)
    above = rotation(0, np.full(frames, np.deg2rad(rng.uniform(-4, 16))))  # the camera, (T, 3, 3)
    return Movement(places @ above.swapaxes(1, 2), above @ head)


def random_angles(motion: Motion, frames: int, rng: Generator) -> Angles:
    """Return every angle of a motion over time, within LIMITS, with deviations of its own.

    Half of the time left and right change roles.
    """
    swapped = rng.uniform() < 0.5
    phase = 2 * np.pi * (np.arange(frames) / rng.uniform(*PERIOD) + rng.uniform())
    angles = {}
    for side in ("left_", "right_"):
        for part in (part for part in LIMITS if part not in TRUNK):
            role = {"left_": "right_", "right_": "left_"}[side] if swapped else side
            swing = motion.get(role + part)
            angles[side + part] = _swung(LIMITS[part], swing, phase, rng)
    for part in TRUNK:
        angles[part] = _swung(LIMITS[part], motion.get(part), phase, rng)
        if swapped and part not in ("lean", "nod"):
            angles[part] *= -1
    return angles


def _swung(
    limits: tuple[float, float, float],
    swing: tuple[float, float, float] | None,
    phase: Float64,
    rng: Generator,
) -> Float64:
    """One angle over time, (T,) in radians."""
    low, high, rest = limits
    middle, amplitude, lag = swing or (rest, 0, 0)
    wave = middle + amplitude * rng.uniform(0.8, 1.1) * np.sin(phase + 2 * np.pi * lag)
    sway = np.sin(phase * rng.uniform(0.4, 1) + rng.uniform(0, 2 * np.pi))
    own = (rng.normal(0, SPREAD) + SWAY * sway) * (high - low)
    return np.deg2rad(np.clip(wave + own, low, high))


def bend(angles: Angles, lengths: dict[str, float], heading: Float64) -> tuple[Float64, Float64]:
    """Return the places (T, K, 3), the pelvis at 0, and the head's axes (T, 3, 3).

    `heading` (T,) is where the person faces, in radians: 0 towards the viewer.
    """
    at = np.zeros((len(heading), len(PLACES), 3))

    def put(name: str, start: str, turn: Float64, bone: tuple[float, float, float]) -> None:
        at[:, AT[name]] = at[:, AT[start]] + turn @ bone

    pelvis = rotation(1, heading)
    chest = pelvis @ rotation(0, angles["lean"]) @ rotation(2, -angles["tilt"])
    chest = chest @ rotation(1, angles["twist"])
    head = chest @ rotation(1, angles["look"]) @ rotation(0, angles["nod"]) @ np.diag(HEAD)
    put("neck", "pelvis", chest, (0, lengths["spine"], 0))
    put("head", "neck", chest, (0, lengths["throat"] - CHIN[1] * HEAD[1], 0))
    for name, spot in (("nose", NOSE), ("head_top", (0, 1, 0)), ("head_bottom", CHIN)):
        at[:, AT[name]] = at[:, AT["head"]] + head @ spot
    for side, sign in (("left", 1), ("right", -1)):
        own = {part: angles[f"{side}_{part}"] for part in LIMITS if part not in TRUNK}
        put(f"{side}_shoulder", "neck", chest, (sign * lengths["shoulder"], -0.015, 0))
        put(f"{side}_hip", "pelvis", pelvis, (sign * lengths["hip"], -0.01, 0))
        arm = chest @ rotation(0, -own["shoulder_flex"]) @ rotation(2, sign * own["shoulder_open"])
        arm = arm @ rotation(1, sign * own["shoulder_turn"])
        forearm = arm @ rotation(0, -own["elbow"])
        put(f"{side}_elbow", f"{side}_shoulder", arm, (0, -lengths["upper_arm"], 0))
        put(f"{side}_wrist", f"{side}_elbow", forearm, (0, -lengths["forearm"], 0))
        put(f"{side}_hand", f"{side}_wrist", forearm, (0, -lengths["hand"], 0))
        leg = pelvis @ rotation(0, -own["hip_flex"]) @ rotation(2, sign * own["hip_open"])
        shin = leg @ rotation(0, own["knee"])
        put(f"{side}_knee", f"{side}_hip", leg, (0, -lengths["thigh"], 0))
        put(f"{side}_ankle", f"{side}_knee", shin, (0, -lengths["shin"], 0))
        put(f"{side}_toe", f"{side}_ankle", shin, (0, -0.03, lengths["foot"]))
    return at, head


def rotation(axis: int, angles: Float64) -> Float64:
    """Return the matrices (T, 3, 3) that turn by `angles` (T,) in radians about x, y or z.

    >>> rotation(2, np.array([np.pi / 2]))[0].round() @ [1, 0, 0]
    array([0., 1., 0.])
    """
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn = np.tile(np.eye(3), (len(angles), 1, 1))
    turn[:, first, first] = turn[:, second, second] = np.cos(angles)
    turn[:, second, first] = np.sin(angles)
    turn[:, first, second] = -turn[:, second, first]
    return turn
