"""Standing people on grey ground, for the tests of what is drawn."""

import numpy as np
from numpy.typing import NDArray

from tarvitpose.results import FramePoses
from tarvitpose.skeleton import POSETRACK_15, JointSet
from tarvitpose.utils.arrays import UInt8

SIZE = 200, 320  # height, width
GREY = 110
STANDING = {  # x and y of a person 1 wide and 1 tall, who faces us: their right is our left
    "nose": (0.5, 0.1),
    "head_top": (0.5, 0.0),
    "head_bottom": (0.5, 0.2),
    "eye": (0.08, 0.07),
    "ear": (0.15, 0.1),
    "shoulder": (0.3, 0.25),
    "elbow": (0.5, 0.4),
    "wrist": (0.5, 0.55),
    "hip": (0.2, 0.55),
    "knee": (0.22, 0.78),
    "ankle": (0.24, 1.0),
    "big_toe": (0.34, 0.98),
    "small_toe": (0.4, 0.95),
    "heel": (0.14, 0.97),
    "head": (0.5, 0.0),
    "neck": (0.5, 0.2),
    **dict.fromkeys(("middle", "mid_hip"), (0.5, 0.55)),
}


def standing(joints: JointSet, corner: tuple[float, float], height: float) -> NDArray[np.float32]:
    """Return the joints (J, 2) of somebody in a square whose upper left corner is given."""
    points = []
    for name in joints.joints:
        side, _, part = name.partition("_")
        across = {"left": 1, "right": -1}.get(side, 0)
        x, y = STANDING[part if across else {"hip": "middle"}.get(name, name)]
        points.append((0.5 + across * x if across else x, y))
    return np.array(points, np.float32) * np.float32(height) + np.array(corner, np.float32)


def people(
    *corners: tuple[float, float],
    height: float = 80,
    joints: JointSet = POSETRACK_15,
    size: tuple[int, int] = SIZE,
) -> FramePoses:
    """Return one standing person for each corner, with ids from 1."""
    shape = len(corners), len(joints)
    keypoints = np.zeros((*shape, 2), np.float32)
    for person, corner in enumerate(corners):
        keypoints[person] = standing(joints, corner, height)
    corners_xy = np.array(corners, np.float32).reshape(-1, 2)
    return FramePoses(
        index=0,
        time=0.0,
        image_size=size,
        keypoints=keypoints,
        scores=np.full(shape, 0.9, np.float32),
        boxes=np.concatenate([corners_xy, corners_xy + np.float32(height)], 1),
        box_scores=np.full(len(corners), 0.8, np.float32),
        track_ids=np.arange(1, len(corners) + 1),
        joint_names=joints.joints,
    )


def grey(size: tuple[int, int] = SIZE) -> UInt8:
    return np.full((*size, 3), GREY, np.uint8)


def at(image: UInt8, point: NDArray[np.float32]) -> list[int]:
    x, y = point.round().astype(int)
    return [int(value) for value in image[y, x]]


def joint(poses: FramePoses, name: str) -> NDArray[np.float32]:
    return poses.keypoints[0, poses.joint_names.index(name)]
