"""What every detector gives back, and what all of them share.   Axes: N people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from tarvitpose.geometry import box_area
from tarvitpose.results import Frame
from tarvitpose.utils.arrays import Bools, Float32, Int64


@dataclass(frozen=True)
class Detections:
    """The N people found in one frame, N may be 0, the most certain one first."""

    boxes: Float32  # (N, 4), xyxy in pixels of the upright frame
    scores: Float32  # (N,), 0..1
    track_ids: Int64 | None = None  # (N,), from 0; None: nobody knows who is who

    def __len__(self) -> int:
        return len(self.boxes)

    def only(self, which: Bools | Int64) -> Detections:
        """Return some of the people: a mask (N,), or their positions in the order wanted."""
        ids = None if self.track_ids is None else self.track_ids[which]
        return Detections(self.boxes[which], self.scores[which], ids)


class Detector(Protocol):
    """Anything that finds people in a frame; lines in its `warnings`, if it has any, are shown."""

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame."""


def ranked(
    boxes: ArrayLike, scores: ArrayLike, threshold: float, track_ids: Int64 | None = None
) -> Detections:
    """Return boxes (N, 4), scores and tracks (N,) that reach the threshold, the best first."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    scores = np.asarray(scores, np.float32).reshape(-1)
    reaching = np.flatnonzero(scores >= np.float32(threshold))
    order = reaching[np.argsort(-scores[reaching], kind="stable")]
    return Detections(boxes[order], scores[order], None if track_ids is None else track_ids[order])


def clip_to_frame(boxes: ArrayLike, size: tuple[int, int]) -> Float32:
    """Cut boxes (N, 4) xyxy off at the borders of a frame of `size` (height, width)."""
    height, width = size
    limits = np.array([width, height, width, height], np.float32)
    return np.asarray(boxes, np.float32).reshape(-1, 4).clip(0, limits)


def keep_best(
    detections: Detections, max_people: int | None, *, largest_first: bool = False
) -> Detections:
    """Keep the `max_people` detections of the highest score; all of them when it is None.

    With `largest_first` the area of their boxes decides instead, so that people far behind are
    left out first. Equals keep the order in which they came. Raises ValueError when `max_people`
    is below 1.
    """
    if max_people is None:
        return detections
    if max_people < 1:
        raise ValueError(f"max_people must be at least 1, not {max_people}")
    boxes = detections.boxes
    worth = box_area(boxes) if largest_first else detections.scores
    return detections.only(np.argsort(-worth, kind="stable")[:max_people])
