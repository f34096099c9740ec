"""How the camera turned between two frames, told by what stands still.   Axes: P points."""

import cv2
import numpy as np

from tarvitpose.detection.nanodet import picture_within
from tarvitpose.utils.arrays import Float32, Float64, UInt8

SIDE = 192  # pixels, the longer side of the pictures that are compared
POINTS = 80  # corners that are followed
APART = 5  # pixels between them
GROWN = 0.1  # heights by which boxes of people are grown: what lies near moves with them
FEWEST, LEAST = 12, 0.5  # corners, and the share of them, that one motion must explain
TOLERANCE = 1.0  # pixels by which it may miss a corner
STILL = np.eye(2, 3)


class CameraMotion:
    """Compares each frame with the one before: corners outside people are followed."""

    def __init__(self) -> None:
        self._last: UInt8 | None = None  # grey
        self._scale = 1.0  # of it
        self._picture = np.zeros(4)  # xyxy, what no black border is of it
        self._corners = np.zeros((0, 1, 2), np.float32)

    def to(self, image: UInt8, boxes: Float32) -> Float64:
        """Return what takes points of the last frame to `image`, (2, 3): turned, scaled, moved.

        `image` is RGB, `boxes` (N, 4) xyxy are its people. The picture may go on at another size,
        between other black borders or in a frame of another size. Where no motion explains most
        corners, as after a cut, or there was no frame before, nothing moves.
        """
        scale = SIDE / max(image.shape[:2])
        size = [max(round(side * scale), 1) for side in image.shape[1::-1]]
        step = max(int(0.5 / scale), 1)  # the mean of all pixels of a large frame takes longer
        small = cv2.resize(image[::step, ::step], size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        rows, columns = picture_within(np.asarray(small, np.uint8))
        picture = np.array([columns.start, rows.start, columns.stop, rows.stop], np.float64)
        matrix = None
        if not np.array_equal(picture, self._picture):
            matrix = self._followed(grey, _placed(self._picture, picture))
        if matrix is None:
            matrix = self._followed(grey, STILL)
        matrix = (
            STILL.copy() if matrix is None else matrix * [*[self._scale / scale] * 2, 1 / scale]
        )
        self._last, self._scale, self._picture = grey, scale, picture
        self._corners = _corners(grey, boxes * np.float32(scale))
        return matrix

    def _followed(self, grey: UInt8, placed: Float64) -> Float64 | None:
        """Return the motion (2, 3) of the last frame's corners, in pixels of the small pictures.

        `placed` (2, 3) says about where they are expected. None where nothing explains most.
        """
        if self._last is None or len(self._corners) < FEWEST:
            return None
        last = np.asarray(cv2.warpAffine(self._last, placed, grey.shape[::-1]), np.uint8)
        corners = np.asarray(cv2.transform(self._corners, placed), np.float32)
        moved, was_found, _ = cv2.calcOpticalFlowPyrLK(last, grey, corners, np.empty_like(corners))
        followed = was_found[:, 0] > 0
        if followed.sum() < FEWEST:
            return None
        matrix, fits = cv2.estimateAffinePartial2D(
            corners[followed], moved[followed], ransacReprojThreshold=TOLERANCE
        )
        explained = 0 if matrix is None else int(fits.sum())
        if explained < max(FEWEST, LEAST * len(corners)):
            return None
        return np.asarray(matrix @ np.vstack([placed, [0, 0, 1]]), np.float64)


def _placed(before: Float64, now: Float64) -> Float64:
    """Return what takes a rectangle (4,) xyxy to another one, (2, 3)."""
    scale = (now[2:] - now[:2]) / np.maximum(before[2:] - before[:2], 1)
    return np.column_stack([np.diag(scale), now[:2] - scale * before[:2]])


def _corners(grey: UInt8, boxes: Float32) -> Float32:
    """Return corners of a picture outside the boxes (N, 4) of people, (P, 1, 2)."""
    background = np.full(grey.shape, 255, np.uint8)
    grown = boxes + np.outer(GROWN * (boxes[:, 3] - boxes[:, 1]), [-1, -1, 1, 1])
    for left, top, right, bottom in grown.clip(0).astype(int).tolist():
        background[top:bottom, left:right] = 0
    corners = cv2.goodFeaturesToTrack(grey, POINTS, 0.01, APART, mask=background)
    empty = np.zeros((0, 1, 2), np.float32)
    return empty if corners is None else np.asarray(corners, np.float32)
