"""Names, left/right pairs and limbs of each joint set; joints are always mapped by name."""

from __future__ import annotations

from dataclasses import dataclass

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
