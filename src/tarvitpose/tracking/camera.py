"""How the camera turned between two frames, told by what stands still.   Axes: P points."""

import cv2
import numpy as np

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
        self._corners = np.zeros((0, 1, 2), np.float32)

    def to(self, image: UInt8, boxes: Float32) -> Float64:
        """Return what takes points of the last frame to `image`, (2, 3): turned, scaled, moved.

        `image` is RGB, `boxes` (N, 4) xyxy are its people. Where no motion explains most corners,
        as after a cut, or there was no frame before, nothing moves.
        """
        scale = SIDE / max(image.shape[:2])
        size = [max(round(side * scale), 1) for side in image.shape[1::-1]]
        step = max(int(0.5 / scale), 1)  # the mean of all pixels of a large frame takes longer
        small = cv2.resize(image[::step, ::step], size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
        matrix = self._followed(grey)
        matrix[:, 2] /= scale
        self._last, self._corners = grey, _corners(grey, boxes * np.float32(scale))
        return matrix

    def _followed(self, grey: UInt8) -> Float64:
        """Return the motion of the last frame's corners, in pixels of the small pictures."""
        if self._last is None or self._last.shape != grey.shape or len(self._corners) < FEWEST:
            return STILL.copy()
        moved, was_found, _ = cv2.calcOpticalFlowPyrLK(
            self._last, grey, self._corners, np.empty_like(self._corners)
        )
        followed = was_found[:, 0] > 0
        if followed.sum() < FEWEST:
            return STILL.copy()
        matrix, fits = cv2.estimateAffinePartial2D(
            self._corners[followed],
            moved[followed],
            ransacReprojThreshold=TOLERANCE,
        )
        explained = 0 if matrix is None else int(fits.sum())
        if explained < max(FEWEST, LEAST * len(self._corners)):
            return STILL.copy()
        return np.asarray(matrix, np.float64)


def _corners(grey: UInt8, boxes: Float32) -> Float32:
    """Return corners of a picture outside the boxes (N, 4) of people, (P, 1, 2)."""
    background = np.full(grey.shape, 255, np.uint8)
    grown = boxes + np.outer(GROWN * (boxes[:, 3] - boxes[:, 1]), [-1, -1, 1, 1])
    for left, top, right, bottom in grown.clip(0).astype(int).tolist():
        background[top:bottom, left:right] = 0
    corners = cv2.goodFeaturesToTrack(grey, POINTS, 0.01, APART, mask=background)
    empty = np.zeros((0, 1, 2), np.float32)
    return empty if corners is None else np.asarray(corners, np.float32)
