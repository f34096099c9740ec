"""How fast the joints of labelled people move.   Axes: J joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from tarvitpose.utils.arrays import Float32, Float64


class LabelledPose(Protocol):
    """One person in one frame."""

    @property
    def keypoints(self) -> Float32:
        """The joints (J, 2) in pixels."""
        ...

    @property
    def visible(self) -> Float32:
        """Which of them are labelled, (J,), above 0."""
        ...

    @property
    def box(self) -> Sequence[float] | Float32:
        """The box (4,) xyxy in pixels."""
        ...


def joint_speeds(track: Mapping[int, LabelledPose], reach: int) -> dict[int, Float64]:
    """Return how far each joint of a person moves from frame to frame, (J,), by frame number.

    It is the mean distance to the same joint in the labelled frames up to `reach` away, for each
    frame between, as a share of the longer side of the person's box; NaN where none is labelled.
    """
    speeds = {}
    for number, pose in track.items():
        x0, y0, x1, y1 = pose.box
        total, count = np.zeros(len(pose.visible)), np.zeros(len(pose.visible))
        for distance in range(1, reach + 1):
            for other in (track.get(number - distance), track.get(number + distance)):
                if other is not None:
                    seen = (pose.visible > 0) & (other.visible > 0)
                    step = np.linalg.norm(pose.keypoints - other.keypoints, axis=-1) / distance
                    total += np.where(seen, step, 0)
                    count += seen
        mean = total / np.maximum(count, 1) / max(x1 - x0, y1 - y0)
        speeds[number] = np.where(count > 0, mean, np.nan)
    return speeds
