"""Frames whose joints are at the peaks that follow each other over time.   Axes: N people."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from tarvitpose.inference.pose_arrays import PoseArrays
from tarvitpose.results import TrackedFrame
from tarvitpose.smoothing.peaks import PeakLinker
from tarvitpose.utils.arrays import Float32, Int64

Decoded = tuple[TrackedFrame, PoseArrays]


def linked(results: Iterable[Decoded], lag: float) -> Iterator[Decoded]:
    """Yield frames and their joints in order, about `lag` seconds late, the peaks linked.

    Without lag each frame is answered at once, from the past alone.
    """
    linker = PeakLinker(lag)
    waiting: deque[tuple[TrackedFrame, PoseArrays, Float32]] = deque()
    for tracked, joints in results:
        sides = (tracked.boxes[:, 2:] - tracked.boxes[:, :2]).max(-1, initial=0)
        peaks = _peaks(joints)
        waiting.append((tracked, joints, peaks))
        for choices in linker.take(
            tracked.frame.time, tracked.track_ids.tolist(), sides.tolist(), peaks
        ):
            yield _chosen(*waiting.popleft(), choices)
    for choices in linker.rest():
        yield _chosen(*waiting.popleft(), choices)


def _peaks(joints: PoseArrays) -> Float32:
    """Return all peaks (N, J, K, 3), the highest first."""
    highest = np.concatenate([joints.keypoints, joints.scores[..., None]], -1)[:, :, None]
    lower = joints.lower_peaks
    return highest if lower is None else np.concatenate([highest, lower], 2)


def _chosen(
    tracked: TrackedFrame, joints: PoseArrays, peaks: Float32, choices: Sequence[Int64]
) -> Decoded:
    """Return a frame's joints at those of its peaks that are chosen, (J,) for each of N people."""
    if not choices:
        return tracked, joints
    index = np.stack(choices)[:, :, None, None]  # (N, J, 1, 1)
    chosen = np.take_along_axis(peaks, index, 2)[:, :, 0]  # (N, J, 3)
    return tracked, replace(joints, keypoints=chosen[..., :2], scores=chosen[..., 2])
