"""Moving figures that code draws: their joints, shapes and colours.   Axes: T frames, J joints.

Figures face the viewer. Left limbs have warm colours and right ones cool colours, so a network can
tell them apart. Lengths are in heights of the figure, x points right and y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import Float64, UInt8

Generator = np.random.Generator
Shape = tuple[Float64, Float64]  # a convex outline (M, 2) in pixels, and its RGB colour (3,)

CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 24, endpoint=False)), np.sin(a)], -1)
BONES = {
    **{"spine": 0.29, "shoulder": 0.105, "hip": 0.055},  # the last two from the middle
    **{"upper_arm": 0.165, "forearm": 0.145, "thigh": 0.24, "shin": 0.235},
}
HEAD = {"head_bottom": 0.035, "nose": 0.12, "head_top": 0.21}  # distances from the neck
ANGLES = {  # least and most degrees: of the trunk and the head to the side, of limbs outwards
    **{"lean": (-12, 12), "nod": (-15, 15)},
    **{"upper_arm": (5, 150), "forearm": (-15, 110), "thigh": (-5, 50), "shin": (-55, 5)},
}
PERIOD = (20.0, 44.0)  # frames
LIMBS = {  # the part of the body, and the radii at both ends
    ("hip", "knee"): ("thigh", 0.052, 0.038),
    ("knee", "ankle"): ("shin", 0.038, 0.026),
    ("shoulder", "elbow"): ("upper_arm", 0.036, 0.028),
    ("elbow", "wrist"): ("forearm", 0.027, 0.021),
}
TRUNK = {"shoulder": 0.034, "hip": 0.05}  # radii of its corners
LEGS = 4  # the first limbs, of both sides
HUES = {"left": (-0.06, 0.13), "right": (0.36, 0.66)}  # in turns
SKINS = ((236, 196, 168), (214, 164, 128), (168, 116, 82), (112, 76, 54))
HAIRS = ((40, 30, 26), (92, 60, 34), (176, 136, 78), (120, 118, 116), (140, 60, 30))


@dataclass(frozen=True)
class Figure:
    """One person in one video."""

    joints: Float64  # (T, J, 2), in pixels
    height: float  # in pixels
    colours: dict[str, Float64]  # RGB (3,), of the skin, the hair, the trunk and each limb

    def shapes(self, t: int) -> list[Shape]:
        """Return all that is drawn of the person in one frame, from back to front."""
        at = dict(zip(POSETRACK_15.joints, self.joints[t], strict=True))
        ends = [(at[f"{s}_{name}"], r) for s in HUES for name, r in TRUNK.items()]
        trunk = self._hull(*ends), self.colours["trunk"]
        limbs = []
        for (start, end), (part, first, last) in LIMBS.items():
            for side in HUES:
                outline = self._hull((at[f"{side}_{start}"], first), (at[f"{side}_{end}"], last))
                limbs.append((outline, self.colours[f"{side}_{part}"]))
        return [*limbs[:LEGS], trunk, *self.head_shapes(t), *limbs[LEGS:]]

    def head_shapes(self, t: int) -> list[Shape]:
        """Return the neck, the head and the face."""
        at = dict(zip(POSETRACK_15.joints, self.joints[t], strict=True))
        bottom, up = at["head_bottom"], at["head_top"] - at["head_bottom"]
        across = np.array([-up[1], up[0]])
        skin, hair = self.colours["skin"], self.colours["hair"]
        neck = (at["left_shoulder"] + at["right_shoulder"]) / 2
        eyes = [bottom + 0.58 * up + sign * 0.13 * across for sign in (-1, 1)]
        return [
            (self._hull((neck, 0.03), (bottom + 0.2 * up, 0.03)), 0.85 * skin),
            (self._hull((bottom + 0.33 * up, 0.058), (bottom + 0.67 * up, 0.058)), hair),
            (self._hull((bottom + 0.33 * up, 0.05), (bottom + 0.6 * up, 0.046)), skin),
            *((self._hull((eye, 0.008)), 0.2 * skin) for eye in eyes),
            (self._hull((at["nose"], 0.011)), 0.7 * skin),
        ]

    def _hull(self, *circles: tuple[Float64, float]) -> Float64:
        """Return the convex outline (M, 2) of circles, each a middle and a radius in heights."""
        points = [middle + radius * self.height * CIRCLE for middle, radius in circles]
        return np.asarray(cv2.convexHull(np.concatenate(points).astype(np.float32))[:, 0], float)


def bounds(shapes: list[Shape]) -> Float64:
    """Return the box xyxy around shapes, (4,)."""
    points = np.concatenate([outline for outline, _ in shapes])
    return np.concatenate([points.min(0), points.max(0)])


def draw(picture: UInt8, shapes: list[Shape]) -> None:
    """Draw shapes on an RGB picture (h, w, 3), the first at the back."""
    for outline, colour in shapes:
        corners = np.rint(outline * 16).astype(np.int32)
        cv2.fillConvexPoly(picture, corners, colour.tolist(), cv2.LINE_AA, 4)


def random_joints(frames: int, rng: Generator) -> Float64:
    """Return the joints (T, J, 2) of a figure that moves smoothly, in heights from the pelvis."""
    bones = {name: length * rng.uniform(0.92, 1.08) for name, length in BONES.items()}
    lean, nod = _random_angle("lean", frames, rng), _random_angle("nod", frames, rng)
    neck = -_bone(bones["spine"], lean)
    points = {name: neck - _bone(distance, lean + nod) for name, distance in HEAD.items()}
    for side, sign in (("left", 1), ("right", -1)):  # its left is on the right of the picture
        angles = {part: sign * _random_angle(part, frames, rng) for part, *_ in LIMBS.values()}
        # A quarter turn from the trunk's direction is that of its shoulders and hips.
        points[f"{side}_shoulder"] = neck + sign * _bone(bones["shoulder"], lean + np.pi / 2)
        points[f"{side}_hip"] = sign * _bone(bones["hip"], np.full(frames, np.pi / 2))
        total = np.zeros(frames)
        for (start, end), (part, *_) in LIMBS.items():
            is_upper = start in ("hip", "shoulder")
            total = angles[part] if is_upper else total + angles[part]
            points[f"{side}_{end}"] = points[f"{side}_{start}"] + _bone(bones[part], total)
    return np.stack([points[name] for name in POSETRACK_15.joints], 1)


def _bone(length: float, angle: Float64) -> Float64:
    """Return vectors (T, 2) of a length; angles (T,) in radians, 0 is down and positive right."""
    return length * np.stack([np.sin(angle), np.cos(angle)], -1)


def _random_angle(name: str, frames: int, rng: Generator) -> Float64:
    """Return an angle that swings within its limits, (T,) in radians."""
    low, high = np.deg2rad(ANGLES[name])
    middle, amplitude = rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.3)
    phase = 2 * np.pi * (np.arange(frames) / rng.uniform(*PERIOD) + rng.uniform())
    return np.asarray(low + (high - low) * (middle + amplitude * np.sin(phase)))


def random_colours(rng: Generator) -> dict[str, Float64]:
    """Return the colours of a person: a shirt, and a sleeve and a trouser leg for each side."""
    skin, hair = (np.array(each[rng.integers(len(each))], float) for each in (SKINS, HAIRS))
    colours = {"skin": skin, "hair": hair, "trunk": _random_colour((0, 1), rng)}
    for side, hues in HUES.items():
        for upper, lower in (("upper_arm", "forearm"), ("thigh", "shin")):
            colours[f"{side}_{upper}"] = _random_colour(hues, rng)
            colours[f"{side}_{lower}"] = 0.85 * colours[f"{side}_{upper}"]
    return colours


def _random_colour(hues: tuple[float, float], rng: Generator) -> Float64:
    hue, light = rng.uniform(*hues), rng.uniform(110, 240)
    rainbow = np.clip(np.abs((hue * 6 - np.array([0, 2, 4])) % 6 - 3) - 1, 0, 1)  # (3,), RGB
    return np.asarray(light * (1 - rng.uniform(0.55, 0.9) * (1 - rainbow)))
