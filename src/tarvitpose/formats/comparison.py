"""Single frames on the left, the temporal part on the right (the paper's Figure 3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from tarvitpose.config import Colors
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
from tarvitpose.utils.arrays import Bools, UInt8

MAX_WIDTH = 3840  # pixels of both sides; many players do not play wider videos
RING_DISTANCE = 0.05  # of the longer side of a person's box; joints that differ more get a ring
BACKGROUND, TEXT, FAINT_TEXT = (24, 24, 24), (245, 245, 245), (170, 170, 170)
LEFT = ("single frame (ViTPose)", "single frame", "single")
RIGHT = ("with neighbouring frames (TAR-ViTPose)", "TAR-ViTPose", "TAR")
RINGS = (
    f"   rings: joints where the two differ by more than {RING_DISTANCE:.0%} of the person's size",
    f"   rings: the two differ by more than {RING_DISTANCE:.0%}",
    f"   rings: over {RING_DISTANCE:.0%} apart",
    "",
)


class ComparisonWriter(OverlayWriter):
    """Write an mp4 file with the poses of both modes side by side, and the audio of the source.

    Neither side is smoothed. The poses must come from an estimator with `compare`.
    """

    def _size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        return _layout(image_size).size

    def _picture(self, poses: FramePoses, image: UInt8) -> UInt8:
        return draw_comparison(
            image, poses, keypoint_threshold=self.keypoint_threshold, colors=self.colors
        )


@dataclass(frozen=True)
class _CanvasLayout:
    """Sizes in pixels."""

    side: tuple[int, int]  # height and width of each picture
    gap: int  # between the pictures
    text: float  # height of a capital
    header: int  # height of the two lines of text above

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole canvas."""
        return self.header + self.side[0], 2 * self.side[1] + self.gap


def draw_comparison(
    image: UInt8, poses: FramePoses, *, keypoint_threshold: float = 0.3, colors: Colors = "track"
) -> UInt8:
    """Return the RGB image (height, width, 3) twice, with the poses of one mode on each, labelled.

    Raises ValueError unless the poses hold both modes.
    """
    layout = _layout(image.shape[:2])
    raw = poses.keypoints if poses.raw_keypoints is None else poses.raw_keypoints
    single, temporal = poses.single_frame(), replace(poses, keypoints=raw)
    small = fit_width(image, layout.side[1])
    ringed = _differing_joints(single, temporal, keypoint_threshold)
    canvas = np.full((*layout.size, 3), BACKGROUND, np.uint8)
    for column, (side, titles) in enumerate(((single, LEFT), (temporal, RIGHT))):
        scaled = side.resized(small.shape)
        drawn = draw_poses(
            small, scaled, keypoint_threshold=keypoint_threshold, legend=False, colors=colors
        )
        _ring(drawn, scaled, ringed, layout.text)
        left = column * (layout.side[1] + layout.gap)
        canvas[layout.header :, left : left + layout.side[1]] = drawn
        _write(canvas[:, : left + layout.side[1]], titles, (left, 0), layout.text, TEXT)
    lines = [shown_time(poses.time) + explanation for explanation in RINGS]
    _write(canvas, lines, (0, layout.header // 2), layout.text, FAINT_TEXT)
    return canvas


def _layout(image_size: Sequence[int]) -> _CanvasLayout:
    height, width = image_size
    gap = max(width // 160, 2)
    side_width = min(width, (MAX_WIDTH - gap) // 2)
    side_height = max(round(height * side_width / width), 1)  # as `fit_width` makes it
    text = max(min(side_height, side_width) / 40, 9)
    return _CanvasLayout((side_height, side_width), gap, text, 2 * round(2 * text))


def _differing_joints(single: FramePoses, temporal: FramePoses, threshold: float) -> Bools:
    """Return which joints (N, J) get a ring: drawn on a side, and far enough from each other."""
    sides = temporal.boxes[:, 2:] - temporal.boxes[:, :2]
    distance = np.linalg.norm(temporal.keypoints - single.keypoints, axis=-1)
    is_drawn = np.maximum(single.scores, temporal.scores) >= threshold
    return np.asarray(is_drawn & (distance > RING_DISTANCE * sides.max(1, initial=0)[:, None]))


def _ring(canvas: UInt8, poses: FramePoses, chosen: Bools, size: float) -> None:
    """Draw a ring around the chosen joints (N, J), except those far outside the image."""
    height, width = canvas.shape[:2]
    for person, joint in np.argwhere(chosen).tolist():
        x, y = poses.keypoints[person, joint].tolist()
        box_height = float(poses.boxes[person, 3] - poses.boxes[person, 1])
        radius = round(max(min(size, box_height / 12), 4))
        if -radius < x < width + radius and -radius < y < height + radius:
            for colour, line in ((BACKGROUND, radius / 4 + 2), (TEXT, radius / 8)):
                thickness = max(round(line), 1)
                cv2.circle(canvas, (round(x), round(y)), radius, colour, thickness, cv2.LINE_AA)


def _write(
    canvas: UInt8, texts: Sequence[str], origin: tuple[int, int], size: float, colour: Colour
) -> None:
    """Write the first of the texts that fits to the right of `origin`, or else the last."""
    left, top = round(origin[0] + size), round(origin[1] + 1.7 * size)
    available = canvas.shape[1] - left - size
    fitting = [text for text in texts if text_width(text, size) <= available]
    draw_text(canvas, (fitting or texts[-1:])[0], (left, top), size, colour)
