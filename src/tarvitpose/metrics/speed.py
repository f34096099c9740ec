"""How fast the joints of a labelled person move.   Axes: F frames of the person, J joints."""

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.utils.arrays import Float64


def joint_speeds(
    frames: ArrayLike, keypoints: ArrayLike, visible: ArrayLike, boxes: ArrayLike, reach: int
) -> Float64:
    """Return how far each joint moves from frame to frame, (F, J).

    It is the mean distance to the same joint in the labelled frames up to `reach` away, for each
    frame between, as a share of the longer side of the person's box; NaN where none is labelled.
    `frames` are numbers (F,), `keypoints` (F, J, 2), `visible` (F, J) and `boxes` (F, 4) xyxy.
    """
    numbers, points = np.asarray(frames), np.asarray(keypoints)
    labelled, corners = np.asarray(visible) > 0, np.asarray(boxes)
    gaps = np.abs(numbers[:, None] - numbers)  # (F, F)
    first, second = np.nonzero((gaps > 0) & (gaps <= reach))  # (P,) pairs of frames
    known = labelled[first] & labelled[second]  # (P, J)
    steps = np.linalg.norm(points[first] - points[second], axis=-1) / gaps[first, second, None]
    total, count = np.zeros(labelled.shape), np.zeros(labelled.shape)
    np.add.at(total, first, np.where(known, steps, 0))
    np.add.at(count, first, known)
    sides = (corners[:, 2:] - corners[:, :2]).max(1)
    return np.where(count > 0, total / np.maximum(count, 1) / sides[:, None], np.nan)
