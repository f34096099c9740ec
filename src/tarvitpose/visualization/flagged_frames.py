"""The frames of a result that deserve a look: joints unsure, or jumping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tarvitpose.results import FramePoses
from tarvitpose.visualization.tracks import Track

SHOWN = 6
LEAST_JUMP = 0.05  # of the body's height; below that nobody would see one
LEAST_SURE = 3  # joints that are named where the score is low


@dataclass(frozen=True)
class FlaggedFrame:
    """A person in a frame, and what is doubtful about them."""

    at: int  # position among the frames of the result
    person: int  # in that frame
    why: str
    joint: int | None = None  # that jumps


def flagged_frames(
    poses: Sequence[FramePoses], tracks: Sequence[Track], shown: int = SHOWN
) -> list[FlaggedFrame]:
    """Return the worst moments in the order of time, none close to another.

    The lowest scores and the largest jumps take turns.
    """
    apart = max(len(poses) // (2 * shown), 1)  # frames
    waiting: list[Iterator[FlaggedFrame]] = [_unsure(poses), _jumping(poses, tracks)]
    found: list[FlaggedFrame] = []
    while waiting and len(found) < shown:
        kind = waiting.pop(0)
        free = (one for one in kind if all(abs(one.at - other.at) >= apart for other in found))
        chosen = next(free, None)
        if chosen is not None:
            found.append(chosen)
            waiting.append(kind)
    return sorted(found, key=lambda one: one.at)


def _unsure(poses: Sequence[FramePoses]) -> Iterator[FlaggedFrame]:
    """Yield the person of the lowest mean score of each frame, the lowest of all first."""
    means = [one.scores.mean(1) if len(one) else np.full(1, np.nan) for one in poses]
    known = [at for at, mean in enumerate(means) if np.isfinite(mean).any()]
    for at in sorted(known, key=lambda at: float(np.nanmin(means[at]))):
        person = int(np.nanargmin(means[at]))
        scores = poses[at].scores[person]
        names = [named(poses[at], int(joint)) for joint in scores.argsort()[:LEAST_SURE]]
        values = [
            f"{name} {score:.2f}" for name, score in zip(names, np.sort(scores), strict=False)
        ]
        why = f"low mean score of {means[at][person]:.2f}; least sure: {', '.join(values)}"
        yield FlaggedFrame(at, person, why)


def _jumping(poses: Sequence[FramePoses], tracks: Sequence[Track]) -> Iterator[FlaggedFrame]:
    """Yield the joint of the largest jump of each frame, the largest of all first."""
    places = {one.index: at for at, one in enumerate(poses)}
    largest: dict[int, tuple[float, int, int]] = {}  # by frame: the jump, whose, which joint
    for track in tracks:
        for at in np.flatnonzero(track.jumps >= LEAST_JUMP).tolist():
            jump = (float(track.jumps[at]), track.track_id, int(track.jumping[at]))
            frame = int(track.frames[at])
            largest[frame] = max(largest.get(frame, jump), jump)
    for frame, (size, track_id, joint) in sorted(largest.items(), key=lambda one: -one[1][0]):
        at = places[frame]
        person = int(np.flatnonzero(poses[at].track_ids == track_id)[0])
        name = named(poses[at], joint)
        yield FlaggedFrame(at, person, f"{name} jumps by {size:.0%} of the body's height", joint)


def named(poses: FramePoses, joint: int) -> str:
    """Return a joint's name in words."""
    return poses.joint_names[joint].replace("_", " ")
