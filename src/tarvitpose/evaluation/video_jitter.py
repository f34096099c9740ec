"""What the temporal part does to the motion of joints in a video without labels.

Axes: F frames of a track, J joints.
"""

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

MIN_SCORE = 0.3  # a joint counts where both modes give it this score or more
PosePair = tuple[FramePoses, FramePoses, int]  # single-frame, temporal, the person's position


@dataclass(frozen=True)
class VideoJitter:
    """Jitter and distance in pixels, then as shares of the height of the person's box.

    Jitter is the mean length of second differences over three consecutive frames of one track.
    NaN where no joint has high enough scores for that long.
    """

    frames: int
    tracks: int
    jitter_single: tuple[float, float]
    jitter_temporal: tuple[float, float]
    mean_distance: tuple[float, float]  # between the two modes' joints
    lag: int | None  # frames by which the temporal mode comes late; None where nothing moves


@dataclass(frozen=True)
class _TrackPair:
    single: Float64  # (F, J, 2), NaN where a joint's score is too low in either mode
    temporal: Float64  # (F, J, 2)
    heights: Float64  # (F,), of the box


def compare_jitter(single: Iterable[FramePoses], temporal: Iterable[FramePoses]) -> VideoJitter:
    """Compare two runs over one video with the same boxes and track ids.

    Raises ValueError where the runs have different people.
    """
    frames, people = 0, defaultdict[int, list[PosePair]](list)
    for first, second in zip(single, temporal, strict=True):
        if not np.array_equal(first.track_ids, second.track_ids):
            raise ValueError(f"frame {first.index}: the runs have different people")
        frames += 1
        for at, track_id in enumerate(first.track_ids.tolist()):
            people[track_id].append((first, second, at))
    tracks = [_track(poses) for poses in people.values()]
    return VideoJitter(
        frames=frames,
        tracks=len(tracks),
        jitter_single=_jitter([(track.single, track.heights) for track in tracks]),
        jitter_temporal=_jitter([(track.temporal, track.heights) for track in tracks]),
        mean_distance=_mean_distance(tracks),
        lag=lag([(track.single, track.temporal) for track in tracks]),
    )


def _track(pairs: list[PosePair]) -> _TrackPair:
    """Lay a person's poses out by frame; frames without the person are NaN."""
    start, end = pairs[0][0].index, pairs[-1][0].index + 1
    joints = pairs[0][0].keypoints.shape[1]
    poses = np.full((2, end - start, joints, 2), np.nan)
    heights = np.full(end - start, np.nan)
    for single, temporal, at in pairs:
        frame = single.index - start
        confident = (single.scores[at] >= MIN_SCORE) & (temporal.scores[at] >= MIN_SCORE)
        for mode, frame_poses in enumerate((single, temporal)):
            poses[mode, frame, confident] = frame_poses.keypoints[at, confident]
        heights[frame] = single.boxes[at, 3] - single.boxes[at, 1]
    return _TrackPair(poses[0], poses[1], heights)


def _jitter(tracks: list[tuple[Float64, Float64]]) -> tuple[float, float]:
    pixels = [acceleration(track) for track, _ in tracks]
    shares = [relative_acceleration(track, heights) for track, heights in tracks]
    return mean_of_known(pixels), mean_of_known(shares)


def _mean_distance(tracks: list[_TrackPair]) -> tuple[float, float]:
    pixels = [distance(track.single, track.temporal) for track in tracks]
    shares = [each / track.heights[:, None] for each, track in zip(pixels, tracks, strict=True)]
    return mean_of_known(pixels), mean_of_known(shares)
