"""People of two joints who move along a line, steadily or shaking."""

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.results import FramePoses

HEIGHT = 50.0  # of every box
LINE = np.arange(12)[:, None] * np.array([[3.0, -1]])
ZIGZAG = LINE + np.array([[0, 1], [0, -1]] * 6)


def poses(
    index: int, points: ArrayLike, ids: tuple[int, ...] = (1,), score: float = 0.9
) -> FramePoses:
    """Return people whose two joints are at points (N, 2) and 10 pixels below."""
    first = np.array(points, np.float32).reshape(-1, 1, 2)
    count = len(first)
    return FramePoses(
        index=index,
        time=index / 25,
        image_size=(100, 100),
        keypoints=np.concatenate([first, first + np.float32([0, 10])], 1),
        scores=np.full((count, 2), score, np.float32),
        boxes=np.tile(np.float32([0, 20, 30, 20 + HEIGHT]), (count, 1)),
        box_scores=np.ones(count, np.float32),
        track_ids=np.array(ids, np.int64),
        joint_names=("nose", "head_bottom"),
    )


def poses_along(points: ArrayLike, score: float = 0.9) -> list[FramePoses]:
    """Return a frame for each point, with one person there."""
    return [poses(index, point, score=score) for index, point in enumerate(np.asarray(points))]
