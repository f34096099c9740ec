"""What the temporal part does to the motion of joints in a video without labels.

Axes: F frames of a track, J joints.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tarvitpose.metrics.jitter import (
    acceleration,
    distance,
    lag,
    mean_of_known,
    relative_acceleration,
)
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float64

SURE = 0.3  # the least score, in both modes, of a joint that counts


@dataclass(frozen=True)
class Steadiness:
    """Jitter and distance in pixels, then as shares of the height of the person's box.

    Jitter is the mean length of second differences over three consecutive frames of one track.
    NaN where no joint was sure for that long.
    """

    frames: int
    tracks: int
    jitter_single: tuple[float, float]
    jitter_temporal: tuple[float, float]
    apart: tuple[float, float]  # the mean distance between the two modes' joints
    lag: int | None  # frames by which the temporal mode comes late; None where nothing moves


@dataclass(frozen=True)
class _Track:
    single: Float64  # (F, J, 2), NaN where a joint is not sure in both modes
    temporal: Float64  # (F, J, 2)
    heights: Float64  # (F,), of the box


def steadiness(single: Iterable[FramePoses], temporal: Iterable[FramePoses]) -> Steadiness:
    """Compare two runs over one video with the same boxes and track ids.

    Raises ValueError where the runs have different people.
    """
    frames, people = 0, defaultdict[int, list[tuple[FramePoses, FramePoses, int]]](list)
    for one, other in zip(single, temporal, strict=True):
        if not np.array_equal(one.track_ids, other.track_ids):
            raise ValueError(f"frame {one.index}: the runs have different people")
        frames += 1
        for at, track_id in enumerate(one.track_ids.tolist()):
            people[track_id].append((one, other, at))
    tracks = [_track(seen) for seen in people.values()]
    return Steadiness(
        frames=frames,
        tracks=len(tracks),
        jitter_single=_jitter([(track.single, track.heights) for track in tracks]),
        jitter_temporal=_jitter([(track.temporal, track.heights) for track in tracks]),
        apart=_apart(tracks),
        lag=lag([(track.single, track.temporal) for track in tracks]),
    )


def _track(seen: list[tuple[FramePoses, FramePoses, int]]) -> _Track:
    """Lay a person's poses out by frame; frames without the person are NaN."""
    first, last = seen[0][0].index, seen[-1][0].index
    joints = seen[0][0].keypoints.shape[1]
    poses = np.full((2, last - first + 1, joints, 2), np.nan)
    heights = np.full(last - first + 1, np.nan)
    for one, other, at in seen:
        frame = one.index - first
        sure = (one.scores[at] >= SURE) & (other.scores[at] >= SURE)
        for mode, found in enumerate((one, other)):
            poses[mode, frame, sure] = found.keypoints[at, sure]
        heights[frame] = one.boxes[at, 3] - one.boxes[at, 1]
    return _Track(poses[0], poses[1], heights)


def _jitter(tracks: list[tuple[Float64, Float64]]) -> tuple[float, float]:
    pixels = [acceleration(track) for track, _ in tracks]
    shares = [relative_acceleration(track, heights) for track, heights in tracks]
    return mean_of_known(pixels), mean_of_known(shares)


def _apart(tracks: list[_Track]) -> tuple[float, float]:
    pixels = [distance(track.single, track.temporal) for track in tracks]
    shares = [one / track.heights[:, None] for one, track in zip(pixels, tracks, strict=True)]
    return mean_of_known(pixels), mean_of_known(shares)
