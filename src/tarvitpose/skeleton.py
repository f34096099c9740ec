"""Names, left/right pairs and limbs of each joint set; joints are always mapped by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

PERSON_NAMES = frozenset({"person", "pedestrian", "human"})  # of the class, in lower case

LIMB_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
BODY = tuple(f"{side}_{joint}" for joint in LIMB_JOINTS for side in ("left", "right"))

BODY_LIMBS = (
    ("left_shoulder", "right_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "right_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)
POSETRACK_HEAD = (("head_top", "nose"), ("nose", "head_bottom"))
NECK = (("head_bottom", "left_shoulder"), ("head_bottom", "right_shoulder"))
COCO_HEAD = (
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
)


@dataclass(frozen=True)
class JointSet:
    """The joints that a model predicts, in the order of its channels."""

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def flip_order(self) -> tuple[int, ...]:
        """Where each joint is found after the image is mirrored.

        >>> POSETRACK_15.flip_order[:5]
        (0, 1, 2, 4, 3)
        """
        return tuple(self.joints.index(_mirrored(joint)) for joint in self.joints)

    @property
    def limb_indices(self) -> tuple[tuple[int, int], ...]:
        """The limbs as pairs of positions in `joints`."""
        return tuple((self.joints.index(a), self.joints.index(b)) for a, b in self.limbs)


def _mirrored(joint: str) -> str:
    side, _, part = joint.partition("_")
    return {"left": f"right_{part}", "right": f"left_{part}"}.get(side, joint)


POSETRACK_15 = JointSet(
    "posetrack15",
    ("nose", "head_bottom", "head_top", *BODY),
    (*POSETRACK_HEAD, *NECK, *BODY_LIMBS),
)
POSETRACK_17 = JointSet(
    "posetrack17",
    ("nose", "head_bottom", "head_top", "left_ear", "right_ear", *BODY),
    (*POSETRACK_HEAD, *NECK, *BODY_LIMBS),
)
COCO_17 = JointSet(
    "coco17",
    ("nose", "left_eye", "right_eye", "left_ear", "right_ear", *BODY),
    (*COCO_HEAD, *BODY_LIMBS),
)
JOINT_SETS = {joints.name: joints for joints in (POSETRACK_15, POSETRACK_17, COCO_17)}
KNOWN_JOINTS = frozenset(joint for joints in JOINT_SETS.values() for joint in joints.joints)

COCO_SIGMAS = (  # how far COCO's annotators were apart, as a share of a person's size
    *(0.026, 0.025, 0.025, 0.035, 0.035),  # nose, eyes, ears
    *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),  # shoulders, elbows, wrists
    *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),  # hips, knees, ankles
)
SIGMAS = {
    **dict(zip(COCO_17.joints, COCO_SIGMAS, strict=True)),
    # COCO does not label these; CrowdPose does (neck, top of the head), and gives both 0.079.
    **{"head_bottom": 0.079, "head_top": 0.079},
}


def joint_name(text: str) -> str:
    """Return a joint's name in the spelling used here.

    >>> joint_name("Left-Wrist"), joint_name("left wrist"), joint_name("leftWrist")
    ('left_wrist', 'left_wrist', 'left_wrist')
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text.strip())
    return re.sub(r"[\s\-_.]+", "_", words).lower()


@cache
def joint_names(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return joints' names in the spelling used here, or as they are where two would be alike."""
    names = tuple(map(joint_name, texts))
    return names if len(set(names)) == len(names) else texts


@cache
def limbs_of(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return the limbs between joints as pairs of positions, none for an unknown joint set.

    >>> limbs_of(COCO_17.joints) == COCO_17.limb_indices, limbs_of(("nose", "tail"))
    (True, ())
    """
    known = [joints for joints in JOINT_SETS.values() if joints.joints == names]
    return known[0].limb_indices if known else ()
