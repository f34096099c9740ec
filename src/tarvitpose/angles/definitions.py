"""The angles that are measured: between which points, what is positive, and where zero is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

SIDES = ("left", "right")

Kind = Literal[
    "bend",  # (a, b, c): 180° less the angle at b; 0 straight, never below 0
    "flexion",  # (shoulder, hip, a, b): from the trunk to the limb ab, positive to the front
    "abduction",  # (mid_shoulder, mid_hip, a, b): the same, positive away from the other side
    "dorsiflexion",  # (knee, ankle, heel, toe): 90° less the angle between shank and foot
    "lean",  # (low, high): from the upright, positive towards the right edge of the image
    "tilt",  # (right, left): from the horizontal, positive where the left side is higher
]
SIGNED: frozenset[Kind] = frozenset({"flexion", "abduction", "lean"})  # may go on past 180°


@dataclass(frozen=True)
class Angle:
    """One angle: its column in the tables, and the points of the body that make it."""

    name: str
    kind: Kind
    points: tuple[str, ...]  # joints, and what `landmarks` adds to them

    @property
    def label(self) -> str:
        """Return the name in words.

        >>> Angle("left_knee_flexion", "bend", ()).label
        'left knee flexion'
        """
        return self.name.replace("_", " ")

    @property
    def side(self) -> str:
        """Return "left" or "right", nothing for an angle of the middle of the body."""
        first = self.name.partition("_")[0]
        return first if first in SIDES else ""

    @property
    def title(self) -> str:
        """Return the name in words without the side.

        >>> Angle("left_knee_flexion", "bend", ()).title
        'knee flexion'
        """
        return self.label.removeprefix(f"{self.side} ")

    @property
    def joint(self) -> str:
        """Return the joint that the angle is at, none for a segment."""
        at = {"bend": 1, "dorsiflexion": 1, "flexion": 2, "abduction": 2}
        return self.points[at[self.kind]] if self.kind in at else ""


def _of_side(side: str) -> tuple[Angle, ...]:
    shoulder, elbow, wrist, hip, knee, ankle, heel, toe = (
        f"{side}_{part}"
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "toe")
    )
    middle = ("mid_shoulder", "mid_hip")
    return (
        Angle(f"{side}_knee_flexion", "bend", (hip, knee, ankle)),
        Angle(f"{side}_hip_flexion", "flexion", (shoulder, hip, hip, knee)),
        Angle(f"{side}_hip_abduction", "abduction", (*middle, hip, knee)),
        Angle(f"{side}_ankle_dorsiflexion", "dorsiflexion", (knee, ankle, heel, toe)),
        Angle(f"{side}_elbow_flexion", "bend", (shoulder, elbow, wrist)),
        Angle(f"{side}_shoulder_flexion", "flexion", (shoulder, hip, shoulder, elbow)),
        Angle(f"{side}_shoulder_abduction", "abduction", (*middle, shoulder, elbow)),
        Angle(f"{side}_thigh_lean", "lean", (knee, hip)),
        Angle(f"{side}_shank_lean", "lean", (ankle, knee)),
        Angle(f"{side}_upper_arm_lean", "lean", (elbow, shoulder)),
        Angle(f"{side}_forearm_lean", "lean", (wrist, elbow)),
    )


def _alternating(*sides: Iterable[Angle]) -> tuple[Angle, ...]:
    return tuple(angle for pair in zip(*sides, strict=True) for angle in pair)


ANGLES: tuple[Angle, ...] = (
    *_alternating(*map(_of_side, SIDES)),
    Angle("trunk_lean", "lean", ("mid_hip", "mid_shoulder")),
    Angle("head_lean", "lean", ("neck", "head")),
    Angle("shoulder_line", "tilt", ("right_shoulder", "left_shoulder")),
    Angle("pelvis_line", "tilt", ("right_hip", "left_hip")),
)
BY_NAME = {angle.name: angle for angle in ANGLES}


def other_side(name: str) -> str:
    """Return the same angle of the other side, or the angle itself where it has no side.

    >>> other_side("left_knee_flexion"), other_side("trunk_lean")
    ('right_knee_flexion', 'trunk_lean')
    """
    for side, other in (SIDES, SIDES[::-1]):
        if name.startswith(f"{side}_"):
            return f"{other}_{name.removeprefix(f'{side}_')}"
    return name
