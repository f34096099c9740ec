"""Frames without recognisable faces, for whatever is drawn on them.

A detector misses people now and then, so a head is hidden some time longer than it is seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from tarvitpose.drawing.faces import head_regions, pixelated
from tarvitpose.geometry import box_area, shared_area
from tarvitpose.results import Frame, FramePoses
from tarvitpose.utils.arrays import Float32, Float64

HOLD = 0.5  # seconds before and after a head is seen in which its region stays hidden
MOST_FRAMES = 15  # that wait for what comes after them
COVERED = 0.5  # share of a region that another one must cover to take its place


@dataclass(frozen=True)
class _Regions:
    """Parts of a frame to hide, and when the heads in them were seen."""

    boxes: Float32  # (K, 4), xyxy
    times: Float64  # (K,), seconds

    def onto(self, other: _Regions, time: float) -> _Regions:
        """Return `other`, the regions of a frame at `time`, with what stays of these."""
        shared = shared_area(self.boxes[:, None], other.boxes[None])  # (K, L)
        is_moved_on = (shared >= COVERED * box_area(self.boxes)[:, None]).any(1)
        stays = ~is_moved_on & (np.abs(time - self.times) <= HOLD)
        return _Regions(
            np.concatenate([other.boxes, self.boxes[stays]]),
            np.concatenate([other.times, self.times[stays]]),
        )


@dataclass(frozen=True)
class _Waiting:
    frame: Frame
    poses: FramePoses
    seen: _Regions  # in this frame
    since: _Regions  # and before it


def without_faces(
    pairs: Generator[tuple[Frame, FramePoses]],
) -> Generator[tuple[Frame, FramePoses]]:
    """Yield the frames, which come in order, with all heads pixelated, and the poses as they are.

    A region stays for HOLD seconds before and after its head is seen, until another one takes its
    place; so up to MOST_FRAMES frames are held back.
    """
    waiting: deque[_Waiting] = deque()
    with closing(pairs):
        for frame, poses in pairs:
            boxes = head_regions(poses)
            seen = _Regions(boxes, np.full(len(boxes), frame.time))
            since = waiting[-1].since.onto(seen, frame.time) if waiting else seen
            waiting.append(_Waiting(frame, poses, seen, since))
            while len(waiting) > MOST_FRAMES or frame.time - waiting[0].frame.time > HOLD:
                yield _next(waiting)
    while waiting:
        yield _next(waiting)


def _next(waiting: deque[_Waiting]) -> tuple[Frame, FramePoses]:
    """Take the oldest frame, with what is seen until then and soon after it hidden."""
    until = waiting[-1].seen
    for later in reversed([*waiting][:-1]):
        until = until.onto(later.seen, later.frame.time)
    oldest = waiting.popleft()
    regions = np.concatenate([oldest.since.boxes, until.boxes])
    return replace(oldest.frame, image=pixelated(oldest.frame.image, regions)), oldest.poses
