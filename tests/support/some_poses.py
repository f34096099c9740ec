"""Random poses for the tests of files: every number is different."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tarvitpose.results import FramePoses
from tarvitpose.skeleton import POSETRACK_15, JointSet
from tarvitpose.utils.arrays import Float32

SIZE = 48, 64  # height, width
PEOPLE = (2, 0, 1, 0, 3)  # in each frame
TIMES = (0.0, 0.04, 0.105, 0.16, 1 / 3)


def some_poses(index: int, people: int, time: float, joints: JointSet = POSETRACK_15) -> FramePoses:
    """Return people at random positions, also outside of the frame."""
    random = np.random.default_rng(index)

    def numbers(*shape: int, low: float = 0.0, high: float = 1.0) -> Float32:
        return random.uniform(low, high, shape).astype(np.float32)

    corners = numbers(people, 2, low=-5, high=30)
    return FramePoses(
        index=index,
        time=time,
        image_size=SIZE,
        keypoints=numbers(people, len(joints), 2, low=-20, high=90),
        scores=numbers(people, len(joints)),
        boxes=np.concatenate([corners, corners + numbers(people, 2, low=5, high=30)], 1),
        box_scores=numbers(people),
        track_ids=np.arange(people) + 10 * index + 1,
        joint_names=joints.joints,
    )


def clip(joints: JointSet = POSETRACK_15, people: Sequence[int] = PEOPLE) -> list[FramePoses]:
    """Return the frames of a short video, some of them without people."""
    return [
        some_poses(index, count, time, joints)
        for index, (count, time) in enumerate(zip(people, TIMES, strict=True))
    ]


def smoothed(frames: Sequence[FramePoses]) -> list[FramePoses]:
    """Return frames with raw keypoints that differ a little from the smoothed ones."""
    return [replace(poses, raw_keypoints=poses.keypoints + np.float32(0.75)) for poses in frames]
