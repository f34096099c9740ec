"""The arrays that users get, one object for each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class FramePoses:
    """The N people of one frame, N may be 0.   Coordinates: pixels of the upright frame, (x, y)."""

    index: int  # position in the video, from 0, every frame once
    time: float  # presentation time in seconds
    image_size: tuple[int, int]  # (height, width) of the upright frame
    keypoints: Float32  # (N, J, 2), never clipped to the frame
    scores: Float32  # (N, J), 0..1
    boxes: Float32  # (N, 4), xyxy
    box_scores: Float32  # (N,), 0..1
    track_ids: NDArray[np.int64]  # (N,), never reused within a video
    joint_names: tuple[str, ...]  # (J,), the order of the joints
    raw_keypoints: Float32 | None = None  # (N, J, 2) before smoothing; None: nothing was smoothed

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Frame:
    """One frame of a source, as decoders give it and detectors read it."""

    index: int  # position in the source, from 0
    time: float  # presentation time in seconds
    image: NDArray[np.uint8]  # (height, width, 3), RGB, upright
    name: str = ""  # folder and file name where the source is a folder or a glob


@dataclass(frozen=True)
class Seen:
    """A frame with the people that were detected in it."""

    frame: Frame
    boxes: Float32  # (N, 4), xyxy
    scores: Float32  # (N,)
    track_ids: NDArray[np.int64]  # (N,)
