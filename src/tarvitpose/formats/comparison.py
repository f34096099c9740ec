"""Single frames on the left, the temporal part on the right (the paper's Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tarvitpose.drawing import (
    Colour,
    draw_poses,
    draw_text,
    fit_width,
    shown_time,
    text_width,
)
from tarvitpose.formats.overlay import OverlayWriter
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8

WIDEST = 3840  # pixels of both sides: what is wider, many players do not play
APART = 0.05  # of the longer side of a person's box: joints farther apart are ringed
PAPER, INK, FAINT = (24, 24, 24), (245, 245, 245), (170, 170, 170)
LEFT = ("single frame (ViTPose)", "single frame", "single")
RIGHT = ("with neighbouring frames (TAR-ViTPose)", "TAR-ViTPose", "TAR")
RINGS = (
    f"   rings: joints where the two differ by more than {APART:.0%} of the person's size",
    f"   rings: the two differ by more than {APART:.0%}",
    f"   rings: over {APART:.0%} apart",
    "",
)


class ComparisonWriter(OverlayWriter):
    """Write an mp4 file with both answers to the same crops, and the audio of the source.

    Both sides are as the network gave them, without smoothing. The poses must come from an
    estimator with `compare`.
    """

    def _size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        return _layout(image_size).size

    def _picture(self, poses: FramePoses, image: UInt8) -> UInt8:
        return draw_comparison(image, poses, keypoint_threshold=self.keypoint_threshold)


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in pixels."""

    side: tuple[int, int]  # height and width of each picture
    gap: int  # between them
    text: float  # height of a capital
    head: int  # height of what stands above them, two lines

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of it all."""
        return self.head + self.side[0], 2 * self.side[1] + self.gap


def draw_comparison(image: UInt8, poses: FramePoses, *, keypoint_threshold: float = 0.3) -> UInt8:
    """Return the RGB image (height, width, 3) twice, with both answers drawn on it and named.

    Raises ValueError unless the poses hold both.
    """
    layout = _layout(image.shape[:2])
    raw = poses.keypoints if poses.raw_keypoints is None else poses.raw_keypoints
    single, temporal = poses.single_frame(), replace(poses, keypoints=raw)
    small = fit_width(image, layout.side[1])
    rings = _apart(single, temporal, keypoint_threshold)
    canvas = np.full((*layout.size, 3), PAPER, np.uint8)
    for place, (answer, names) in enumerate(((single, LEFT), (temporal, RIGHT))):
        shown = answer.resized(small.shape)
        drawn = draw_poses(small, shown, keypoint_threshold=keypoint_threshold, legend=False)
        _ring(drawn, shown, rings, layout.text)
        left = place * (layout.side[1] + layout.gap)
        canvas[layout.head :, left : left + layout.side[1]] = drawn
        _write(canvas[:, : left + layout.side[1]], names, (left, 0), layout.text, INK)
    lines = [shown_time(poses.time) + more for more in RINGS]
    _write(canvas, lines, (0, layout.head // 2), layout.text, FAINT)
    return canvas


def _layout(image_size: Sequence[int]) -> _Layout:
    height, width = image_size
    gap = max(width // 160, 2)
    across = min(width, (WIDEST - gap) // 2)
    down = max(round(height * across / width), 1)  # as `fit_width` makes it
    text = max(min(down, across) / 40, 9)
    return _Layout((down, across), gap, text, 2 * round(2 * text))


def _apart(single: FramePoses, temporal: FramePoses, threshold: float) -> NDArray[np.bool_]:
    """Return which joints (N, J) of two answers are to be ringed: drawn on a side, and apart."""
    sides = temporal.boxes[:, 2:] - temporal.boxes[:, :2]
    moved = np.linalg.norm(temporal.keypoints - single.keypoints, axis=-1)
    is_drawn = np.maximum(single.scores, temporal.scores) >= threshold
    return np.asarray(is_drawn & (moved > APART * sides.max(1, initial=0)[:, None]))


def _ring(canvas: UInt8, poses: FramePoses, which: NDArray[np.bool_], size: float) -> None:
    """Draw a ring around the chosen joints (N, J), those far outside the image left out."""
    height, width = canvas.shape[:2]
    for person, joint in np.argwhere(which).tolist():
        x, y = poses.keypoints[person, joint].tolist()
        tall = float(poses.boxes[person, 3] - poses.boxes[person, 1])
        radius = round(max(min(size, tall / 12), 4))
        if -radius < x < width + radius and -radius < y < height + radius:
            for colour, line in ((PAPER, radius / 4 + 2), (INK, radius / 8)):
                thick = max(round(line), 1)
                cv2.circle(canvas, (round(x), round(y)), radius, colour, thick, cv2.LINE_AA)


def _write(
    canvas: UInt8, texts: Sequence[str], origin: tuple[int, int], size: float, colour: Colour
) -> None:
    """Write the first of the texts that fits right of `origin`, or the last, in a line."""
    left, top = round(origin[0] + size), round(origin[1] + 1.7 * size)
    room = canvas.shape[1] - left - size
    fitting = [text for text in texts if text_width(text, size) <= room]
    draw_text(canvas, (fitting or texts[-1:])[0], (left, top), size, colour)
