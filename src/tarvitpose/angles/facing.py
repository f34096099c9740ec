"""Which way a person faces in the image: it decides what is flexion and what abduction.

Axes: F frames of a person.
"""

import numpy as np
from numpy.typing import NDArray

from tarvitpose.angles.landmarks import Points
from tarvitpose.utils.arrays import Float64, Int64

Directions = NDArray[np.str_]  # (F,): "right", "left", "camera", "away", "" where it is not known

WINDOW = 1.0  # seconds that vote on a frame: nobody turns for a single frame
REACH = 0.45  # how far the nose stands before the shoulders, as a share of their width


def directions_of(points: Points, frames: Int64, times: Float64) -> Directions:
    """Return where a person faces, (F,): to the right or left of the image, to the camera or away.

    The nose (or the toes) lies before the shoulders in a view from the side, and the shoulders
    apart in one from the front; whichever is more decides, in the median over a second.
    """
    forward, across = _evidence(points)
    if forward is None:
        return np.full(len(frames), "", dtype="<U6")
    clock = times if np.isfinite(times).all() else frames / 25.0
    forward, across = _rolling_median(forward, clock), _rolling_median(across, clock)
    from_side = np.abs(forward) >= REACH * np.abs(np.nan_to_num(across))
    side = np.where(forward > 0, "right", "left")
    front = np.where(across > 0, "camera", "away")
    return np.where(np.isnan(forward), "", np.where(from_side, side, front))


def _evidence(points: Points) -> tuple[Float64 | None, Float64]:
    """Return how far the body's front, and its left shoulder, lie to the right of an upright body.

    Both are pixels, (F,), in the body's own frame: the image may be rotated.
    """
    needed = {"mid_hip", "mid_shoulder", "left_shoulder"}
    if not needed <= points.keys():
        return None, np.zeros(0)
    up = points["mid_shoulder"] - points["mid_hip"]
    rightward = np.stack([-up[:, 1], up[:, 0]], 1) / np.linalg.norm(up, axis=1, keepdims=True)

    def sideways(vector: Float64) -> Float64:
        return np.asarray((vector * rightward).sum(1))

    across = 2 * sideways(points["left_shoulder"] - points["mid_shoulder"])
    if "nose" in points:
        return sideways(points["nose"] - points["mid_shoulder"]), across
    if {"left_toe", "right_toe"} <= points.keys():
        feet = (points[f"{side}_toe"] - points[f"{side}_heel"] for side in ("left", "right"))
        return sideways(np.asarray(sum(feet)) / 2), across
    return None, across


def _rolling_median(values: Float64, times: Float64) -> Float64:
    """Return the median of what is known in a window around each frame, NaN where nothing is."""
    first = np.searchsorted(times, times - WINDOW / 2, "left")
    last = np.searchsorted(times, times + WINDOW / 2, "right")
    medians = np.full(len(values), np.nan)
    for at, (start, stop) in enumerate(zip(first, last, strict=True)):
        part = values[start:stop]
        part = part[np.isfinite(part)]
        if len(part):
            medians[at] = np.median(part)
    return medians
