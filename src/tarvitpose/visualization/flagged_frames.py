"""The frames of a result that deserve a second look: joints of low score, or that jump."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tarvitpose.results import FramePoses
from tarvitpose.visualization.tracks import TrackSummary

MAX_FLAGGED = 6
MIN_JUMP = 0.05  # of the body's height; nobody would see a smaller one
LOW_MEAN = 0.5  # of a person's joints; who scores more is seen well enough
NAMED_JOINTS = 3  # joints that are named where the mean score is low


@dataclass(frozen=True)
class FlaggedFrame:
    """A person in a frame, and what is doubtful about them."""

    position: int  # among the frames of the result
    person: int  # in that frame
    why: str
    joint: int | None = None  # that jumps


def flagged_frames(
    poses: Sequence[FramePoses], tracks: Sequence[TrackSummary], limit: int = MAX_FLAGGED
) -> list[FlaggedFrame]:
    """Return at most `limit` moments in the order of time, no two of them close together.

    The lowest scores and the largest jumps take turns; where nobody scores low and nothing jumps,
    there is none.
    """
    min_distance = max(len(poses) // (2 * limit), 1)  # frames
    rankings = [_low_scores(poses), _jumps(poses, tracks)]
    flagged: list[FlaggedFrame] = []
    while rankings and len(flagged) < limit:
        ranking = rankings.pop(0)
        for candidate in ranking:
            if all(abs(candidate.position - other.position) >= min_distance for other in flagged):
                flagged.append(candidate)
                rankings.append(ranking)
                break
    return sorted(flagged, key=lambda frame: frame.position)


def _low_scores(poses: Sequence[FramePoses]) -> Iterator[FlaggedFrame]:
    """Yield the person of the lowest mean score of each frame, the lowest of all first."""
    means = [frame.scores.mean(1) if len(frame) else np.full(1, np.nan) for frame in poses]
    known = [position for position, mean in enumerate(means) if np.isfinite(mean).any()]
    for position in sorted(known, key=lambda position: float(np.nanmin(means[position]))):
        person = int(np.nanargmin(means[position]))
        if means[position][person] >= LOW_MEAN:
            return
        scores = poses[position].scores[person]
        lowest = [int(joint) for joint in scores.argsort()[:NAMED_JOINTS]]
        values = [f"{named(poses[position], joint)} {scores[joint]:.2f}" for joint in lowest]
        why = f"low mean score of {means[position][person]:.2f}; lowest: {', '.join(values)}"
        yield FlaggedFrame(position, person, why)


def _jumps(poses: Sequence[FramePoses], tracks: Sequence[TrackSummary]) -> Iterator[FlaggedFrame]:
    """Yield the joint of the largest jump of each frame, the largest of all first."""
    positions = {frame.index: position for position, frame in enumerate(poses)}
    largest: dict[int, tuple[float, int, int]] = {}  # by frame: the jump, whose, which joint
    for track in tracks:
        for row in np.flatnonzero(track.jumps >= MIN_JUMP).tolist():
            jump = (float(track.jumps[row]), track.track_id, int(track.jumping[row]))
            index = int(track.frames[row])
            largest[index] = max(largest.get(index, jump), jump)
    for index, (size, track_id, joint) in sorted(largest.items(), key=lambda item: -item[1][0]):
        frame = poses[positions[index]]
        person = int(np.flatnonzero(frame.track_ids == track_id)[0])
        why = f"{named(frame, joint)} jumps by {size:.0%} of the body's height"
        yield FlaggedFrame(positions[index], person, why, joint)


def named(poses: FramePoses, joint: int) -> str:
    """Return a joint's name in words."""
    return poses.joint_names[joint].replace("_", " ")
