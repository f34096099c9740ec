"""A person made of straight limbs whose angles are known by construction."""

from collections.abc import Mapping, Sequence

import numpy as np

from tarvitpose.results import FramePoses

SIZE = 400, 400  # height, width
FEET = ("left_heel", "right_heel", "left_big_toe", "right_big_toe")


def seen_from_the_side(**turned: float) -> dict[str, tuple[float, float]]:
    """Return a person who faces the image's right: joints (x, y) by name.

    They stand upright with hanging arms, but for limbs that are `turned` to the front by so many
    degrees, each against the vertical: thigh, shank, upper_arm, forearm. Both sides are alike.
    """

    def along(start: tuple[float, float], limb: str, length: float) -> tuple[float, float]:
        angle = np.radians(turned.get(limb, 0.0))
        return start[0] + length * float(np.sin(angle)), start[1] + length * float(np.cos(angle))

    hip, shoulder = (200.0, 200.0), (200.0, 120.0)
    knee, elbow = along(hip, "thigh", 60), along(shoulder, "upper_arm", 40)
    ankle, wrist = along(knee, "shank", 60), along(elbow, "forearm", 40)
    limbs = {"hip": hip, "knee": knee, "ankle": ankle, "shoulder": shoulder}
    limbs |= {"elbow": elbow, "wrist": wrist}
    limbs |= {"heel": (ankle[0] - 8, ankle[1] + 6), "big_toe": (ankle[0] + 20, ankle[1] + 6)}
    joints = {f"{side}_{name}": at for name, at in limbs.items() for side in ("left", "right")}
    return {
        "nose": (220.0, 90.0),
        "head_bottom": (200.0, 110.0),
        "head_top": (200.0, 70.0),
    } | joints


def seen_from_the_front(**outward: float) -> dict[str, tuple[float, float]]:
    """Return a person who faces the camera; thighs and arms are turned outward by so many degrees.

    The left side is at the image's right. Names are such as left_arm and right_thigh.
    """
    joints = {"nose": (200.0, 95.0), "head_bottom": (200.0, 110.0), "head_top": (200.0, 70.0)}
    for side, sign in (("left", 1), ("right", -1)):
        for limb, (x, y), parts, length in (
            ("arm", (30, 120), ("shoulder", "elbow", "wrist"), 40),
            ("thigh", (15, 200), ("hip", "knee", "ankle"), 60),
        ):
            angle = np.radians(outward.get(f"{side}_{limb}", 0.0))
            for number, part in enumerate(parts):
                joints[f"{side}_{part}"] = (
                    200 + sign * (x + number * length * float(np.sin(angle))),
                    y + number * length * float(np.cos(angle)),
                )
    return joints


def filmed(
    people: Sequence[Mapping[str, tuple[float, float]]],
    *,
    frame_rate: float = 25.0,
    low: Mapping[int, Sequence[str]] | None = None,
    frames: Sequence[int] | None = None,
) -> list[FramePoses]:
    """Return one person in a frame each, with the joints that all have; `low` ones score 0."""
    names = tuple(name for name in people[0] if all(name in joints for joints in people))
    numbers = range(len(people)) if frames is None else frames
    poses = []
    for at, (index, joints) in enumerate(zip(numbers, people, strict=True)):
        unsure = set((low or {}).get(at, ()))
        points = np.array([[joints[name] for name in names]], np.float32)
        poses.append(
            FramePoses(
                index=index,
                time=index / frame_rate,
                image_size=SIZE,
                keypoints=points,
                scores=np.array([[0.0 if name in unsure else 0.9 for name in names]], np.float32),
                boxes=np.concatenate([points.min(1), points.max(1)], 1),
                box_scores=np.ones(1, np.float32),
                track_ids=np.ones(1, np.int64),
                joint_names=names,
            )
        )
    return poses
