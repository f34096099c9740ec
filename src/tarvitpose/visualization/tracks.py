"""The people of a result over time: when each was there, how sure, and how steady.

Axes: F frames of a track, J joints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tarvitpose.metrics.jitter import mean_of_known, relative_acceleration
from tarvitpose.results import FramePoses, people_by_track
from tarvitpose.utils.arrays import Bools, Float64, Int64
from tarvitpose.utils.stretches import stretches

SURE = 0.3  # the least score of a joint whose motion counts; a score that is unknown does
Person = tuple[FramePoses, int]  # the frame, and where in it the person is
Ways = dict[str, Float64]  # the same joints as smoothed, raw or of single frames, (F, J, 2)


@dataclass(frozen=True)
class TrackSummary:
    """One person in all frames where they are."""

    track_id: int
    frames: Int64  # (F,), rising
    times: Float64  # (F,), seconds
    score: float  # mean over frames and joints, NaN where the file has none
    jitter: dict[str, float]  # by way: mean second difference as a share of the body's height
    jumps: Float64  # (F,), the largest one of each frame; NaN where none is known
    jumping: Int64  # (F,), whose joint that is

    @property
    def stretches(self) -> list[tuple[int, int]]:
        """The first and last positions of frames that follow each other."""
        return [(some[0], some[-1]) for some in stretches(self.frames)]


def known_parts(poses: Sequence[FramePoses], frame_rate: float) -> list[FramePoses]:
    """Return poses with what their file does not tell, as far as it follows from the rest.

    Where a time is missing, all are the frame's number over `frame_rate`; a box is what holds the
    joints; people of whom no joint is known are left out.
    """
    if any(np.isnan(frame.time) for frame in poses):
        poses = [replace(frame, time=frame.index / frame_rate) for frame in poses]
    return [*map(_known_part, poses)]


def _known_part(frame: FramePoses) -> FramePoses:
    known = np.asarray(np.isfinite(frame.keypoints).all(-1).any(-1))  # (N,)
    unboxed = known & ~np.isfinite(frame.boxes).all(-1)
    boxes = frame.boxes.copy()
    for person in np.flatnonzero(unboxed):
        points = frame.keypoints[person]
        points = points[np.isfinite(points).all(-1)]
        boxes[person] = [*points.min(0), *points.max(0)]
    return replace(frame, boxes=boxes).only(known)


def with_unwritten(poses: Sequence[FramePoses], seen: Mapping[int, FramePoses]) -> list[FramePoses]:
    """Return poses from a file with what it lacks, from those of the run, by index."""
    names = ("single_keypoints", "single_scores", "left_out")
    return [
        replace(frame, **{name: getattr(seen[frame.index], name) for name in names})
        for frame in poses
    ]


def tracks_of(poses: Sequence[FramePoses]) -> list[TrackSummary]:
    """Return all tracks, by id; who has none (an id below 0) is in no track."""
    return [_track(track_id, people) for track_id, people in people_by_track(poses).items()]


def _track(track_id: int, people: list[Person]) -> TrackSummary:
    frames = np.array([frame.index for frame, _ in people], np.int64)
    sure = np.stack([_is_sure(frame, at) for frame, at in people])  # (F, J)
    heights = np.array(
        [frame.boxes[at, 3] - frame.boxes[at, 1] for frame, at in people], np.float64
    )
    shares = {
        way: _accelerations(np.where(sure[..., None], points, np.nan), heights, frames)
        for way, points in _ways(people).items()
    }
    largest = np.nan_to_num(next(iter(shares.values())), nan=-1.0)  # (F, J)
    jumps = largest.max(1)
    return TrackSummary(
        track_id=track_id,
        frames=frames,
        times=np.array([frame.time for frame, _ in people]),
        score=mean_of_known([frame.scores[at].astype(np.float64) for frame, at in people]),
        jitter={way: mean_of_known([accelerations]) for way, accelerations in shares.items()},
        jumps=np.where(jumps < 0, np.nan, jumps),
        jumping=largest.argmax(1),
    )


def _ways(people: list[Person]) -> Ways:
    """Return the joints in each way that they are known, first of all as the result has them."""
    fields = {"smoothed": "keypoints", "raw": "raw_keypoints", "single frame": "single_keypoints"}
    if people[0][0].raw_keypoints is None:  # nothing was smoothed
        fields = {"raw": "keypoints", "single frame": "single_keypoints"}
    parts = {way: [getattr(frame, field) for frame, _ in people] for way, field in fields.items()}
    return {
        way: np.stack([part[at] for part, (_, at) in zip(each, people, strict=True)]).astype(float)
        for way, each in parts.items()
        if not any(part is None for part in each)
    }


def _is_sure(frame: FramePoses, at: int) -> Bools:
    """Return which joints (J,) count, in every way alike."""
    unsure = frame.scores[at] < SURE
    if frame.single_scores is not None:
        unsure |= frame.single_scores[at] < SURE
    return np.asarray(~unsure)


def _accelerations(points: Float64, heights: Float64, frames: Int64) -> Float64:
    """Return second differences as shares of the height, (F, J), NaN where a neighbour lacks."""
    accelerations = np.full(points.shape[:2], np.nan)
    for some in stretches(frames):
        accelerations[some[1:-1]] = relative_acceleration(points[some], heights[some])
    return accelerations
