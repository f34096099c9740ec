"""What all trackers share, and where a person is between two detections.   Axes: N people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.utils.arrays import Float32, Int64, UInt8

SMOOTHING = 0.3  # weight of the newest step in a velocity, low so that an odd box changes little
LONGEST_DRIFT = 15  # frames; an old velocity says nothing about where a person is
LONGEST_GAP = 30  # frames without a box that a track outlasts


class Carried(NamedTuple):
    """Where N people are expected in a frame that the detector skipped."""

    boxes: Float32  # (N, 4), xyxy, which may reach out of the frame
    scores: Float32  # (N,), of the last detection
    track_ids: Int64  # (N,), in ascending order


class Tracker(Protocol):
    """Anything that gives every person a number that stays the same from frame to frame."""

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        index: int,
        time: float | None = None,
        image: UInt8 | None = None,
        /,
    ) -> Int64:
        """Return the track of each box, (N,), for the boxes (N, 4) xyxy of frame `index`.

        `time` is that of the frame in seconds, and `image` the frame (height, width, 3), RGB, for
        trackers that look at them. Numbers start at 1 and are never given twice; 0 is a box without
        a track. Frames may be skipped, never repeated: raises ValueError when `index` does not
        grow.
        """

    def carry(self, index: int, time: float | None = None, /) -> Carried:
        """Return where the people of the last update are expected in frame `index`.

        Only those who had a box then, moved on at their velocity. Nothing is changed. Raises
        ValueError for a frame before that update.
        """


@dataclass(frozen=True)
class Track:
    """One person, with the last box and a smoothed velocity."""

    box: Float32  # (4,), xyxy, where the person was last seen
    score: float  # of that box
    last_index: int  # index of that frame
    velocity: Float32  # (2,), x and y in pixels per frame

    @classmethod
    def begin(cls, box: Float32, score: float, index: int) -> Track:
        """Return the track of someone seen for the first time, at rest."""
        return cls(box, score, index, np.zeros(2, np.float32))

    def expected(self, index: int) -> Float32:
        """Return where the box should be in frame `index`, (4,)."""
        frames = min(index - self.last_index, LONGEST_DRIFT)
        return np.asarray(self.box + np.tile(self.velocity * frames, 2), np.float32)

    def follow(self, box: Float32, score: float, index: int) -> Track:
        """Return the track after the person was seen again."""
        step = (_centre(box) - _centre(self.box)) / (index - self.last_index)
        velocity = self.velocity + SMOOTHING * (step - self.velocity)
        return Track(box, score, index, np.asarray(velocity, np.float32))


def check_order(index: int, last: int | None, *, may_repeat: bool = False) -> None:
    """Raise ValueError for a frame before the last one, or without `may_repeat` for the same."""
    if last is not None and index < last + (not may_repeat):
        raise ValueError(f"frame {index} came after frame {last}")


def alive(tracks: Mapping[int, Track], index: int, longest_gap: int) -> dict[int, Track]:
    """Return the tracks whose gap is not too long for a box in frame `index`."""
    return {
        track_id: track
        for track_id, track in tracks.items()
        if index - track.last_index - 1 <= longest_gap
    }


def carried(tracks: Mapping[int, Track], last: int | None, index: int) -> Carried:
    """Return the tracks that had a box in frame `last`, moved on to frame `index`."""
    check_order(index, last, may_repeat=True)
    current = [
        (number, track) for number, track in sorted(tracks.items()) if track.last_index == last
    ]
    return Carried(
        np.array([track.expected(index) for _, track in current], np.float32).reshape(-1, 4),
        np.array([track.score for _, track in current], np.float32),
        np.array([number for number, _ in current], np.int64),
    )


def _centre(box: Float32) -> Float32:
    return np.asarray((box[:2] + box[2:]) / 2, np.float32)
