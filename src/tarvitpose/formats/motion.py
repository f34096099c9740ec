"""One person's joints over time, upright and in metres where a scale is known: for TRC and BVH.

Axes: F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tarvitpose.errors import DataError
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import Float64, Int64

SHOULDER_TO_ANKLE = 0.818 - 0.039  # of the stature: Drillis and Contini (1966), as in Winter
LONGEST = 0.75  # quantile of the frames' lengths: a limb that points at the camera is short
SIDES = ("left", "right")
DIGITS = 5  # a hundredth of a millimetre
PIXEL_DIGITS = 2


@dataclass(frozen=True)
class TrackMotion:
    """One track from its first frame to its last."""

    track_id: int
    indices: Int64  # (F,), of the frames in the video
    times: Float64  # (F,), seconds
    keypoints: Float64  # (F, J, 2), x to the right and y up from `floor`; NaN: not seen
    joint_names: tuple[str, ...]
    pixels_per_metre: float | None = None  # None: `keypoints` are pixels

    @property
    def unit(self) -> str:
        """Return m or px."""
        return "px" if self.pixels_per_metre is None else "m"

    @property
    def frame_rate(self) -> float:
        """Frames per second, by the mean distance of their times; 30 of a single frame."""
        seconds = float(self.times[-1] - self.times[0])
        return (len(self.times) - 1) / seconds if seconds > 0 else 30.0

    @property
    def digits(self) -> int:
        """Decimals worth writing."""
        return DIGITS if self.unit == "m" else PIXEL_DIGITS

    def joint(self, name: str) -> Float64:
        """Return where a joint is, (F, 2), NaN where it is not seen or not known."""
        if name not in self.joint_names:
            return np.full((len(self.times), 2), np.nan)
        return self.keypoints[:, self.joint_names.index(name)]

    def middle(self, joint: str) -> Float64:
        """Return the middle of the left and the right joint, (F, 2)."""
        left, right = (self.joint(f"{side}_{joint}") for side in SIDES)
        return np.asarray((left + right) / 2)

    def in_metres(self, pixels_per_metre: float) -> TrackMotion:
        """Return the same motion, which is in pixels, in metres."""
        points = self.keypoints / pixels_per_metre
        return replace(self, keypoints=points, pixels_per_metre=pixels_per_metre)


def motions(frames: Sequence[FramePoses], least_score: float) -> list[TrackMotion]:
    """Return every track, joints below `least_score` left out; 0 is the lowest joint of all.

    Frames between a track's first and last in which it is absent are gaps. Raises DataError where
    there are no times, no tracks or no joints.
    """
    if any(not np.isfinite(poses.time) for poses in frames):
        raise DataError("frames without times; a file of predict has them")
    tracks = sorted({track for poses in frames for track in poses.track_ids.tolist()} - {-1})
    if not tracks:
        raise DataError("nobody was detected, or nobody has a track id")
    seen = {track: _seen(frames, track, least_score) for track in tracks}
    lowest = [float(np.nanmax(at[..., 1])) for at in seen.values() if np.isfinite(at).any()]
    if not lowest:
        raise DataError(f"no joint scores {least_score:g}; lower --keypoint-threshold")
    floor = max(lowest)
    return [_motion(frames, track, points, floor) for track, points in seen.items()]


def pixels_per_metre(motion: TrackMotion, height: float) -> float:
    """Return the scale of a person who is `height` metres tall, from the length of their body.

    Shoulders to ankles along the body, whatever the posture, in the frames in which it is longest.
    Raises DataError where it is never seen as a whole.
    """
    legs = [
        np.linalg.norm(motion.joint(f"{side}_hip") - motion.joint(f"{side}_knee"), axis=1)
        + np.linalg.norm(motion.joint(f"{side}_knee") - motion.joint(f"{side}_ankle"), axis=1)
        for side in SIDES
    ]
    trunk = np.linalg.norm(motion.middle("shoulder") - motion.middle("hip"), axis=1)
    lengths = trunk + np.fmax(*legs)  # (F,)
    lengths = lengths[np.isfinite(lengths)]
    if not len(lengths) or not lengths.max() > 0:
        raise DataError(
            f"track {motion.track_id}: shoulders, hips, a knee and its ankle are never seen "
            "together, so its height in pixels is not known; give --pixels-per-metre"
        )
    return float(np.quantile(lengths, LONGEST)) / SHOULDER_TO_ANKLE / height


def _seen(frames: Sequence[FramePoses], track: int, least_score: float) -> Float64:
    """Return the joints of a track in all frames, (frames, J, 2), NaN where they are not seen."""
    joints = len(next(poses.joint_names for poses in frames if track in poses.track_ids))
    points = np.full((len(frames), joints, 2), np.nan)
    for at, poses in enumerate(frames):
        for person in np.flatnonzero(poses.track_ids == track)[:1]:
            # Files of others have no scores (NaN): their joints count.
            is_low = poses.scores[person] < least_score
            points[at] = np.where(is_low[:, None], np.nan, poses.keypoints[person])
    return points


def _motion(frames: Sequence[FramePoses], track: int, points: Float64, floor: float) -> TrackMotion:
    positions = [at for at, poses in enumerate(frames) if track in poses.track_ids]
    part = slice(positions[0], positions[-1] + 1)
    upright = points[part] * [1, -1] + [0, floor]
    return TrackMotion(
        track_id=track,
        indices=np.array([poses.index for poses in frames[part]], np.int64),
        times=np.array([poses.time for poses in frames[part]], np.float64),
        keypoints=upright,
        joint_names=frames[positions[0]].joint_names,
    )
