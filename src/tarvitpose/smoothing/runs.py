"""What both filters agree on: a run is a stretch of frames that a joint is smoothed over.

A run ends where the joint or its person is not there, where its score is too low, and where time
jumps. Nothing crosses its ends, and a joint in no run stays as it is.   Axes: N people, J joints.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Bools, Float32, Float64

LEAST_SCORE = 0.2  # a joint below it is in no run
LONGEST_STEP = 0.25  # seconds; frames further apart say nothing about each other's shaking
SHORTEST_STEP = 0.001  # seconds; time goes forward, whatever a file says


def raw_keypoints(poses: FramePoses) -> Float32:
    """Return the keypoints before any smoothing, (N, J, 2)."""
    return poses.keypoints if poses.raw_keypoints is None else poses.raw_keypoints


def is_sure(poses: FramePoses) -> Bools:
    """Return which joints may be in a run, (N, J)."""
    is_known = np.isfinite(raw_keypoints(poses)).all(-1)
    return is_known & (poses.scores >= np.float32(LEAST_SCORE))


def check(poses: FramePoses) -> None:
    """Raise DataError where a frame, as files may, lacks something that smoothing needs."""
    if not np.isfinite(poses.time):
        lack = "its time"
    elif len(set(poses.track_ids.tolist()) - {-1}) < len(poses):
        lack = "track ids"
    elif not np.isfinite(poses.boxes).all():
        lack = "boxes"
    else:
        return
    raise DataError(f"frame {poses.index}: smoothing needs {lack}, which its file does not have")


def later(time: float, before: float | None) -> float:
    """Return the time of a frame in seconds, moved if it is not after that of the frame before.

    >>> later(0.5, None), later(0.5, 0.4), later(0.5, 0.5)
    (0.5, 0.5, 0.501)
    """
    return time if before is None else max(time, before + SHORTEST_STEP)


def with_keypoints(poses: FramePoses, people: Sequence[Float64]) -> FramePoses:
    """Return poses with the smoothed joints (J, 2) of each of the N people."""
    raw = raw_keypoints(poses)
    points = np.array(people, np.float32).reshape(raw.shape)
    return replace(poses, keypoints=points, raw_keypoints=raw)
