"""The points of the body that angles are measured between.   Axes: F frames of a person."""

from collections.abc import Sequence

import numpy as np

from tarvitpose.utils.arrays import Float32, Float64

Points = dict[str, Float64]  # (F, 2) by name, NaN where a point is not surely known

MIDDLES = {
    "mid_hip": ("left_hip", "right_hip"),
    "mid_shoulder": ("left_shoulder", "right_shoulder"),
    "mid_ear": ("left_ear", "right_ear"),
}
STAND_INS = {  # the first that a joint set has is taken
    "neck": ("head_bottom", "mid_shoulder"),
    "head": ("head_top", "mid_ear"),
    **{f"{side}_toe": (f"{side}_big_toe", f"{side}_toe") for side in ("left", "right")},
    **{f"{side}_heel": (f"{side}_heel", f"{side}_ankle") for side in ("left", "right")},
}


def landmarks(
    names: Sequence[str], keypoints: Float32, scores: Float32, threshold: float
) -> Points:
    """Return joints and the points between them, by name.

    `keypoints` are (F, J, 2) and `scores` (F, J). A joint that scores below the threshold is NaN;
    one whose score is not known counts. A point between two joints needs both.
    """
    sure = ~(scores < threshold)
    known = np.where(sure[..., None], keypoints, np.nan).astype(np.float64)
    points: Points = {name: known[:, at] for at, name in enumerate(names)}
    for name, (first, second) in MIDDLES.items():
        if first in points and second in points:
            points[name] = (points[first] + points[second]) / 2
    stand_ins = {
        name: next((points[other] for other in others if other in points), None)
        for name, others in STAND_INS.items()
    }
    return points | {name: point for name, point in stand_ins.items() if point is not None}
