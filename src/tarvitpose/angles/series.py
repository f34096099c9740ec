"""Angles of each person over time.   Axes: F frames of a person, J joints.

All are in degrees and in the image plane. A value is NaN where one of its joints scores too low,
where the view does not show it, and where a segment points at the camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tarvitpose.angles.definitions import ANGLES, SIGNED, Angle
from tarvitpose.angles.facing import Directions, directions_of
from tarvitpose.angles.landmarks import Points, landmarks
from tarvitpose.config import Facing
from tarvitpose.errors import DataError
from tarvitpose.results import FramePoses, people_by_track
from tarvitpose.utils.arrays import Float64, Int64
from tarvitpose.utils.stretches import stretches

SHORTEST = 0.15  # of the longest segment in the frame: a shorter one has no direction to speak of
LIMB_CENTRE = 90.0  # degrees: an arm or thigh moves between -90 and 270 against the trunk
SEGMENTS = [angle.points for angle in ANGLES if angle.kind == "lean" and "head" not in angle.points]


@dataclass(frozen=True)
class AngleSeries:
    """The angles of one person in the frames where they are."""

    track_id: int
    frames: Int64  # (F,), rising
    times: Float64  # (F,), seconds, NaN where the file has none
    facing: Directions  # (F,), where the person faces: right, left, camera, away or ""
    degrees: dict[str, Float64]  # (F,) by the name of the angle; NaN where it is not known


def joint_angles(
    poses: Sequence[FramePoses],
    *,
    threshold: float = 0.3,
    facing: Facing = "auto",
    tracks: Sequence[int] = (),
) -> list[AngleSeries]:
    """Return the angles of all tracks by id, or of those in `tracks`.

    Joints that score below `threshold` make no angle. Of a joint set without feet there are no
    angles of the ankle. Raises DataError where people have different joints.
    """
    sets = {frame.joint_names for frame in poses if len(frame)}
    if len(sets) > 1:
        raise DataError("people with different joints; angles need the same joints in all frames")
    return [
        _series(track_id, people, threshold, facing)
        for track_id, people in people_by_track(poses).items()
        if not tracks or track_id in tracks
    ]


def _series(
    track_id: int, people: Sequence[tuple[FramePoses, int]], threshold: float, facing: Facing
) -> AngleSeries:
    frames = np.array([frame.index for frame, _ in people], np.int64)
    times = np.array([frame.time for frame, _ in people], np.float64)
    points = landmarks(
        people[0][0].joint_names,
        np.stack([frame.keypoints[at] for frame, at in people]),
        np.stack([frame.scores[at] for frame, at in people]),
        threshold,
    )
    directions = (
        directions_of(points, frames, times) if facing == "auto" else np.full(len(frames), facing)
    )
    measured = angles_of(points, directions)
    for angle in ANGLES:
        if angle.kind in SIGNED and angle.name in measured:
            centre = 0.0 if angle.kind == "lean" else LIMB_CENTRE
            measured[angle.name] = unwrapped(measured[angle.name], frames, centre)
    return AngleSeries(track_id, frames, times, directions, measured)


def angles_of(points: Points, directions: Directions) -> dict[str, Float64]:
    """Return each angle in degrees, (F,), that the points allow, frame by frame.

    Signed ones are from -180 to 180 here; `unwrapped` joins them over time.
    """
    longest = _longest_segment(points)
    return {
        angle.name: _measure(angle, points, directions, longest)
        for angle in ANGLES
        if points.keys() >= {*angle.points}
    }


def unwrapped(degrees: Float64, frames: Int64, centre: float = 0.0) -> Float64:
    """Return signed angles that go on past 180° instead of jumping to -180°.

    The longest stretch without a gap has its median within 180° of `centre`, and all others theirs
    within 180° of that one's.

    >>> unwrapped(np.array([160.0, 175, -170]), np.arange(3)).tolist()
    [160.0, 175.0, 190.0]
    """
    joined = degrees.copy()
    known = np.flatnonzero(np.isfinite(degrees))
    for number, some in enumerate(sorted(stretches(frames[known]), key=len, reverse=True)):
        part = known[some]
        values = np.unwrap(degrees[part], period=360)
        joined[part] = values - 360 * np.round((np.median(values) - centre) / 360)
        centre = centre if number else float(np.median(joined[part]))
    return joined


def _measure(angle: Angle, points: Points, directions: Directions, longest: Float64) -> Float64:
    where = [points[name] for name in angle.points]

    def segment(start: int, end: int) -> Float64:
        vector = where[end] - where[start]
        long_enough = np.linalg.norm(vector, axis=1) >= SHORTEST * longest
        return np.where(long_enough[:, None], vector, np.nan)

    match angle.kind:
        case "bend":
            return 180 - np.abs(_rotation(segment(1, 0), segment(1, 2)))
        case "dorsiflexion":
            return 90 - np.abs(_rotation(segment(1, 0), segment(2, 3)))
        case "flexion" | "abduction":
            sign = _front(directions) if angle.kind == "flexion" else _outside(angle, directions)
            return -sign * _rotation(segment(0, 1), segment(2, 3))
        case "lean":
            return _rotation(np.array([[0.0, -1]]), segment(0, 1))
        case "tilt":
            line = segment(0, 1)
            return np.degrees(np.arctan2(-line[:, 1], np.abs(line[:, 0])))


def _rotation(first: Float64, second: Float64) -> Float64:
    """Return how far the first vectors (F, 2) turn to the second, clockwise as one sees them."""
    cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return np.asarray(np.degrees(np.arctan2(cross, (first * second).sum(1))))


def _front(directions: Directions) -> Float64:
    """Return 1 where the front of the body is to its right in the image, -1 to its left."""
    return np.select([directions == "right", directions == "left"], [1.0, -1.0], np.nan)


def _outside(angle: Angle, directions: Directions) -> Float64:
    """Return 1 where away from the other side is to the right of an upright body, or -1."""
    left = np.select([directions == "camera", directions == "away"], [1.0, -1.0], np.nan)
    return left if angle.name.startswith("left_") else -left


def _longest_segment(points: Points) -> Float64:
    """Return the length in pixels of the longest known segment of each frame, (F,)."""
    lengths = [
        np.linalg.norm(points[high] - points[low], axis=1)
        for low, high in SEGMENTS
        if low in points and high in points
    ]
    frames = len(next(iter(points.values()))) if points else 0
    known = np.nan_to_num(np.stack(lengths)) if lengths else np.zeros((1, frames))
    return np.asarray(known.max(0))
