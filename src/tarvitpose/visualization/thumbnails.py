"""Small pictures out of a video, taken in a second pass that keeps nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from tarvitpose.drawing import DARK, LIGHT, draw_poses, fit_width
from tarvitpose.errors import DataError
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.video.frame_source import FrameSource
from tarvitpose.visualization.html import Html, image

LONGEST = 480  # pixels of a picture's longer side
AROUND = 1.4  # the side of a part of a frame, to the longer side of the person's box
LEAST = 96  # pixels of the frame that this side has at least


@dataclass(frozen=True)
class Shot:
    """A frame to show, or one person and the part of it around them."""

    poses: FramePoses
    alt: str
    person: int | None = None  # None: the whole frame
    joint: int | None = None  # of that person, to ring


def take(source: FrameSource, shots: Sequence[Shot], threshold: float) -> list[Html]:
    """Return the pictures with the poses drawn on them. Raises UserError.

    Joints that score below `threshold` are not drawn.
    """
    waiting: dict[int, list[int]] = defaultdict(list)
    for place, shot in enumerate(shots):
        waiting[shot.poses.index].append(place)
    taken: dict[int, Html] = {}
    for frame in source.at(waiting):
        for place in waiting.pop(frame.index):
            shot = shots[place]
            taken[place] = image(_picture(frame.image, shot, threshold), shot.alt)
    if waiting:
        raise DataError(
            f"{source.source}: has no frame {min(waiting)}, which the results have; "
            "give the video that they are of"
        )
    return [taken[place] for place in range(len(shots))]


def _picture(whole: UInt8, shot: Shot, threshold: float) -> UInt8:
    part, poses = whole, replace(shot.poses, image_size=whole.shape[:2])
    if shot.person is not None:
        part, poses = _around(whole, poses, shot.person)
    height, width = part.shape[:2]
    small = fit_width(part, max(round(width * LONGEST / max(width, height)), 1))
    shown = poses.resized(small.shape)
    drawn = draw_poses(small, shown, keypoint_threshold=threshold, legend=False)
    if shot.joint is not None:
        _ring(drawn, *shown.keypoints[0, shot.joint].tolist())
    return drawn


def _around(whole: UInt8, poses: FramePoses, person: int) -> tuple[UInt8, FramePoses]:
    """Cut out what is around a person, and return it with their pose alone."""
    box = poses.boxes[person]
    size = np.array(whole.shape[1::-1])  # width, height
    side = max(AROUND * float((box[2:] - box[:2]).max()), LEAST)
    sides = np.minimum(round(side), size)
    corner = np.clip(np.round((box[:2] + box[2:] - sides) / 2), 0, size - sides).astype(int)
    part = whole[corner[1] : corner[1] + sides[1], corner[0] : corner[0] + sides[0]]
    alone = slice(person, person + 1)
    moved = replace(
        poses,
        image_size=part.shape[:2],
        keypoints=(poses.keypoints[alone] - corner).astype(np.float32),
        boxes=(poses.boxes[alone] - np.tile(corner, 2)).astype(np.float32),
        scores=poses.scores[alone],
        box_scores=poses.box_scores[alone],
        track_ids=poses.track_ids[alone],
        raw_keypoints=None,
        single_keypoints=None,
        single_scores=None,
    )
    return part, moved


def _ring(canvas: UInt8, x: float, y: float) -> None:
    """Ring a place, unless it is far outside."""
    radius = max(canvas.shape) // 24
    if -radius < x < canvas.shape[1] + radius and -radius < y < canvas.shape[0] + radius:
        for colour, line in ((DARK, 5), (LIGHT, 2)):
            cv2.circle(canvas, (round(x), round(y)), radius, colour, line, cv2.LINE_AA)
